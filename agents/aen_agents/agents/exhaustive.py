"""The exhaustive agent: trains every class of the space, or those listed, on every seed; docs/agents/exhaustive.md."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from statistics import fmean
from typing import cast

from aen.children import ChildSpec
from aen.evaluators import stream
from aen.results import Evaluation
from aen.results.class_result import ClassResult, rank
from aen.results.result_rows import SpaceRow
from aen.results.search_result import Exploration, WholeSpace
from aen.results.verdict import ClassVerdict
from aen.spaces import Space, SpaceClass
from aen_agents.agents.base import Task
from aen_agents.agents.chosen_states import chosen_classes
from aen_agents.agents.final_stage import conclude
from aen_agents.agents.selection import exploring_seeds
from aen_agents.agents.time_limit import OUT_OF_TIME
from aen_agents.agents.trained_history import TrainedHistory
from aen_agents.config import ExhaustiveConfig
from aen_agents.events import StageStarted, Trained


class ExhaustiveExplorer:
    """Every class once per seed; see `aen_agents.agents.base.Explorer`.

    Nothing depends on the order in which children finish. Of the budget only `minutes` applies, the others are for
    agents that choose.
    """

    packages: tuple[str, ...] = ()

    def __init__(self, task: Task) -> None:
        self.task = task
        self.seeds = exploring_seeds(task.config)
        self.classes = chosen_classes(cast("ExhaustiveConfig", task.config.agent), task.space)
        self.total = len(self.seeds) * len(self.classes)
        # By (place of the seed, place of the class): the whole space is known on one seed before the next begins.
        self._trained: dict[tuple[int, int], Evaluation] = {}
        self._space: WholeSpace | None = None
        self._ranking: list[ClassResult] = []
        self._seeds_known = len(self.seeds)

    def explore(self) -> None:
        """Train every class on every seed, then rank them."""
        task, space, classes = self.task, self.task.space, self.classes
        children = [space.spec(c) for c in classes]
        # Computed once for each class: on every seed it would take seconds in a large space.
        names = [(space.number_of(c.representative), spec.name) for c, spec in zip(classes, children, strict=True)]
        task.listener(StageStarted("explore", self.total))
        history = TrainedHistory(task.folder)
        for place, evaluation in _evaluated(task, children, self.seeds, self._over):
            seed, number = divmod(place, len(classes))
            self._trained[seed, number] = evaluation
            event = Trained(
                state=names[number][0],
                factors=names[number][1],
                class_key=evaluation.class_key,
                seed=self.seeds[seed],
                accuracy=evaluation.validation_accuracy,
            )
            history.add(place, event, evaluation.key)
            task.listener(event)
        history.finish()
        self._ranking = rank(self._results(children))
        if len(self._trained) == self.total:
            self._space = _whole_space(task, self._ranking, self.seeds)
        else:
            task.notice(
                f"the time (budget.minutes) ended exploring after {len(self._trained):,} of {self.total:,} children"
            )

    def _over(self) -> bool:
        """Return whether no more is to be trained. The first children are, whatever the time."""
        return bool(self._trained) and self.task.limit.reached()

    def _results(self, children: Sequence[ChildSpec]) -> list[ClassResult]:
        """Return the classes that are known on the seeds on which all are; on the first seed, if there is none."""
        complete = Counter(seed for seed, _ in self._trained)
        self._seeds_known = max(sum(complete[seed] == len(children) for seed in range(len(self.seeds))), 1)
        places = range(self._seeds_known)
        return [
            ClassResult(
                spec=child, group=child.group, evaluations=tuple(self._trained[seed, number] for seed in places)
            )
            for number, child in enumerate(children)
            if all((seed, number) in self._trained for seed in places)
        ]

    def found(self) -> list[str]:
        """Return the classes, the one with the highest mean over the seeds first."""
        return [result.class_key for result in self._ranking]

    def accuracies(self) -> dict[str, float]:
        """Return the mean accuracy of each class trained, without those of which a seed diverged."""
        found = {}
        for number, network_class in enumerate(self.classes):
            trained = [self._trained.get((seed, number)) for seed in range(self._seeds_known)]
            known = [e.validation_accuracy for e in trained if e is not None and e.status == "ok"]
            if len(known) == self._seeds_known:
                found[network_class.key] = fmean(known)
        return found

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, compare, and measure the winner on the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> Exploration:
        """Return counts, and the whole space once it is known."""
        known = [self.classes[number] for number in {number for _, number in self._trained}]
        every = "every class" if len(self.classes) == len(self.task.space.classes) else "every class of agent.states"
        return Exploration(
            steps=len(self._trained),
            states_visited=sum(network_class.states for network_class in known),
            classes_visited=len(known),
            stopped_because=f"{every} is known" if self._space else OUT_OF_TIME if self._ranking else None,
            space=self._space,
        )


def _evaluated(
    task: Task, children: Sequence[ChildSpec], seeds: Sequence[int], until: Callable[[], bool]
) -> Iterator[tuple[int, Evaluation]]:
    """Yield (place, evaluation) of every child on every seed, the children of a seed side by side.

    First come those in the store, looked up all at once, then the rest, until `until` returns True.
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
    for number, evaluation in stream(task.evaluator, specs, until=until):
        yield missing[number], evaluation


def _whole_space(task: Task, ranking: Sequence[ClassResult], seeds: Sequence[int]) -> WholeSpace:
    """Return every class, best first, and the hidden group's class among them."""
    by_key = {c.key: c for c in task.space.classes}
    best = ranking[0]
    rows = [
        _row(result, best, task.space, by_key[result.class_key], rank=place) for place, result in enumerate(ranking, 1)
    ]
    hidden = None
    if task.hidden is not None:
        key = task.hidden.class_key
        hidden = next((row for row in rows if row.class_key == key), None)
        if hidden is None:
            task.notice(f"the space has no class with the hidden group of the images, {task.hidden.name}")
    differences = [row.best_minus_it for row in rows if row.best_minus_it is not None]
    return WholeSpace(
        seeds=tuple(seeds),
        classes=tuple(rows),
        not_separated_from_best=sum(not difference.better for difference in differences) if differences else None,
        has_hidden_group=task.hidden is not None,
        hidden_group=hidden,
    )


def _row(result: ClassResult, best: ClassResult, space: Space, network_class: SpaceClass, *, rank: int) -> SpaceRow:
    return SpaceRow.extend(
        result.row(),
        rank=rank,
        representative=space.number_of(network_class.representative),
        states=network_class.states,
        columns=dict(space.describe_class(network_class)),
        best_minus_it=best.minus(result) if len(result.evaluations) > 1 else None,  # one seed gives no interval
    )
