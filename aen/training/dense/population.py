"""Training many dense children at once: checks, memory, and evaluations around `BatchedTrainer`."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from aen.children.child import build_child
from aen.children.dense import DenseSpec
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset
from aen.errors import SpecError
from aen.groups.grid import cells_of
from aen.nn.stored import load_stored_state
from aen.results.evaluation import Evaluation
from aen.training.dense.batched_trainer import BatchedTrainer, evaluation_chunk
from aen.training.dense.parameter_layout import full_shapes
from aen.training.device import exact_convolutions
from aen.training.measuring import check_fit, check_micro_batches, evaluation_of, noted
from aen.training.threads import cpu_threads
from aen.training.weights import save_weights

# Bytes per expanded weight that are allocated at the same time: indices in both directions (8 bytes each, and as many
# again while they are computed), values, gradient, and the gradient in the order of the orbits.
_BYTES_PER_WEIGHT = 44
# Bytes per parameter, of which an untied child has one per weight: value, gradient in two orders, index, two moments.
_BYTES_PER_PARAMETER = 28


def _dense(spec: ChildSpec) -> DenseSpec:
    if not isinstance(spec, DenseSpec):
        raise SpecError(f"a {spec.kind} child is always trained alone; only dense children make a population.")
    return spec


def population_bytes(spec: ChildSpec, size: int) -> int:
    """Predict the bytes of memory that a population of this child needs on its device, without the images.

    Raises:
        SpecError: this kind of child is always trained alone.
    """
    spec = _dense(spec)
    weights = sum(math.prod(shape) for shape in full_shapes(spec))
    activations = 6 * sum(cells_of(grid) for grid in spec.grids) * max(spec.training.batch_size, evaluation_chunk(size))
    return size * (weights * (_BYTES_PER_WEIGHT + _BYTES_PER_PARAMETER) + 4 * activations)


def train_population(
    specs: Sequence[ChildSpec],
    dataset: Dataset,
    *,
    size: int | None = None,
    device: str = "cpu",
    threads: int = 1,
    weights_folder: Path | None = None,
    micro_batches: int = 1,
) -> list[Evaluation]:
    """Train children at once, from initial weights, and measure them on the validation images.

    Args:
        specs: dense children that differ in decomposition and seed only.
        dataset: their data; moved to the device if it is not there.
        size: the population is filled up to this size, so that a child's result does not depend on how many others
            there are; by default it is the number of specs.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: number of CPU threads.
        weights_folder: where to keep the trained weights, as ``<key>.safetensors``; the folder
            is created, its parents are not. None keeps none.
        micro_batches: how many micro-batches every batch is split into; see `aen.training.train_child`.

    Returns:
        One evaluation per spec, in the same order. `seconds` is the population's time divided by its children.

    Raises:
        SpecError: the children do not go together, do not fit the data set, or are more than `size`.
    """
    check_micro_batches(micro_batches)
    size = len(specs) if size is None else size
    if not specs or len(specs) > size:
        raise SpecError(f"specs has {len(specs)} children; a population of size {size} takes 1 to {size}.")
    children = [_dense(spec) for spec in specs]
    shared = children[0].population_key
    if children[0].training.curve:
        raise SpecError(
            "training.curve is true, which only children that are trained one by one have; use population 1 and "
            "precision float32."
        )
    for spec in children:
        if spec.population_key != shared:
            raise SpecError(
                f"children of one population differ in decomposition and seed only; {spec} differs in more."
            )
        check_fit(spec, dataset)
    started = time.perf_counter()
    with cpu_threads(threads), exact_convolutions():
        data = dataset.to(device)
        filled = [*children, *[children[-1]] * (size - len(children))]
        trainer = BatchedTrainer(filled, device, micro_batches)
        finite = trainer.fit(data.train)
        measured = trainer.measure(data.train), trainer.measure(data.validation)
        outcomes = []
        for i, spec in enumerate(children):
            train, validation = measured[0][i], measured[1][i]
            good = bool(finite[i]) and all(math.isfinite(m.loss) for m in (train, validation))
            name = None
            if weights_folder is not None and good:
                child = build_child(spec)
                load_stored_state(child, trainer.stored_state(i))
                name = save_weights(child, weights_folder / f"{spec.key}.safetensors", parents=False)
            outcomes.append((spec, train, validation, good, trainer.parameter_counts[i], name))
    seconds = (time.perf_counter() - started) / len(specs)
    return [
        evaluation_of(
            spec,
            train=train,
            validation=validation,
            finite=good,
            parameters=parameters,
            seconds=seconds,
            device=device,
            threads=threads,
            population=size,
            weights=name,
            record=noted(None, micro_batches),
        )
        for spec, train, validation, good, parameters, name in outcomes
    ]
