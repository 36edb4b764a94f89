"""Real searches by strategies: from start to verdict, stopped and resumed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import ConfigError
from aen.evaluators import LocalEvaluator
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen.spaces import DecompositionSpace
from aen_agents.agents.base import Task
from aen_agents.agents.strategies.explorer import StrategyExplorer
from aen_agents.agents.time_limit import OUT_OF_TIME, TimeLimit
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Trained
from aen_agents.problem import alphabet_of, child_of
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


def config_of(name: str, children: int = 7, **changes: object) -> SearchConfig:
    content = TINY | {"agent": {"name": name}, "budget": {"children": children}, "evaluator": {"workers": 1}} | changes
    return SearchConfig.model_validate(content)


@pytest.mark.parametrize(
    "name",
    ["surrogate", *(pytest.param(n, marks=pytest.mark.slow) for n in ("local_search", "greedy", "successive_halving"))],
)
def test_a_search_that_was_stopped_is_repeated(name: str, run_search: Run, tmp_path: Path) -> None:
    config = config_of(name, training={"epochs": 3})
    whole, summary = run_search(config, tmp_path / "whole")
    folder, told = RunFolder.create(config, tmp_path / "broken"), []

    def interrupt(event: Event) -> None:
        if isinstance(event, Trained):
            told.append(event)
            if len(told) == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Search(config, interrupt).run(folder)
    folder, continued = run_search(config, folder.path)
    free = ("seconds", "children_trained", "children_trained_in_all")
    assert {k: v for k, v in continued.items() if k not in free} == {k: v for k, v in summary.items() if k not in free}
    assert continued["children_trained"] < summary["children_trained"]
    assert folder.history() == whole.history()
    assert summary["steps"] == 7


def explorer_of(task: Task, limit: TimeLimit) -> StrategyExplorer:
    limit.begin()
    explorer = StrategyExplorer(replace(task, limit=limit))
    explorer.explore()
    return explorer


def test_the_time_ends_exploring_and_a_resumed_search_keeps_what_it_had(tmp_path: Path) -> None:
    config = config_of("local_search", children=1000)
    child = child_of(config)
    space = DecompositionSpace(child, alphabet_of(config))
    folder = RunFolder.create(config, tmp_path / "run")
    store = ResultStore(tmp_path / "results.sqlite")
    evaluator = LocalEvaluator(store)
    task = Task(config, child, space, None, evaluator, folder, lambda _: None, lambda _: None, store)
    minute = TimeLimit(
        1.0, config.selection, seconds=lambda: 5.0 * evaluator.trained, trained=lambda: evaluator.trained
    )
    first = explorer_of(task, minute)
    assert first.figures().stopped_because == OUT_OF_TIME
    assert 2 <= evaluator.trained < len(space.classes)
    over = TimeLimit(1.0, config.selection, seconds=lambda: 1000.0, trained=lambda: evaluator.trained)
    before = evaluator.trained
    again = explorer_of(task, over)
    assert evaluator.trained == before
    assert again.accuracies() == first.accuracies()
    assert again.found() == first.found()


class Wide(LocalEvaluator):
    """Trains in this process, and says that it trains many children at a time."""

    wide = 3
    asked: list[int]

    @property
    def parallelism(self) -> int:
        return self.wide

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        self.asked.append(len(specs))
        return super().submit(specs, keep_weights=keep_weights)


@pytest.mark.parametrize("name", ["dqn_transfer", "surrogate", "evolution"])
def test_a_cluster_gets_as_many_children_as_it_trains_at_a_time(name: str, tmp_path: Path) -> None:
    settings: JsonDict = {"name": name} | ({"population": 2} if name == "evolution" else {})
    config = config_of(name, children=8, agent=settings, evaluator={"kind": "ray"})
    child = child_of(config)
    space = DecompositionSpace(child, alphabet_of(config))
    folder = RunFolder.create(config, tmp_path / "run")
    store = ResultStore(tmp_path / "results.sqlite")
    evaluator = Wide(store)
    evaluator.asked = []
    task = Task(config, child, space, None, evaluator, folder, lambda _: None, lambda _: None, store)
    free = TimeLimit(None, config.selection, seconds=lambda: 0.0, trained=lambda: 0)
    first = explorer_of(task, free)
    assert max(evaluator.asked) == 3
    assert first.figures().steps == 8
    # On a smaller cluster a resumed search asks for the same: nothing is trained.
    Wide.wide, before = 1, evaluator.trained
    try:
        again = explorer_of(task, free)
    finally:
        Wide.wide = 3
    assert evaluator.trained == before
    assert again.accuracies() == first.accuracies()
    # What the config says comes before it.
    single = config.model_copy(update={"agent": config.agent.model_copy(update={"children_at_once": 1})})
    evaluator.asked.clear()
    explorer_of(replace(task, config=single, folder=RunFolder.create(single, tmp_path / "single")), free)
    assert set(evaluator.asked) <= ({0, 1} if name != "evolution" else {0, 1, 2})


def test_a_search_that_cannot_be_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ConfigError, match="only one rung"):
        Search(config_of("successive_halving", training={"epochs": 1}), lambda _: None)


def test_an_agent_that_needs_the_symmetry_test_is_refused_where_images_cannot_be_tested() -> None:
    sizes = {"train": 2, "validation": 20, "test": 20, "split_seed": 1}  # of two classes
    config = config_of("symmetry_test", data=TINY["data"] | sizes, training={"batch_size": 1})
    with pytest.raises(
        ConfigError, match=r"needs the symmetry test .* cannot be made: .*a single image each.* another"
    ):
        Search(config, lambda _: None)


def test_an_agent_that_needs_the_symmetry_test_is_refused_without_it() -> None:
    said = "symmetry_test is false, but agent symmetry_test needs the symmetry test of the images; leave it out"
    with pytest.raises(ValueError, match=said):
        config_of("symmetry_test", symmetry_test=False)
    assert not config_of("racing", symmetry_test=False).symmetry_test
