"""How well a network classifies: accuracy with its interval, confusion matrix, per-class figures and calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from aen._typing import Float, Int, JsonDict
from aen.children.child import Child
from aen.statistics import wilson_interval
from aen.training.measuring import EVALUATION_BATCH

BINS = 15


@torch.no_grad()
def logits_of(child: Child, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
    """Return the logits of images, computed on the child's device a part at a time, on the CPU."""
    child.eval()
    device = next(child.parameters()).device
    size = min(child.evaluation_batch, EVALUATION_BATCH)
    found = [child(some.to(device)).float().cpu() for some in torch.split(images, size)]
    return torch.cat(found) if found else torch.empty(0, child.spec.classes)


@dataclass(frozen=True)
class Bin:
    """The images whose confidence, the probability of the predicted class, lies in an interval.

    Attributes:
        low: lower end of the interval, exclusive.
        high: upper end.
        images: number of images.
        confidence: their mean confidence; 0 without images.
        accuracy: share of them that is classified correctly; 0 without images.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ClassQuality:
    """How well one class is recognised.

    Attributes:
        name: of the class.
        images: number of images of the class.
        precision: share of the images predicted as the class that are of it; None: none is predicted so.
        recall: share of the images of the class that are predicted as it; None: there is none.
        f1: harmonic mean of both; None without images of the class.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Quality:
    """How well a network classifies some images.

    Attributes:
        images: their number.
        accuracy: share that is classified correctly.
        interval: its 95 % confidence interval over the draw of the images (Wilson's).
        loss: mean cross-entropy.
        confusion: number of images for each true class (row) and predicted class (column).
        classes: the figures of each class.
        calibration_error: expected calibration error: mean over the images of the difference between the confidence and
            the accuracy of their bin.
        bins: fifteen intervals of confidence of equal width.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassQuality, ...]
    calibration_error: float
    bins: tuple[Bin, ...]

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.interval),
            "loss": self.loss,
            "classes": [vars(own) for own in self.classes],
            "confusion": [list(row) for row in self.confusion],
            "expected_calibration_error": self.calibration_error,
            "calibration_bins": [vars(own) for own in self.bins],
        }


def quality_of(
    logits: Float[Tensor, "n classes"], labels: Int[Tensor, " n"], names: Sequence[str] | None = None
) -> Quality:
    """Return how well logits classify at least one image.

    Args:
        logits: of the network.
        labels: true classes.
        names: of the classes; None: their numbers.
    """
    n, classes = logits.shape
    predicted = logits.argmax(dim=1)
    confidence = torch.softmax(logits.double(), dim=1).gather(1, predicted.unsqueeze(1)).squeeze(1)
    correct = predicted == labels
    confusion = torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)
    bins = _bins(confidence.numpy(), correct.numpy())
    hits = int(correct.sum())
    return Quality(
        images=n,
        accuracy=hits / n,
        interval=wilson_interval(hits, n),
        loss=float(cross_entropy(logits.double(), labels)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=_classes(confusion.numpy(), names or [str(i) for i in range(classes)]),
        calibration_error=math.fsum(b.images * abs(b.confidence - b.accuracy) for b in bins) / n,
        bins=bins,
    )


def _bins(confidence: "np.ndarray[tuple[int], np.dtype[np.float64]]", correct: object) -> tuple[Bin, ...]:
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights=values, minlength=BINS) for values in (confidence, np.asarray(correct, float))]
    means = [np.divide(total, counts, out=np.zeros(BINS), where=counts > 0) for total in sums]
    return tuple(
        Bin(i / BINS, (i + 1) / BINS, int(counts[i]), float(means[0][i]), float(means[1][i])) for i in range(BINS)
    )


def _classes(
    confusion: "np.ndarray[tuple[int, int], np.dtype[np.int64]]", names: Sequence[str]
) -> tuple[ClassQuality, ...]:
    found = []
    for i, name in enumerate(names):
        right, of_class, predicted = (int(x) for x in (confusion[i, i], confusion[i].sum(), confusion[:, i].sum()))
        found.append(
            ClassQuality(
                name,
                of_class,
                precision=right / predicted if predicted else None,
                recall=right / of_class if of_class else None,
                f1=2 * right / (of_class + predicted) if of_class else None,
            )
        )
    return tuple(found)
