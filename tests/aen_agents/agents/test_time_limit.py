"""TimeLimit: a budget of minutes is shared by exploring and the selection stage, and agents keep it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.summaries import check_summary
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen_agents.agents.time_limit import OUT_OF_TIME, TimeLimit
from aen_agents.config import SearchConfig, SelectionConfig
from aen_agents.runs.folder import RunFolder

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]


class Clock:
    """Seconds and children, set by hand."""

    def __init__(self, minutes: float | None, top: int = 5, seeds: int = 5) -> None:
        self.now, self.trained = 0.0, 0
        self.limit = TimeLimit(
            minutes, SelectionConfig(top=top, seeds=seeds), seconds=lambda: self.now, trained=lambda: self.trained
        )
        self.limit.begin()

    def at(self, now: float, trained: int) -> TimeLimit:
        self.now, self.trained = now, trained
        return self.limit


def test_without_minutes_there_is_no_end() -> None:
    limit = Clock(None).at(1e9, 1)
    assert not limit.reached()
    assert limit.children_left() is None
    assert limit.fit_selection() is None


def test_exploring_leaves_time_for_the_selection_stage() -> None:
    clock = Clock(10)
    assert not clock.at(300, 300).reached()  # a second each: 55 or so are left to train
    assert clock.at(550, 550).reached()
    slow = Clock(10)
    assert slow.at(301, 10).reached()  # half a minute each: the selection stage gets half of the time


def test_a_part_of_exploring() -> None:
    clock = Clock(10)
    assert not clock.at(200, 200).reached(0.5)
    assert clock.at(270, 270).reached(0.5)
    assert not clock.limit.reached()


@pytest.mark.parametrize("trained", [20, 40, 120, 400])
def test_the_selection_stage_fits(trained: int) -> None:
    clock = Clock(10)
    limit = clock.at(290.0, trained)
    each = limit.seconds_per_child
    assert each == pytest.approx(290 / trained)
    said = limit.fit_selection()
    size = limit.selection
    assert (said is None) == ((size.top, size.seeds) == (5, 5))
    if trained == 400:
        assert said is None
    if trained == 40:
        assert said is not None
        assert f"best {size.top} of exploring on {size.seeds} seeds" in said
    assert size.seeds * (size.top + 1) * each <= 310
    assert size.top >= 1
    assert size.seeds >= 2


def test_a_stage_that_asks_for_less_is_not_made_larger() -> None:
    limit = Clock(1, top=1, seeds=2).at(60, 3)
    limit.fit_selection()
    assert (limit.selection.top, limit.selection.seeds) == (1, 2)


def test_earlier_starts_count() -> None:
    clock = Clock(1)
    clock.now = 58.0  # the seconds of the run, over all its starts
    clock.limit.begin()
    assert clock.at(59.5, 0).reached()


def config_of(agent: JsonDict) -> SearchConfig:
    content = TINY | {"agent": agent, "evaluator": {"workers": 1}, "training": {"epochs": 40}}
    content["budget"] = {"children": 10_000, "steps": 100_000, "minutes": 0.05}
    content["alphabet"] = "quarter"
    return SearchConfig.model_validate(content)


@pytest.mark.parametrize(
    "agent",
    [
        TINY["agent"],
        {"name": "exhaustive", "seeds": 20},
        pytest.param({"name": "racing", "level": 1e-9}, marks=pytest.mark.slow),
    ],
    ids=lambda agent: agent["name"],
)
def test_agents_end_in_time_with_an_answer(agent: JsonDict, run_search: Run, tmp_path: Path) -> None:
    folder, summary = run_search(config_of(agent), tmp_path / "run")
    check_summary(folder.path)
    assert summary["status"] == "complete"
    assert summary["stopped_because"] == OUT_OF_TIME
    assert summary["classes_visited"] >= 1
    assert summary["winner"]["validation_accuracy_mean"] > 0
    assert len(summary["selection_seeds"]) == len(summary["winner"]["validation_accuracies"])


@pytest.mark.slow
def test_a_limit_that_is_far_away_changes_nothing(tiny_config: SearchConfig, run_search: Run, tmp_path: Path) -> None:
    figures = []
    for minutes in (None, 600):
        budget = tiny_config.budget.model_copy(update={"minutes": minutes})
        _, summary = run_search(tiny_config.model_copy(update={"budget": budget}), tmp_path / str(minutes))
        figures.append({key: value for key, value in summary.items() if key != "seconds"})
    assert figures[0] == figures[1]
