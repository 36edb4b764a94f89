"""Measuring trained children."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from aen._typing import JsonDict
from aen.children.child import Child
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, Split
from aen.errors import SpecError
from aen.groups.grid import grid_text
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
    if spec.grid != dataset.grid:
        own = str(spec.grid) if isinstance(spec.grid, int) else grid_text(spec.grid)
        raise SpecError(f"{spec.side_is} {own}, but the images are {grid_text(dataset.grid)}; make them agree.")
    if spec.classes != dataset.classes:
        raise SpecError(f"classes is {spec.classes}, but the data set has {dataset.classes}; make them agree.")


def check_micro_batches(micro_batches: int) -> None:
    """Check the number of micro-batches that a batch is split into.

    Raises:
        SpecError: less than one.
    """
    if micro_batches < 1:
        raise SpecError(f"micro_batches is {micro_batches}; give 1 (whole batches) or more.")


def noted(record: JsonDict | None, micro_batches: int) -> JsonDict | None:
    """Return a child's record with the number of micro-batches added if it is above 1."""
    # Stores of earlier versions call it "parts", so it keeps that name there.
    return record if micro_batches == 1 else (record or {}) | {"parts": micro_batches}


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
    """Return the evaluation of a training; if a loss was not finite, its status is diverged and all figures are 0."""
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
def measure_prepared(child: Child, rows: torch.Tensor, labels: torch.Tensor, micro_batches: int = 1) -> Measured:
    """Measure a child on prepared images, on fewer at a time the more micro-batches its batches are split into."""
    loss = torch.zeros((), device=labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    size = max(min(child.evaluation_batch, EVALUATION_BATCH) // micro_batches, 1)
    for some, theirs in zip(torch.split(rows, size), torch.split(labels, size), strict=True):
        logits = child.forward_prepared(some)
        loss += cross_entropy(logits, theirs, reduction="sum")
        correct += (logits.argmax(dim=1) == theirs).sum()
    return Measured(float(loss) / len(labels), int(correct) / len(labels))


def measure_test(child: Child, split: Split, *, threads: int = 1) -> TestMeasurement:
    """Measure a trained child on the test split, on the child's device."""
    return measure_images(child, split, threads=threads)[0]


@torch.no_grad()
def measure_images(child: Child, split: Split, *, threads: int = 1) -> tuple[TestMeasurement, NDArray[np.bool_]]:
    """Measure a trained child on the test split, and say which images it gets right; on the child's device."""
    with cpu_threads(threads), exact_convolutions():
        there = split.to(next(child.parameters()).device)
        measured = measure(child, there)
        right = right_images(child, there)
    return TestMeasurement(test_accuracy=measured.accuracy, test_loss=measured.loss), right


@torch.no_grad()
def right_images(child: Child, split: Split) -> NDArray[np.bool_]:
    """Return for each image of a split whether a child's largest output is that of the image's label."""
    child.eval()
    size = min(child.evaluation_batch, EVALUATION_BATCH)
    rows = child.prepare(split.images)
    found = [child.forward_prepared(some).argmax(dim=1) for some in torch.split(rows, size)]
    return (torch.cat(found) == split.labels).cpu().numpy()
