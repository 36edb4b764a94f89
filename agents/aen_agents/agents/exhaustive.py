"""The exhaustive agent: trains every class of the space on every seed; docs/agents/exhaustive.md."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import fmean

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.evaluators import stream
from aen.results import Evaluation
from aen.results.search_result import ClassResult, compare, rank
from aen.spaces import Space, SpaceClass
from aen_agents.agents.base import Task
from aen_agents.agents.final_stage import conclude
from aen_agents.agents.selection import exploring_seeds
from aen_agents.events import StageStarted, Trained
from aen_agents.runs.folder import RunFolder, write_atomically
from aen_agents.runs.history import HistoryFile


class ExhaustiveExplorer:
    """Every class once per seed; see `aen_agents.agents.base.Explorer`.

    Nothing depends on the order in which children finish. The budget of the config is for agents that choose.
    """

    packages: tuple[str, ...] = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self.seeds = exploring_seeds(task.config)
        self.total = len(self.seeds) * len(task.space.classes)
        # By (place of the seed, place of the class): the whole space is known on one seed before the next begins.
        self._trained: dict[tuple[int, int], Evaluation] = {}
        self._space: JsonDict | None = None

    def explore(self) -> None:
        """Train every class on every seed, then rank them."""
        task, space, classes = self.task, self.task.space, self.task.space.classes
        children = [space.spec(c) for c in classes]
        # What is said of each class on every seed; a hundred thousand results are taken up in seconds.
        names = [(space.number_of(c.representative), spec.name) for c, spec in zip(classes, children, strict=True)]
        task.listener(StageStarted("explore", self.total))
        history = _History(task.folder)
        for place, evaluation in _evaluated(task, children, self.seeds):
            seed, number = divmod(place, len(classes))
            self._trained[seed, number] = evaluation
            event = Trained(
                state=names[number][0],
                factors=names[number][1],
                class_key=evaluation.class_key,
                seed=self.seeds[seed],
                accuracy=evaluation.validation_accuracy,
            )
            history.add(place, event)
            task.listener(event)
        history.finish()
        results = [
            ClassResult(
                spec=child,
                group=child.group,
                evaluations=tuple(self._trained[seed, number] for seed in range(len(self.seeds))),
            )
            for number, child in enumerate(children)
        ]
        self._space = _whole_space(task, rank(results), self.seeds)

    def found(self) -> list[str]:
        """Return all classes, the one with the highest mean over the seeds first."""
        return [row["class_key"] for row in self._space["classes"]] if self._space else []

    def accuracies(self) -> dict[str, float]:
        """Return the mean accuracy of each class in the space's order; none of which a seed diverged."""
        found = {}
        for number, network_class in enumerate(self.task.space.classes):
            trained = [self._trained.get((seed, number)) for seed in range(len(self.seeds))]
            known = [e.validation_accuracy for e in trained if e is not None and e.status == "ok"]
            if len(known) == len(self.seeds):
                found[network_class.key] = fmean(known)
        return found

    def conclude(self) -> JsonDict:
        """Select on fresh seeds, compare, and look at the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> JsonDict:
        """Return counts, and the whole space once it is known."""
        known = [self.task.space.classes[number] for number in {number for _, number in self._trained}]
        counts = {
            "steps": len(self._trained),
            "states_visited": sum(network_class.states for network_class in known),
            "classes_visited": len(known),
            "stopped_because": "every class is known" if self._space else None,
        }
        return counts | ({"space": self._space} if self._space else {})


def _evaluated(task: Task, children: Sequence[ChildSpec], seeds: Sequence[int]) -> Iterator[tuple[int, Evaluation]]:
    """Yield (place, evaluation) of every child on every seed, the children of a seed side by side.

    First come those in the store, looked up all at once, then the rest.
    """
    keys = list(chain.from_iterable(zip(*(child.keys_on_seeds(seeds) for child in children), strict=True)))
    known = {} if task.store is None else task.store.get_many(keys)
    missing = []
    for place, key in enumerate(keys):
        evaluation = known.get(key)
        if evaluation is None:
            missing.append(place)
        else:
            yield place, evaluation
    places = [divmod(place, len(children)) for place in missing]
    specs = [children[number].with_seed(seeds[seed]) for seed, number in places]
    for number, evaluation in stream(task.evaluator, specs):
        yield missing[number], evaluation


def _whole_space(task: Task, ranking: Sequence[ClassResult], seeds: Sequence[int]) -> JsonDict:
    """Return the summary's ``space``: every class, best first, and where the data's own group stands among them."""
    by_key = {c.key: c for c in task.space.classes}
    best = ranking[0]
    rows = [
        _row(result, task.space, by_key[result.class_key], place) | _best_minus(best, result)
        for place, result in enumerate(ranking)
    ]
    space: JsonDict = {"seeds": list(seeds), "classes": rows}
    if len(seeds) > 1:
        space["not_separated_from_best"] = sum(not row["best_minus_it"]["better_on_validation"] for row in rows)
    if task.hidden is not None:
        key = task.hidden.class_key
        space["hidden_group"] = next((row for row in rows if row["class_key"] == key), None)
        if space["hidden_group"] is None:
            task.notice(f"the space cannot express the images' own moves, {task.hidden.name}: no class is theirs")
    return space


def _row(result: ClassResult, space: Space, network_class: SpaceClass, place: int) -> JsonDict:
    return (
        result.to_json()
        | {
            "rank": place + 1,
            "representative": space.number_of(network_class.representative),
            "states": network_class.states,
        }
        | space.describe_class(network_class)
    )


def _best_minus(best: ClassResult, it: ClassResult) -> JsonDict:
    """Return the paired difference to the best class; one seed alone gives no interval, so nothing is said then."""
    if len(it.evaluations) == 1:
        return {}
    return {"best_minus_it": compare(best.validation_accuracies, it.validation_accuracies, "validation")}


class _History:
    """``history.jsonl``: a line per child as it finishes, sorted in the end.

    A run that goes on keeps the lines of the earlier one, and adds those that were not there.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.file = folder.history_file
        earlier = folder.history()
        self._known = {(line["class_key"], line["seed"]) for line in earlier}
        self._lines: dict[int, JsonDict] = {}
        self._write(earlier)
        self._growing = HistoryFile(self.file, keep=True)

    def add(self, place: int, event: Trained) -> None:
        self._lines[place] = dict(vars(event))  # it is flat; asdict would copy each value
        if (event.class_key, event.seed) not in self._known:
            self._growing.append(self._lines[place])

    def finish(self) -> None:
        self._growing.close()
        self._write([line for _, line in sorted(self._lines.items())])

    def _write(self, lines: Sequence[JsonDict]) -> None:
        write_atomically(self.file, "".join(f"{json.dumps(line)}\n" for line in lines))
