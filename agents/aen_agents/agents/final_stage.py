"""The final stage of a search: select classes on fresh seeds, compare them, measure the winner on test images once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aen._reading import sealed
from aen.children import ChildSpec
from aen.data import TrainedOn, preprocessing_of
from aen.data.trained_on import TRAINED_ON_FILE
from aen.results import Evaluation
from aen.results.class_result import ClassResult, rank
from aen.results.result_rows import HiddenGroupRow
from aen.results.verdict import ClassVerdict
from aen.training import load_child, save_weights
from aen_agents.agents.base import Task
from aen_agents.agents.comparison import Right, compare, not_told_from_best
from aen_agents.agents.plausible import supported_first
from aen_agents.agents.selection import final_child, fresh_seeds, measure_on_test, retrain, right_on_validation
from aen_agents.events import StageStarted
from aen_agents.runs.files import write_file
from aen_agents.runs.lost import check_not_lost


def conclude(task: Task, found: Sequence[str]) -> ClassVerdict:
    """Select on fresh seeds, fix the winner, compare it with the hidden group, and measure it on the test images.

    Args:
        task: the search.
        found: keys of the classes that exploring visited, best first.
    """
    task = within_time(task)
    config, space, threads = task.config, task.space, task.config.evaluator.threads
    seeds = fresh_seeds(config.seed, config.selection.seeds)
    by_key = {c.key: c for c in space.classes}
    untied = space.baseline
    supported = _supported(task, found)
    chosen = [by_key[key] for key in dict.fromkeys([*supported[:1], *found]) if key in by_key][: config.selection.top]
    chosen += [] if untied in chosen else [untied]

    task.listener(StageStarted("select", len(chosen) * len(seeds)))
    children = [final_child(config, space.spec(c)) for c in chosen]
    selected = retrain(task.evaluator, children, seeds, task.listener)
    right = _remembering(partial(right_on_validation, weights=task.weights, threads=threads))
    built_in, rivals = _rivals(task, _winner_first(rank(selected), supported, right), seeds)
    ranking = rank([*selected, *rivals])
    best_on_validation, ranking = ranking[0], _winner_first(ranking, supported, right)
    winner = ranking[0]
    if winner is not best_on_validation:
        task.notice(_why_it_wins(winner, best_on_validation))
    baseline = next(result for result in selected if result.class_key == untied.key)

    hidden_group = None
    if task.hidden is not None:
        task.listener(StageStarted("compare", len(seeds)))
        (hidden,) = retrain(task.evaluator, [final_child(config, task.hidden)], seeds, task.listener)
        hidden_group = _compare_with_hidden_group(winner, hidden, ranking, found)

    # The test images choose nothing: what is measured on them is fixed before.
    chosen_for_test = {id(result): result for result in (winner, baseline, *built_in, *rivals)}
    on_test = {
        place: measure_on_test(result, task.weights, threads=threads) for place, result in chosen_for_test.items()
    }
    tested, tested_baseline = on_test[id(winner)], on_test[id(baseline)]
    best = max(winner.evaluations, key=lambda e: e.validation_accuracy)
    keep_best(winner.spec.with_seed(best.seed), best, task)
    return ClassVerdict(
        winner=tested.row(with_spec=True),
        baseline=tested_baseline.row(),
        winner_minus_baseline=tested.minus(tested_baseline),
        selection=tuple(result.row() for result in ranking),
        hidden_group=hidden_group,
        inference=compare(
            ranking,
            {place: on_test[id(result)] for place, result in enumerate(ranking) if id(result) in on_test},
            baseline=ranking.index(baseline),
            augmentation=tuple(ranking.index(result) for result in (*built_in, *rivals)),
            right=right,
        ),
    )


def _supported(task: Task, found: Sequence[str]) -> list[str]:
    """Return the keys of the classes visited whose symmetry the training images have, if ties are decided by that."""
    if task.config.selection.ties != "images":
        return []
    visited = set(found)
    return [c.key for c in supported_first(task.space, task.folder.symmetry_test()) if c.key in visited]


def _winner_first(ranking: Sequence[ClassResult], supported: Sequence[str], right: Right) -> list[ClassResult]:
    """Return a ranking with the winner first.

    It is the best, or of the classes that cannot be told from the best the first one whose symmetry the images have.
    """
    if not supported:
        return list(ranking)
    tied = {result.class_key: result for result in not_told_from_best(ranking, right) if not result.rival}
    winner = next((tied[key] for key in supported if key in tied), ranking[0])
    return [winner, *(result for result in ranking if result is not winner)]


def _remembering(right: Right) -> Right:
    """Return the function so that it measures each network once."""
    known: dict[int, NDArray[np.bool_] | None] = {}

    def remembered(result: ClassResult) -> NDArray[np.bool_] | None:
        if id(result) not in known:
            known[id(result)] = right(result)
        return known[id(result)]

    return remembered


def _why_it_wins(winner: ClassResult, best: ClassResult) -> str:
    augmented = f" ({best.rival})" if best.rival else ""
    return (
        f"{best.spec.name}{augmented} is the best on validation, but {winner.spec.name} cannot be told from it, and "
        "the training images have its symmetry: it wins (selection.ties)"
    )


def within_time(task: Task) -> Task:
    """Return the task with a selection stage that fits into the time left; it says so where that is smaller."""
    smaller = task.limit.fit_selection()
    if smaller is None:
        return task
    task.notice(smaller)
    return replace(task, config=task.config.model_copy(update={"selection": task.limit.selection}))


def _rivals(
    task: Task, ranking: Sequence[ClassResult], seeds: Sequence[int]
) -> tuple[list[ClassResult], list[ClassResult]]:
    """Train the rival of the best class with symmetry; return that class and the rival, or nothing where there is none.

    The rival has no symmetry and is trained as long, on images moved by the class's group.
    """
    for result in ranking:
        rival = result.spec.augmented_instead()
        if "augmentation" in task.config.selection.rivals and rival is not None:
            task.listener(StageStarted("rival", len(seeds)))
            return [result], retrain(task.evaluator, [rival], seeds, task.listener, rival="augmentation")
    return [], []


def _compare_with_hidden_group(
    winner: ClassResult, hidden: ClassResult, ranking: Sequence[ClassResult], found: Sequence[str]
) -> HiddenGroupRow:
    """Return the hidden group's row. It is compared on validation only, after the winner is fixed."""
    everything = rank([hidden, *(result for result in ranking if result.class_key != hidden.class_key)])
    key = hidden.class_key
    return HiddenGroupRow.extend(
        hidden.row(),
        is_winner=winner.class_key == key,
        winner_has_its_group=winner.spec.group_name_is_unique and winner.spec.group == hidden.spec.group,
        rank=everything.index(hidden) + 1,
        ranked=len(everything),
        rank_in_search=found.index(key) + 1 if key in found else None,
        winner_minus_it=winner.minus(hidden),
    )


def keep_best(spec: ChildSpec, evaluation: Evaluation, task: Task) -> None:
    """Write a trained child to ``best/``: its spec, preprocessing and weights, without the optimiser's state."""
    if evaluation.weights is None:
        return
    folder = task.folder
    child = load_child(spec, task.weights / evaluation.weights)
    check_not_lost(folder.best)
    save_weights(child, folder.best / "weights.safetensors")
    preprocessing = preprocessing_of(spec.data)
    write_file(folder.best / "preprocessing.json", json.dumps(sealed(preprocessing.to_json()), indent=2) + "\n")
    known = TrainedOn.of(spec.data, spec.classes, preprocessing)
    write_file(folder.best / TRAINED_ON_FILE, known.to_text())
    write_file(folder.best / "spec.json", json.dumps(spec.to_json(), indent=2) + "\n")
