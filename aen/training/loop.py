"""Training one child on one device."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aen.children.child import build_child
from aen.children.dense import DenseSpec
from aen.children.dense_child import DenseChild
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, Split
from aen.results.evaluation import Evaluation
from aen.training.autograd import Fitted, fit
from aen.training.curve import Curve
from aen.training.dense.population import train_population
from aen.training.dense.trainer import DenseTrainer
from aen.training.device import exact_convolutions
from aen.training.inheritance import inherit
from aen.training.measuring import (
    Measured,
    check_fit,
    check_micro_batches,
    evaluation_of,
    measure_prepared,
    noted,
    shown,
)
from aen.training.threads import cpu_threads
from aen.training.weights import save_weights


def train_child(
    spec: ChildSpec,
    dataset: Dataset,
    *,
    device: str = "cpu",
    threads: int = 1,
    weights_folder: Path | None = None,
    parents_folder: Path | None = None,
    debug: bool = False,
    micro_batches: int = 1,
) -> Evaluation:
    """Train a child, from nothing or from its parent's weights, and measure it on the validation images.

    With `TrainingSpec.curve` it is also measured after every earlier epoch: the evaluation's record has ``curve``, a
    dictionary for each epoch, see `aen.training.curve.Curve`. What it says of epoch k is, bit for bit on a CPU, the
    evaluation of the same spec with k epochs. Kept weights are then those after every epoch, in one file; see
    `aen.training.children_by_epoch`.

    The same spec, device kind and thread count give the same result, bit for bit on a CPU.

    Where the memory is too small for a batch, it can be split into micro-batches, whose gradients are summed before
    the optimiser takes its step. The result is the same up to rounding, except that batch norm takes its statistics
    from each micro-batch and dropout draws for each.

    Args:
        spec: the child.
        dataset: its data; moved to the device if it is not there.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: number of CPU threads; one is fastest for small children.
        weights_folder: where to keep the trained weights, as ``<key>.safetensors``; the folder
            is created, its parents are not. None keeps none.
        parents_folder: where the weights of the spec's parent are.
        debug: check that the child computes what its parent does before it is trained.
        micro_batches: how many micro-batches every batch is split into, fewer where one would be a single image; a
            number above 1 is noted in the evaluation's record, as ``parts``.

    Raises:
        SpecError: the child does not fit the data set, or its parent, or has a parent and there is no folder; or
            `micro_batches` is less than one.
        StoreError: the parent's weights are missing or damaged.
    """
    # The batched trainer multiplies full matrices, for which alone lower precision is faster.
    if isinstance(spec, DenseSpec) and spec.training.precision != "float32":
        where: dict[str, Any] = {"device": device, "threads": threads, "weights_folder": weights_folder}
        return train_population([spec], dataset, micro_batches=micro_batches, **where)[0]
    check_micro_batches(micro_batches)
    check_fit(spec, dataset)
    started = time.perf_counter()
    with cpu_threads(threads), exact_convolutions(), torch.no_grad():
        data = dataset.to(device)
        if spec.parent is None:
            child, progress = build_child(spec).to(device), None
        else:
            child, progress = inherit(spec, parents_folder, data.train.images if debug else None, device)
        # The part of the first layer that has no parameters is applied to all images once.
        rows, validation_rows = child.prepare(data.train.images), child.prepare(data.validation.images)
        most = shown(spec, len(rows))

        def measured() -> tuple[Measured, Measured]:
            return (
                measure_prepared(child, rows[:most], data.train.labels[:most], micro_batches),
                measure_prepared(child, validation_rows, data.validation.labels, micro_batches),
            )

        curve = None
        if spec.training.curve:
            # The processor's time where that is all a training takes: what else the machine does is not in it.
            clock = time.thread_time if (device, threads) == ("cpu", 1) else time.perf_counter
            curve = Curve(child, measured, clock=clock, keep=weights_folder is not None)
        after = None if curve is None else curve.after_epoch
        fitted = (
            Fitted(_fit(child, spec, data.train, rows, micro_batches=micro_batches, after_epoch=after))
            if isinstance(child, DenseChild)
            else fit(
                child,
                spec,
                data.train.images,
                data.train.labels,
                progress,
                micro_batches=micro_batches,
                after_epoch=after,
            )
        )
        child.eval()
        train, validation = measured()
        good = fitted.finite and math.isfinite(train.loss) and math.isfinite(validation.loss)
        name = None
        if weights_folder is not None and good:
            kept = fitted.progress if spec.heritable else None
            path = weights_folder / f"{spec.key}.safetensors"
            name = save_weights(child, path, kept, parents=False, epochs=() if curve is None else curve.weights)
        record = child.record() if good else None
        if curve is not None:
            if fitted.finite:
                curve.add(train, validation)
            record = (record or {}) | {"curve": curve.entries}
    return evaluation_of(
        spec,
        train=train,
        validation=validation,
        finite=fitted.finite,
        parameters=child.parameter_count(),
        seconds=time.perf_counter() - started,
        device=device,
        threads=threads,
        population=1,
        weights=name,
        record=noted(record, micro_batches),
    )


def _fit(
    child: DenseChild,
    spec: ChildSpec,
    split: Split,
    rows: Tensor,
    *,
    micro_batches: int,
    after_epoch: Callable[[], None] | None,
) -> bool:
    """Train a dense child in place by written-out gradients; return whether the loss stayed finite."""
    trainer = DenseTrainer(child, spec.training.learning_rate)
    shuffle = torch.Generator().manual_seed(spec.seed)
    augmenter, labels = spec.augmenter(str(rows.device)), split.labels
    for epoch in range(int(spec.training.epochs)):
        if augmenter is not None:
            rows = child.prepare(augmenter.epoch(split.images, epoch))
        order = torch.randperm(len(labels), generator=shuffle).to(rows.device)
        total = torch.zeros((), device=rows.device)
        for batch in torch.split(order, spec.training.batch_size):
            total += trainer.step(rows.index_select(0, batch), labels.index_select(0, batch), micro_batches)
        # Checked once per epoch: on CUDA every check waits for the device.
        if not math.isfinite(float(total)):
            return False
        if after_epoch is not None and epoch + 1 < spec.training.epochs:
            child.eval()
            after_epoch()
            child.train()
    return True
