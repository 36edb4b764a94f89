"""Trace: what an agent trained on a table, child by child; running a strategy on a table."""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from aen.bench import Table
from aen.symmetry import SymmetryTest
from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView


@dataclass(frozen=True)
class Trained:
    """A child of a trace.

    Attributes:
        place: of its class in the table.
        seed: the place of its seed among the table's.
        epoch: number of epochs trained.
        accuracy: validation accuracy.
        seconds: of its training, when the table was built.
        recommended: the place of the class that the agent would choose after this child.
    """

    place: int
    seed: int
    epoch: int
    accuracy: float
    seconds: float
    recommended: int


def run_strategy(
    settings: Any,  # noqa: ANN401 - a section `agent` with a strategy
    table: Table,
    symmetry: SymmetryTest | None,
    *,
    children: int,
    seed: int,
) -> list[Trained]:
    """Return what a strategy trains on a table until its end or until the budget is used up.

    Args:
        settings: the section `agent` of a config.
        table: the table.
        symmetry: the test of its training images.
        children: the budget.
        seed: of the strategy's random choices, and of the order of the table's seeds.
    """
    definition = table.definition
    count = len(definition.seeds)
    seeds = [definition.seeds[(seed + place) % count] for place in range(count)]
    view = SearchView(
        space=definition.space,
        symmetry=symmetry,
        children=children,
        seeds=min(settings.exploring_seeds, count),
        epochs=table.epochs[-1],
        images=definition.child.data.validation,
        seed=seed,
        class_keys=None if definition.class_keys is None else frozenset(table.place_of_class),
    )
    strategy: SearchStrategy = resolve_name(settings.strategy)(view, settings)
    trace: list[Trained] = []
    results: dict[str, list[float]] = {}
    while len(trace) < children:
        asked = list(strategy.ask())[: children - len(trace)]
        if not asked:
            break
        trace.extend(_train(candidate, table, seeds, strategy, results) for candidate in asked)
    return trace


def _train(
    candidate: Candidate, table: Table, seeds: list[int], strategy: SearchStrategy, results: dict[str, list[float]]
) -> Trained:
    place = table.place_of_class[candidate.class_key]
    entry = table.entry(place, seed=seeds[candidate.seed], epoch=candidate.epochs)
    accuracy = entry.validation_accuracy
    diverged = not (entry.train_accuracy or accuracy)  # as in `aen.bench.TableEvaluator`
    if candidate.epochs is None and not diverged:
        results.setdefault(candidate.class_key, []).append(accuracy)
    known, loss = (None, None) if diverged else (accuracy, entry.validation_loss)
    strategy.tell(candidate, Outcome(known, loss, entry.parameters, entry.seconds))
    best = strategy.recommend(results)
    recommended = table.place_of_class[best[0]] if best else place
    seed = table.definition.seeds.index(seeds[candidate.seed])
    return Trained(place, seed, entry.epoch, accuracy, entry.seconds, recommended)
