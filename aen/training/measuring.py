"""Measuring trained children."""

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from aen._typing import JsonDict
from aen.children.child import Child
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, Split
from aen.errors import SpecError
from aen.results.evaluation import Evaluation, TestMeasurement
from aen.training.device import exact_convolutions
from aen.training.threads import cpu_threads

EVALUATION_BATCH = 4096
FEWEST_SHOWN = 256


@dataclass(frozen=True)
class Measured:
    """How a child does on a split.

    Attributes:
        loss: mean cross-entropy.
        accuracy: in [0, 1].
    """

    loss: float
    accuracy: float


def check_fit(spec: ChildSpec, dataset: Dataset) -> None:
    """Check that a child takes a data set's images and has its classes.

    Raises:
        SpecError: it does not.
    """
    channels = dataset.train.images.shape[1]
    if channels != spec.channels:
        wanted = "grey images, of 1 channel" if spec.channels == 1 else f"images of {spec.channels} channels"
        raise SpecError(f"the images have {channels} channels; the {spec.kind} child takes {wanted}.")
    if spec.side != dataset.side:
        raise SpecError(
            f"{spec.side_is} {spec.side}, but the images are {dataset.side}x{dataset.side}; make them agree."
        )
    if spec.classes != dataset.classes:
        raise SpecError(f"classes is {spec.classes}, but the data set has {dataset.classes}; make them agree.")


def check_parts(parts: int) -> None:
    """Check in how many parts a batch shall go through the network.

    Raises:
        SpecError: less than one.
    """
    if parts < 1:
        raise SpecError(f"parts is {parts}; a batch goes through the network in at least 1.")


def noted(record: JsonDict | None, parts: int) -> JsonDict | None:
    """Return what a child notes of itself, and in how many parts its batches went through it if not in one."""
    return record if parts == 1 else (record or {}) | {"parts": parts}


def evaluation_of(
    spec: ChildSpec,
    *,
    train: Measured,
    validation: Measured,
    finite: bool,
    parameters: int,
    seconds: float,
    device: str,
    threads: int,
    population: int,
    weights: str | None,
    record: JsonDict | None = None,
) -> Evaluation:
    """Put the outcome of a training together; if a loss was not finite, it diverged, and all figures are 0."""
    finite = finite and math.isfinite(train.loss) and math.isfinite(validation.loss)
    return Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok" if finite else "diverged",
        train_loss=train.loss if finite else 0.0,
        train_accuracy=train.accuracy if finite else 0.0,
        validation_loss=validation.loss if finite else 0.0,
        validation_accuracy=validation.accuracy if finite else 0.0,
        parameters=parameters,
        epochs=float(spec.training.epochs),
        seconds=seconds,
        device=device if device == "cpu" else torch.cuda.get_device_name(device),
        threads=threads,
        population=population,
        weights=weights,
        record=record,
    )


def shown(spec: ChildSpec, images: int) -> int:
    """Return on how many of the training images a child is measured after its training.

    On all of them; but after a slice of an epoch on as many as it was trained on, or a search would spend its time on
    looking.
    """
    return min(images, max(math.ceil(spec.training.epochs * images), FEWEST_SHOWN))


@torch.no_grad()
def measure(child: Child, split: Split) -> Measured:
    """Measure a child on a split."""
    child.eval()
    return measure_prepared(child, child.prepare(split.images), split.labels)


@torch.no_grad()
def measure_prepared(child: Child, rows: torch.Tensor, labels: torch.Tensor, parts: int = 1) -> Measured:
    """Measure a child on images that its `prepare` has turned into rows, on fewer at once with more `parts`."""
    loss = torch.zeros((), device=labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    size = max(min(child.evaluation_batch, EVALUATION_BATCH) // parts, 1)
    for some, theirs in zip(torch.split(rows, size), torch.split(labels, size), strict=True):
        logits = child.forward_prepared(some)
        loss += cross_entropy(logits, theirs, reduction="sum")
        correct += (logits.argmax(dim=1) == theirs).sum()
    return Measured(float(loss) / len(labels), int(correct) / len(labels))


def measure_test(child: Child, split: Split, *, threads: int = 1) -> TestMeasurement:
    """Measure a trained child on the test split, on the child's device."""
    with cpu_threads(threads), exact_convolutions():
        measured = measure(child, split.to(next(child.parameters()).device))
    return TestMeasurement(test_accuracy=measured.accuracy, test_loss=measured.loss)
