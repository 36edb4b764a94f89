"""The racing agent: with an evaluator that makes accuracies up, and in a small real search."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.groups import Decomposition, enumerate_classes
from aen.results import Evaluation
from aen.spaces import DecompositionSpace
from aen.symmetry import SymmetryRow, SymmetryTest
from aen_agents.agents.base import Task
from aen_agents.agents.plausible import most_plausible_first
from aen_agents.agents.racing import RacingExplorer
from aen_agents.agents.time_limit import OUT_OF_TIME, TimeLimit
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Trained
from aen_agents.problem import alphabet_of, child_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

RACING: JsonDict = TINY | {"agent": {"name": "racing"}, "evaluator": {"workers": 1}}
Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


class MadeUp(Evaluator):
    """Accuracies of a class, plus noise that depends on the child alone; `seconds` pass with each on `clock`."""

    def __init__(self, accuracy: Callable[[ChildSpec], float], noise: float = 0.01) -> None:
        self.accuracy, self.noise, self.done = accuracy, noise, 0

    @property
    def trained(self) -> int:
        return self.done

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        assert not keep_weights
        return [self._one(spec) for spec in specs]

    def _one(self, spec: ChildSpec) -> Future[Evaluation]:
        self.done += 1
        value = self.accuracy(spec) + random.Random(spec.key).gauss(0, self.noise)  # noqa: S311
        status = "diverged" if value < 0 else "ok"
        future: Future[Evaluation] = Future()
        future.set_result(
            Evaluation(spec.key, spec.class_key, spec.seed, status, 0, 0, 0, max(value, 0), 1, 1, 0, "cpu", 1)
        )
        return future


def config_of(children: int = 10_000, **agent: object) -> SearchConfig:
    content = RACING | {"budget": {"children": children}, "agent": {"name": "racing", **agent}}
    return SearchConfig.model_validate(content)


def task_of(config: SearchConfig, path: Path, evaluator: Evaluator, listener: Callable[[Event], None]) -> Task:
    child = child_of(config)
    space = DecompositionSpace(child, enumerate_classes(alphabet_of(config), child.grids))
    folder = RunFolder.create(config, path)
    return Task(config, child, space, None, evaluator, folder, listener, lambda _: None)


def best_is(names: str) -> Callable[[ChildSpec], float]:
    return lambda spec: 0.9 if spec.name == names else 0.8


def explored(config: SearchConfig, path: Path, evaluator: Evaluator) -> tuple[RacingExplorer, list[Trained]]:
    events: list[Event] = []
    explorer = RacingExplorer(task_of(config, path, evaluator, events.append))
    explorer.explore()
    return explorer, [event for event in events if isinstance(event, Trained)]


def test_the_best_class_is_left(tmp_path: Path) -> None:
    explorer, trained = explored(config_of(), tmp_path / "run", MadeUp(best_is("hflip")))
    first = explorer.task.space.spec(explorer.classes[explorer.found()[0]])
    assert first.name == "hflip"
    assert explorer.figures().stopped_because == "one class is left"
    seeds = Counter(event.factors for event in trained)
    assert seeds["hflip"] == seeds["none"] >= 2  # the class without symmetry takes part to the end
    assert len(seeds) == explorer.figures().classes_visited == len(explorer.classes) == 12


def test_the_class_without_symmetry_takes_part_in_every_round(tmp_path: Path) -> None:
    evaluator = MadeUp(lambda spec: 0.6 if spec.name == "none" else 0.8)
    explorer, trained = explored(config_of(60, level=1e-9, later_rounds=0.1), tmp_path / "run", evaluator)
    seeds = Counter(event.factors for event in trained)
    assert seeds["none"] == max(seeds.values()) > min(seeds.values())
    assert explorer.found()[-1] == explorer.task.space.baseline.key


def test_equal_classes_are_trained_on_all_seeds(tmp_path: Path) -> None:
    explorer, trained = explored(config_of(seeds=3, level=1e-9), tmp_path / "run", MadeUp(lambda _: 0.8))
    assert explorer.figures().stopped_because == "every class left is known on 3 seeds"
    assert set(Counter(event.class_key for event in trained).values()) == {3}


@pytest.mark.parametrize("children", [3, 4, 13, 20, 50])
def test_the_budget_of_children_is_kept(children: int, tmp_path: Path) -> None:
    evaluator = MadeUp(lambda _: 0.8)
    explorer, trained = explored(config_of(children, level=1e-9), tmp_path / "run", evaluator)
    assert len(trained) == evaluator.trained == explorer.figures().steps == children
    assert explorer.figures().stopped_because == "the budget of children is used up"
    again, repeated = explored(config_of(children, level=1e-9), tmp_path / "again", MadeUp(lambda _: 0.8))
    assert repeated == trained
    assert again.found() == explorer.found()


def test_the_first_round_leaves_room_for_further_seeds(tmp_path: Path) -> None:
    _, trained = explored(config_of(12, first_round=0.5), tmp_path / "run", MadeUp(lambda _: 0.8))
    assert [event.seed for event in trained[:6]] == [0] * 6
    assert any(event.seed != 0 for event in trained[6:])


def test_a_class_that_diverges_is_not_trained_again_and_is_last(tmp_path: Path) -> None:
    evaluator = MadeUp(lambda spec: -1.0 if spec.name == "rot90" else 0.8)
    explorer, trained = explored(config_of(seeds=2), tmp_path / "run", evaluator)
    assert Counter(event.factors for event in trained)["rot90"] == 1
    last = explorer.found()[-1]
    assert explorer.task.space.spec(explorer.classes[last]).name == "rot90"
    assert last not in explorer.accuracies()


def test_if_all_diverge_there_is_still_an_answer(tmp_path: Path) -> None:
    explorer, _ = explored(config_of(), tmp_path / "run", MadeUp(lambda _: -1.0))
    assert len(explorer.found()) == 12
    assert explorer.accuracies() == {}


def test_the_time_ends_exploring(tmp_path: Path) -> None:
    evaluator = MadeUp(lambda _: 0.8)
    config = config_of(level=1e-9)
    limit = TimeLimit(1.0, config.selection, seconds=lambda: 4.0 * evaluator.done, trained=lambda: evaluator.done)
    task = replace(task_of(config, tmp_path / "run", evaluator, lambda _: None), limit=limit)
    limit.begin()
    explorer = RacingExplorer(task)
    explorer.explore()
    assert explorer.figures().stopped_because == OUT_OF_TIME
    assert 6 <= evaluator.done <= 9  # 4 seconds each, and half of the minute is for the selection stage
    assert max(len(evaluations) for evaluations in explorer._trained.values()) >= 2  # half of it is for further seeds


def test_children_are_trained_even_if_the_time_is_over(tmp_path: Path) -> None:
    evaluator = MadeUp(lambda _: 0.8)
    limit = TimeLimit(1.0, config_of().selection, seconds=lambda: 100.0, trained=lambda: evaluator.done)
    task = replace(task_of(config_of(), tmp_path / "run", evaluator, lambda _: None), limit=limit)
    limit.begin()
    explorer = RacingExplorer(task)
    explorer.explore()
    assert evaluator.done >= 1
    assert explorer.found()


def a_test_of(rejected: dict[str, bool]) -> SymmetryTest:
    rows = tuple(
        SymmetryRow(Decomposition.of([name]), 0.0, 10.0 * place if is_rejected else 0.0, 0.0, 0.0, is_rejected)
        for place, (name, is_rejected) in enumerate(rejected.items(), start=1)
    )
    return SymmetryTest(rows, (8, 8), 100, 10, (), {}, 0.05, 100, 0)


def test_classes_are_ordered_by_the_test_of_the_images() -> None:
    config = config_of()
    child = child_of(config)
    space = DecompositionSpace(child, enumerate_classes(alphabet_of(config), child.grids))
    test = a_test_of({"swap_lr": True, "hflip": False, "vflip": False, "rot90": True})
    names = [space.spec(c).name for c in most_plausible_first(space, test)]
    assert set(names[:4]) == {"none", "hflip", "vflip", "hflip + vflip"}
    assert names.index("hflip + vflip") < names.index("hflip")
    assert names.index("swap_lr") < names.index("rot90")  # the images contradict it less
    assert names.index("rot90") < names.index("rot90 + swap_lr")


def test_without_a_test_classes_with_few_factors_come_first() -> None:
    config = config_of()
    child = child_of(config)
    space = DecompositionSpace(child, enumerate_classes(alphabet_of(config), child.grids))
    sizes = [sum(c.representative) for c in most_plausible_first(space, None)]
    assert sizes == sorted(sizes)


def test_a_real_search_is_repeated_and_resumed(run_search: Run, tmp_path: Path) -> None:
    config = config_of(16)
    whole, summary = run_search(config, tmp_path / "whole")
    assert summary["stopped_because"] == "the budget of children is used up"
    assert summary["children_trained"] >= 16
    assert len(whole.history()) == 16

    folder, told = RunFolder.create(config, tmp_path / "broken"), []

    def interrupt(event: Event) -> None:
        if isinstance(event, Trained):
            told.append(event)
            if len(told) == 9:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(config, interrupt).run(folder)
    folder, continued = run_search(config, folder.path)
    free = ("seconds", "children_trained", "children_trained_in_all")
    assert {k: v for k, v in continued.items() if k not in free} == {k: v for k, v in summary.items() if k not in free}
    assert folder.history() == whole.history()
