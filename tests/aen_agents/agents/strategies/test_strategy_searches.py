"""Real searches by strategies: from start to verdict, stopped and resumed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen.errors import AenError, ConfigError
from aen_agents.agents.strategies.explorer import StrategyExplorer
from aen_agents.agents.time_limit import OUT_OF_TIME, TimeLimit
from aen_agents.config import SearchConfig
from aen_agents.config.strategies import STRATEGIES
from aen_agents.events import Event, Trained
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]
NAMES = [section.model_fields["name"].default for section in STRATEGIES]


def config_of(name: str, children: int = 7, **changes: object) -> SearchConfig:
    content = TINY | {"agent": {"name": name}, "budget": {"children": children}, "evaluator": {"workers": 1}} | changes
    return SearchConfig.model_validate(content)


@pytest.mark.parametrize("name", ["local_search", "greedy", "surrogate", "successive_halving"])
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
