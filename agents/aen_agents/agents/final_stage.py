"""From the classes that exploring met to the verdict: select on fresh seeds, compare, look at the test images once."""

import json
from collections.abc import Sequence

from aen._typing import JsonDict
from aen.children import ChildSpec, GCNNSpec
from aen.results import Evaluation
from aen.results.search_result import ClassResult, TestedClass, compare, rank
from aen.training import load_child, save_weights
from aen_agents.agents.base import Task
from aen_agents.agents.selection import fresh_seeds, measure_on_test, retrain
from aen_agents.events import StageStarted
from aen_agents.runs.folder import RunFolder, write_atomically


def conclude(task: Task, found: Sequence[str]) -> JsonDict:
    """Select on fresh seeds, fix the winner, compare it with the data's own group, and look at test once.

    Args:
        task: the search.
        found: keys of the classes that exploring met, best first.

    Returns:
        The summary's part on winner, baseline and selection.
    """
    config, space, threads = task.config, task.space, task.config.evaluator.threads
    seeds = fresh_seeds(config.seed, config.selection.seeds)
    by_key = {c.key: c for c in space.classes}
    untied = space.baseline
    chosen = [by_key[key] for key in found[: config.selection.top]]
    chosen += [] if untied in chosen else [untied]

    task.listener(StageStarted("select", len(chosen) * len(seeds)))
    selected = retrain(task.evaluator, [space.spec(c) for c in chosen], seeds, task.listener)
    ranking = rank(selected)
    winner = ranking[0]
    baseline = next(result for result in selected if result.class_key == untied.key)

    summary: JsonDict = {}
    if task.hidden is not None:
        task.listener(StageStarted("compare", len(seeds)))
        (theirs,) = retrain(task.evaluator, [task.hidden], seeds, task.listener)
        summary["hidden_group"] = _against_hidden(winner, theirs, ranking, found)

    tested = measure_on_test(winner, task.folder.weights, threads=threads)
    same = winner is baseline
    tested_baseline = tested if same else measure_on_test(baseline, task.folder.weights, threads=threads)
    best = max(winner.evaluations, key=lambda e: e.validation_accuracy)
    keep_best(winner.spec.with_seed(best.seed), best, task.folder)
    return summary | {
        "winner": tested.to_json() | {"spec": winner.spec.to_json()},
        "baseline": tested_baseline.to_json(),
        "winner_minus_baseline": _difference(tested, tested_baseline),
        "selection": [result.to_json() for result in ranking],
    }


def _against_hidden(
    winner: ClassResult, theirs: ClassResult, ranking: Sequence[ClassResult], found: Sequence[str]
) -> JsonDict:
    """Say where the data's own group stands. It is compared on validation only, after the winner is fixed."""
    everything = rank([theirs, *(result for result in ranking if result.class_key != theirs.class_key)])
    key = theirs.class_key
    return theirs.to_json() | {
        "is_winner": winner.class_key == key,
        # A group's name says which it is among a G-CNN's planar groups; elsewhere C2 may be a flip or a half turn.
        "winner_has_its_group": isinstance(winner.spec, GCNNSpec) and winner.spec.group == theirs.spec.group,
        "rank": everything.index(theirs) + 1,
        "ranked": len(everything),
        "rank_in_search": found.index(key) + 1 if key in found else None,
        "winner_minus_it": compare(winner.validation_accuracies, theirs.validation_accuracies, "validation"),
    }


def _difference(ours: TestedClass, theirs: TestedClass) -> JsonDict:
    validation = compare(ours.result.validation_accuracies, theirs.result.validation_accuracies, "validation")
    return validation | compare(ours.test_accuracies, theirs.test_accuracies, "test")


def keep_best(spec: ChildSpec, evaluation: Evaluation, folder: RunFolder) -> None:
    """Write a trained child to ``best/``: its weights, without what an optimiser would need to go on, and its spec."""
    if evaluation.weights is None:
        return
    child = load_child(spec, folder.weights / evaluation.weights)
    save_weights(child, folder.best / "weights.safetensors")
    write_atomically(folder.best / "spec.json", json.dumps(spec.to_json(), indent=2) + "\n")
