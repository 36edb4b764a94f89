"""Searches that run, fail or are killed, as one sees them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.watched_runs import lines_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aen._typing import JsonDict
from aen.errors import SpecError
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.events import Event, Visited
from aen_agents.monitoring import view_run
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

QUICK = [
    *("data.train=400", "training.epochs=15", "child.hidden=[8]", "alphabet=[rot90, hflip, vflip, swap_lr]"),
    *("budget.children=8", "budget.steps=60", "selection.seeds=2", "selection.top=2", "environment.horizon=4"),
    "agent={learn_after: 4, batch_size: 8, layers: [16]}",
]


def done_in(path: Path) -> int:
    view = view_run(path)
    return view.children.done if view.children else 0


def test_a_search_is_watched(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    view = view_run(folder.path)
    assert (view.state, view.name, view.agent, view.data) == ("complete", "tiny", "dqn", "digits")
    assert view.winner is not None
    assert view.winner.accuracy == summary["winner"]["validation_accuracy_mean"]
    assert view.winner.factors == summary["winner"]["decomposition"]
    assert view.children is not None
    assert view.children.trained == summary["children_trained"]
    best = max(visit["accuracy"] for visit in folder.history())
    assert view.best is not None
    assert view.best.accuracy == best
    assert view.best.group
    lines = lines_of(folder.path / "log.jsonl")
    assert (lines[0]["event"], lines[-1]["event"]) == ("started", "ended")
    visits = [(line["run"], line["step"]) for line in lines if line["event"] == "visited"]
    assert visits == [("tiny", line["step"]) for line in folder.history()]
    curves = EventAccumulator(str(folder.path / "tensorboard" / "search")).Reload()
    assert curves.Scalars("search/best_accuracy")[-1].value == pytest.approx(best)
    assert curves.Scalars("children/trained")[-1].step == view.children.done


def test_a_search_that_fails_says_so(tiny_config: SearchConfig, tmp_path: Path) -> None:
    def listener(event: Event) -> None:
        if isinstance(event, Visited):
            raise SpecError("enough is enough")

    folder = RunFolder.create(tiny_config, tmp_path / "run")
    with pytest.raises(SpecError):
        Search(tiny_config, listener).run(folder)
    view = view_run(folder.path)
    assert (view.state, view.message) == ("failed", "enough is enough")


@pytest.mark.slow
def test_a_search_that_is_killed_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = "import sys; from aen_agents.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "search", "configs/digits.yaml", *QUICK, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as search:
        while search.poll() is None and not ((out / "status.json").exists() and done_in(out) >= 2):
            time.sleep(0.05)
        running = view_run(out)
        search.kill()
    assert running.state == "running"
    assert view_run(out).state == "stopped"
    assert main(["resume", str(out)]) == 0
    view = view_run(out)
    assert (view.state, view.children and view.children.failed) == ("complete", 0)
    assert view.seconds is not None
    assert running.seconds is not None
    assert view.seconds > running.seconds
    events = [line["event"] for line in lines_of(out / "log.jsonl")]
    assert (events.count("started"), events.count("ended")) == (2, 1)
    steps = [s.step for s in EventAccumulator(str(out / "tensorboard" / "search")).Reload().Scalars("search/accuracy")]
    assert steps == sorted(steps)
