"""The selection stage: fresh seeds, training children again on them, and measuring on the test images."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aen.children import ChildSpec
from aen.data import load_dataset, load_test_split
from aen.errors import DataError, SpecError
from aen.evaluators import Evaluator, stream
from aen.results import Evaluation
from aen.results.class_result import ClassResult, TestedClass
from aen.training import cpu_threads, load_child, measure_images, right_images
from aen.training.device import exact_convolutions
from aen_agents.config import SearchConfig
from aen_agents.events import Listener, Retrained

_Spec = TypeVar("_Spec", bound=ChildSpec)


def final_child(config: SearchConfig, child: _Spec) -> _Spec:
    """Return a child as the selection stage trains it: with the stage's own images and epochs, if it has any.

    Raises:
        SpecError: the child cannot be trained for so many epochs.
    """
    train, epochs = config.selection.train, config.selection.epochs
    data = child.data if train is None else replace(child.data, train=train)
    try:
        training = child.training if epochs is None else replace(child.training, epochs=epochs)
        return replace(child, data=data, training=training)
    except SpecError as error:
        raise SpecError(f"selection.epochs is {epochs}: {error}") from error


def check_final_child(config: SearchConfig, child: ChildSpec) -> None:
    """Check that the selection stage can train a child with its own images and epochs.

    Raises:
        AenError: it cannot; the message names the setting.
    """
    final = final_child(config, child)
    if final.data == child.data:
        return
    try:
        load_dataset(final.data)
    except DataError as error:
        raise DataError(f"selection.train is {config.selection.train}: {error}") from error


def fresh_seeds(search_seed: int, count: int) -> list[int]:
    """Return the seeds of the selection stage, which no search uses.

    They are the same for every class, so that differences between classes are paired.
    """
    return [1_000_000 + 1_000 * search_seed + i for i in range(count)]


def exploring_seeds(config: SearchConfig) -> list[int]:
    """Return the seeds on which exploring trains children: the search's own, then others from 2,000,000,000.

    Search seeds are below 1,000,000, so that fresh seeds are below 1,001,000,000 and the stages' seeds are disjoint.
    """
    more = config.agent.exploring_seeds - 1
    return [config.seed, *(2_000_000_000 + 1_000 * config.seed + i for i in range(more))]


def retrain(
    evaluator: Evaluator, children: Sequence[ChildSpec], seeds: Sequence[int], listener: Listener, *, rival: str = ""
) -> list[ClassResult]:
    """Train each child on every seed in place of its own, and keep the weights; see `ClassResult` for `rival`."""
    specs = [child.with_seed(seed) for child in children for seed in seeds]
    outcomes: dict[int, Evaluation] = {}
    for place, evaluation in stream(evaluator, specs, keep_weights=True):
        outcomes[place] = evaluation
        listener(Retrained(specs[place].name, evaluation.validation_accuracy, evaluation.key))
    return [
        ClassResult(
            spec=specs[first],
            group=specs[first].group,
            evaluations=tuple(outcomes[first + i] for i in range(len(seeds))),
            rival=rival,
        )
        for first in range(0, len(specs), len(seeds))
    ]


def measure_on_test(result: ClassResult, weights: Path, *, threads: int) -> TestedClass:
    """Measure the trained child of every seed on the test images. A child that diverged has accuracy 0."""
    from aen.results import TestMeasurement

    split = load_test_split(result.spec.data)
    measurements, right = [], np.zeros((len(result.evaluations), len(split.labels)), dtype=bool)
    for place, evaluation in enumerate(result.evaluations):
        if evaluation.weights is None:
            measurements.append(TestMeasurement(test_accuracy=0.0, test_loss=0.0))
            continue
        child = load_child(result.spec.with_seed(evaluation.seed), weights / evaluation.weights)
        measured, right[place] = measure_images(child, split, threads=threads)
        measurements.append(measured)
    return TestedClass(result, tuple(measurements), right)


def right_on_validation(result: ClassResult, weights: Path, *, threads: int) -> NDArray[np.bool_] | None:
    """Say on which validation images the child of each seed is right, shape ``[seeds, images]``; a diverged one, none.

    None: the evaluator keeps no weights, so it is not known.
    """
    split = load_dataset(result.spec.data).validation
    right = np.zeros((len(result.evaluations), len(split.labels)), dtype=bool)
    for place, evaluation in enumerate(result.evaluations):
        if evaluation.weights is not None:
            child = load_child(result.spec.with_seed(evaluation.seed), weights / evaluation.weights)
            with cpu_threads(threads), exact_convolutions():
                right[place] = right_images(child, split)
        elif evaluation.status == "ok":
            return None
    return right
