"""Training one child on one device, and measuring it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from aen.children.mlp import DenseChild, build_child
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, Split
from aen.errors import SpecError
from aen.results.evaluation import Evaluation, TestMeasurement
from aen.training.engine import Engine
from aen.training.weights import save_weights

EVALUATION_BATCH = 4096


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use this many CPU threads inside the block: a result depends on it in its last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_child(
    spec: ChildSpec, dataset: Dataset, *, device: str = "cpu", threads: int = 1, weights_folder: Path | None = None
) -> Evaluation:
    """Train a child from nothing and measure it on the validation images.

    The same spec, device kind and thread count give the same result, bit for bit on a CPU.

    Args:
        spec: the child.
        dataset: its data; moved to the device if it is not there.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: number of CPU threads; one is fastest for small children.
        weights_folder: where to keep the trained weights, as ``<key>.safetensors``; None keeps none.

    Raises:
        SpecError: the child does not fit the data set.
    """
    _check_fit(spec, dataset)
    started = time.perf_counter()
    with cpu_threads(threads):
        child = build_child(spec).to(device)
        data = dataset.to(device)
        finite = _fit(child, spec, data.train)
        train, validation = measure(child, data.train), measure(child, data.validation)
        finite = finite and all(map(_is_finite, (train[0], validation[0])))
        name = save_weights(child, weights_folder / f"{spec.key}.safetensors") if weights_folder and finite else None
    return Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok" if finite else "diverged",
        train_loss=train[0] if finite else 0.0,
        train_accuracy=train[1] if finite else 0.0,
        validation_loss=validation[0] if finite else 0.0,
        validation_accuracy=validation[1] if finite else 0.0,
        parameters=child.parameter_count(),
        epochs=spec.training.epochs,
        seconds=time.perf_counter() - started,
        device=device if device == "cpu" else torch.cuda.get_device_name(device),
        threads=threads,
        weights=name,
    )


def _is_finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")  # noqa: PLR0124


def _check_fit(spec: ChildSpec, dataset: Dataset) -> None:
    if spec.grids[0] != dataset.side:
        raise SpecError(
            f"grids start at {spec.grids[0]}, but the images are {dataset.side}x{dataset.side}; make them agree."
        )
    if spec.classes != dataset.classes:
        raise SpecError(f"classes is {spec.classes}, but the data set has {dataset.classes}; make them agree.")


def _fit(child: DenseChild, spec: ChildSpec, split: Split) -> bool:
    """Train in place; return whether the loss stayed finite."""
    engine = Engine(child, spec.training.learning_rate)
    shuffle = torch.Generator().manual_seed(spec.seed)
    # What the first layer does to an image without parameters is done once for all images.
    rows, labels = child.prepare(split.images), split.labels
    for _ in range(spec.training.epochs):
        order = torch.randperm(len(labels), generator=shuffle).to(rows.device)
        total = torch.zeros((), device=rows.device)
        for batch in torch.split(order, spec.training.batch_size):
            total += engine.step(rows.index_select(0, batch), labels.index_select(0, batch))
        # One look per epoch: on CUDA each would wait for the device.
        if not _is_finite(float(total)):
            return False
    return True


@torch.no_grad()
def measure(child: DenseChild, split: Split) -> tuple[float, float]:
    """Return (mean cross-entropy, accuracy) of a child on a split."""
    child.eval()
    loss = torch.zeros((), device=split.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=split.labels.device)
    for images, labels in zip(
        torch.split(split.images, EVALUATION_BATCH), torch.split(split.labels, EVALUATION_BATCH), strict=True
    ):
        logits = child(images)
        loss += cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(dim=1) == labels).sum()
    return float(loss) / len(split.labels), int(correct) / len(split.labels)


def measure_test(child: DenseChild, split: Split, *, threads: int = 1) -> TestMeasurement:
    """Measure a trained child on the test split, on the child's device."""
    with cpu_threads(threads):
        loss, accuracy = measure(child, split.to(next(child.parameters()).device))
    return TestMeasurement(test_accuracy=accuracy, test_loss=loss)
