"""Training one child on one device."""

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from aen.children.dense import DenseSpec
from aen.children.kinds import build_child
from aen.children.mlp import DenseChild
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset
from aen.results.evaluation import Evaluation
from aen.training.autograd import fit
from aen.training.device import exact_convolutions
from aen.training.engine import Engine
from aen.training.measuring import check_fit, evaluation_of, measure_prepared
from aen.training.population import train_population
from aen.training.threads import cpu_threads
from aen.training.weights import save_weights


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
    # A population multiplies full matrices, and only these are worth other precisions.
    if isinstance(spec, DenseSpec) and spec.training.precision != "float32":
        return train_population([spec], dataset, device=device, threads=threads, weights_folder=weights_folder)[0]
    check_fit(spec, dataset)
    started = time.perf_counter()
    with cpu_threads(threads), exact_convolutions(), torch.no_grad():
        child = build_child(spec).to(device)
        data = dataset.to(device)
        # What the first layer does to an image without parameters is done once for all images.
        rows, validation_rows = child.prepare(data.train.images), child.prepare(data.validation.images)
        finite = (
            _fit(child, spec, rows, data.train.labels)
            if isinstance(child, DenseChild)
            else fit(child, spec, data.train.images, data.train.labels)
        )
        child.eval()
        train = measure_prepared(child, rows, data.train.labels)
        validation = measure_prepared(child, validation_rows, data.validation.labels)
        good = finite and math.isfinite(train.loss) and math.isfinite(validation.loss)
        name = save_weights(child, weights_folder / f"{spec.key}.safetensors") if weights_folder and good else None
    return evaluation_of(
        spec,
        train=train,
        validation=validation,
        finite=finite,
        parameters=child.parameter_count(),
        seconds=time.perf_counter() - started,
        device=device,
        threads=threads,
        population=1,
        weights=name,
    )


def _fit(child: DenseChild, spec: ChildSpec, rows: Tensor, labels: Tensor) -> bool:
    """Train a dense child in place by written-out gradients; return whether the loss stayed finite."""
    engine = Engine(child, spec.training.learning_rate)
    shuffle = torch.Generator().manual_seed(spec.seed)
    for _ in range(spec.training.epochs):
        order = torch.randperm(len(labels), generator=shuffle).to(rows.device)
        total = torch.zeros((), device=rows.device)
        for batch in torch.split(order, spec.training.batch_size):
            total += engine.step(rows.index_select(0, batch), labels.index_select(0, batch))
        # One look per epoch: on CUDA each would wait for the device.
        if not math.isfinite(float(total)):
            return False
    return True
