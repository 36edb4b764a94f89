import io

import pytest
from rich.console import Console

from aen.evaluators import Activity
from aen_agents.cli.progress import ConsoleProgress
from aen_agents.events import (
    ChildLogged,
    Notice,
    Retrained,
    SliceTrained,
    StageStarted,
    Trained,
    Visited,
    WorkerLogged,
)


def visited(visits: int, *, first: bool = True) -> Visited:
    return Visited(1, visits, first, 3, "rot90 + hflip", "D4", "key", 0.9, 0.1, 0.5, 0.95)


def test_an_exhaustive_search_is_shown() -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, width=200)) as progress:
        progress(StageStarted("explore", 12))
        for seed in range(12):
            progress(Trained(0, "none", "key", seed, 0.5))
    assert out.getvalue().splitlines() == [
        "exploring: 12 children",
        "  10/12  none: 50.0%",
        "  12/12  none: 50.0%",
    ]


def trained_slice(number: int, seed: int = 3) -> SliceTrained:
    return SliceTrained(
        *("equinas_e", seed, number, number / 2, f"key {number}", None, "D4 x4, C4 x4", ("D4",) * 4 + ("C4",) * 4),
        *("class", 0.9, 0.3, 1000, True, None),
    )


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_slices_of_layerwise_methods_are_shown(terminal: bool) -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, force_terminal=terminal, width=200)) as progress:
        progress(StageStarted("explore", 12, "slices"))
        for number in range(1, 13):
            progress(trained_slice(number))
        progress(StageStarted("test", 4, "networks"))
    text = out.getvalue()
    assert "12/12" in text
    assert "equinas_e, seed 3, slice 12: 90.0%  D4 x4, C4 x4" in text
    if not terminal:
        assert text.splitlines() == [
            "exploring: 12 slices",
            "  10/12  equinas_e, seed 3, slice 10: 90.0%  D4 x4, C4 x4",
            "  12/12  equinas_e, seed 3, slice 12: 90.0%  D4 x4, C4 x4",
            "measuring on the test images: 4 networks",
        ]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_a_search_is_shown(terminal: bool) -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, force_terminal=terminal, width=200)) as progress:
        progress(Notice("vshift(4) has order 7 on 28x28"))
        progress(StageStarted("explore", 20))
        for visits in range(1, 21):
            progress(visited(visits))
        progress(visited(20, first=False))
        progress(StageStarted("select", 2))
        progress(Retrained("rot90", 0.8))
        progress(Retrained("hflip", 0.7))
    text = out.getvalue()
    assert "note: vshift(4) has order 7 on 28x28" in text
    assert "best 95.0%" in text
    assert "epsilon 0.50" in text
    assert "20/20" in text
    assert "2/2" in text
    if not terminal:
        assert text.splitlines() == [
            "note: vshift(4) has order 7 on 28x28",
            "exploring: 20 children",
            "  10/20  best 95.0%  epsilon 0.50  rot90 + hflip: 90.0%",
            "  20/20  best 95.0%  epsilon 0.50  rot90 + hflip: 90.0%",
            "selecting on fresh seeds: 2 children",
            "  2/2  hflip: 70.0%",
        ]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_what_workers_are_at_is_shown(terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=250)
    with ConsoleProgress(console, lambda: Activity(4, 3, 7, 10, 1)) as progress:
        progress(StageStarted("explore", 12))
        for seed in range(12):
            progress(Trained(0, "none", "key", seed, 0.5))
    text = out.getvalue()
    assert "4 workers, 3 running, 1 failed" in text
    if not terminal:
        assert text.splitlines()[1] == "  10/12  none: 50.0%  4 workers, 3 running, 1 failed"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_workers_that_cannot_be_asked_are_not_shown(terminal: bool) -> None:
    def closed() -> Activity:
        raise RuntimeError("closed")

    for activity in (closed, lambda: None, lambda: Activity(1, 0, 0, 10, 0)):
        out = io.StringIO()
        with ConsoleProgress(Console(file=out, force_terminal=terminal, width=250), activity) as progress:
            progress(StageStarted("explore", 10))
            for seed in range(10):
                progress(Trained(0, "none", "key", seed, 0.5))
        assert "10/10" in out.getvalue()
        assert "worker" not in out.getvalue()


def test_faults_are_shown_but_are_no_flood() -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, width=250)) as progress:
        progress(WorkerLogged("w1", "started", "node1", "pid 7"))
        progress(ChildLogged("0123456789abcdef", "w1", "finished", "ok", 1.0))
        progress(WorkerLogged("w1", "lost", "node1", "killed by signal 9"))
        progress(
            ChildLogged("0123456789abcdef", "w1", "failed", "error", 1.25, "Traceback\n  in train\nValueError: no")
        )
        for number in range(100):
            progress(ChildLogged(f"{number:012d}abcdef", "w2", "requeued", "timeout", 9.0))
    assert out.getvalue().splitlines() == [
        "worker w1 on node1 lost: killed by signal 9",
        "child 0123456789ab failed: error on w1 after 1.2 s: ValueError: no",
        *(f"child {number:012d} requeued: timeout on w2 after 9.0 s" for number in range(5)),
        "further children requeued are counted but not shown; log.jsonl in the run folder has all of them",
        "children requeued, total: 100",
    ]
