"""The stages after exploring: training classes again on fresh seeds, and the one look at the test images."""

from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from aen.children import ChildSpec
from aen.data import load_test_split
from aen.evaluators import Evaluator
from aen.groups import Decomposition
from aen.results import Evaluation
from aen.results.search_result import ClassResult, TestedClass
from aen.training import load_child, measure_test
from aen_agents.events import Listener, Retrained


def fresh_seeds(search_seed: int, count: int) -> list[int]:
    """Return seeds that no search uses: those of the selection stage, the same for every class, so that they pair."""
    return [1_000_000 + 1_000 * search_seed + i for i in range(count)]


def retrain(
    evaluator: Evaluator,
    child: ChildSpec,
    decompositions: Sequence[Decomposition],
    seeds: Sequence[int],
    listener: Listener,
) -> list[ClassResult]:
    """Train the child of each decomposition on every seed, keeping the weights."""
    specs = [[child.with_decomposition(d).with_seed(seed) for seed in seeds] for d in decompositions]
    futures: dict[Future[Evaluation], ChildSpec] = {}
    told = set()
    for spec in (spec for group in specs for spec in group):
        (future,) = evaluator.submit([spec], keep_weights=True)
        futures[future] = spec
        # Some evaluators are done when `submit` returns, others later, in any order.
        for done in [f for f in futures if f.done() and f not in told]:
            told.add(done)
            listener(Retrained(futures[done].decomposition.name, done.result().validation_accuracy))
    for done in as_completed([f for f in futures if f not in told]):
        listener(Retrained(futures[done].decomposition.name, done.result().validation_accuracy))
    outcomes = iter([future.result() for future in futures])
    return [
        ClassResult(
            spec=group[0],
            group=group[0].decomposition.describe(child.grids).name,
            evaluations=tuple(next(outcomes) for _ in group),
        )
        for group in specs
    ]


def measure_on_test(result: ClassResult, weights: Path, *, threads: int) -> TestedClass:
    """Measure every seed's trained child on the test images. A child that diverged gets nothing right."""
    from aen.results import TestMeasurement

    split = load_test_split(result.spec.data)
    measurements = []
    for evaluation in result.evaluations:
        if evaluation.weights is None:
            measurements.append(TestMeasurement(test_accuracy=0.0, test_loss=0.0))
            continue
        child = load_child(result.spec.with_seed(evaluation.seed), weights / evaluation.weights)
        measurements.append(measure_test(child, split, threads=threads))
    return TestedClass(result, tuple(measurements))
