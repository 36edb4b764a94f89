"""Formats the state of runs as tables and lines for the console."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from aen._text import printable, shortened
from aen_agents.monitoring.run_view import RunView
from aen_agents.monitoring.status import Best

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MOST_LINES = 5
_LONGEST, _LONGEST_NAME = 2000, 100  # characters of a cell that are shown
_STATE_WIDTH = 13
_COLOURS = {"running": "green", "complete": "bold"} | dict.fromkeys(
    ("failed", "stopped", "damaged", "unreadable", "other version"), "red"
)
_DOINGS = {
    "explore": "exploring",
    "select": "selecting",
    "rival": "training the rival",
    "compare": "comparing",
    "test": "testing",
}


def view_table(view: RunView) -> Table:
    """Return a table with all attributes of a run."""
    table = Table(title=_cell(str(view.path)), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    for what, value in _rows(view):
        table.add_row(what, _cell(value, _COLOURS.get(view.state, "") if what == "state" else ""))
    return table


def view_line(view: RunView) -> str:
    """Return the state of a run as one line, for logs."""
    parts: list[str] = [_state(view)]
    if view.stage is not None:
        parts.append(f"{_DOINGS.get(view.stage.name, view.stage.name)} {view.stage.done}/{view.stage.total}")
    if view.best is not None:
        parts.append(f"best {view.best.accuracy:.1%} {_group(view.best)}")
    if view.state == "running" and view.workers is not None:
        parts.append(f"{view.workers} workers")
    if view.children is not None and view.children.failed:
        parts.append(f"{view.children.failed} failed")
    return printable("  ".join(shortened(part) for part in parts))


def runs_table(views: Sequence[RunView], folder: Path) -> Table:
    """Return a table of runs."""
    table = Table(
        title=_cell(f"runs in {folder}"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    table.add_column("run", overflow="fold", min_width=8)
    table.add_column("agent", no_wrap=True)
    table.add_column("data", overflow="fold", min_width=6)
    table.add_column("state", no_wrap=True)
    for heading in ("children", "best"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("winner", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    for view in views:
        name = str(view.path.relative_to(folder)) if view.path != folder else view.path.name
        table.add_row(
            *(_cell(cell, longest=_LONGEST_NAME) for cell in (name, view.agent, view.data)),
            Text(fill(_state(view), _STATE_WIDTH), style=_COLOURS.get(view.state, "")),
            "" if view.children is None else f"{view.children.done:,}",
            "" if view.best is None else f"{view.best.accuracy:.1%}",
            _cell("" if view.winner is None else f"{_group(view.winner)} {view.winner.accuracy:.1%}"),
            duration(view.age, units=1),
        )
    return table


def unread_lines(views: Sequence[RunView]) -> list[str]:
    """Return a line with the reason for each of the first runs that cannot be read, and the number of the others."""
    unread = [view for view in views if not view.readable]
    lines = [printable(view.message or view.state) for view in unread[:_MOST_LINES]]
    if len(unread) > _MOST_LINES:
        lines.append(f"{len(unread) - _MOST_LINES:,} more cannot be read; see --json for the reasons")
    return lines


def duration(seconds: float, units: int = 2) -> str:
    """Return a duration as text, in its largest unit or its two largest ones."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(round(seconds), 0)
    for unit, name, smaller, its_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = f" {whole % unit // smaller} {its_name}" if units > 1 else ""
            return f"{whole // unit} {name}{rest}"
    return f"{whole} s"


def _cell(text: str, style: str = "", *, longest: int = _LONGEST) -> Text:
    return Text(printable(shortened(text, longest)), style=style)


def _rows(view: RunView) -> Iterator[tuple[str, str]]:
    where = f", process {view.process}" if view.process and view.state == "running" else ""
    updated = f", last update {duration(view.age)} ago"
    yield "state", f"{_state(view)}{where}{updated}"
    for remark in view.remarks:
        yield "note", remark
    if view.message and view.message not in " ".join(view.remarks):
        yield "reason", view.message
    yield "search", f"{view.name}, agent {view.agent}, data {view.data}"
    if view.stage is not None:
        stage = view.stage
        doing = _DOINGS.get(stage.name, stage.name)
        left = f", about {duration(stage.seconds_left)} left" if stage.seconds_left and view.state == "running" else ""
        yield "stage", f"{doing}: {stage.done:,} of at most {stage.total:,} {stage.unit}{left}"
    elif view.state == "running":
        yield "stage", "starting"
    if view.best is not None:
        yield "best", f"{view.best.accuracy:.1%} on validation: {_network(view.best)}"
    if view.winner is not None:
        yield "winner", f"{view.winner.accuracy:.1%} on validation: {_network(view.winner)}"
    yield from _counts(view)
    if view.workers is not None and view.state == "running":
        yield "workers", f"{view.workers:,} alive"
    if view.seconds is not None:
        yield "elapsed", duration(view.seconds)


def _state(view: RunView) -> str:
    return view.state if view.version is None else f"{view.state}: {view.version}"


def _counts(view: RunView) -> Iterator[tuple[str, str]]:
    if view.children is not None:
        counts = view.children
        now = f"{counts.running:,} running, {counts.waiting:,} waiting, " if view.state == "running" else ""
        yield "children", f"{counts.done:,} done, {now}{counts.trained:,} trained, {counts.failed:,} failed"
    if view.rate is not None and view.rate.overall:  # none before the first child
        minute = f"{_per(view.rate.last_minute)} over the last minute, " if view.rate.last_minute is not None else ""
        yield "rate", f"{minute}{_per(view.rate.overall)} overall"


def _per(rate: float) -> str:
    if rate >= 1:
        return f"{rate:,.1f}/s"
    return f"{rate * _MINUTE:.1f}/min" if rate * _MINUTE >= 1 else f"{rate * _HOUR:.1f}/h"


def _group(best: Best) -> str:
    return best.group or best.factors


def _network(best: Best) -> str:
    if best.group and best.factors and best.group != best.factors:
        return f"{best.group} ({best.factors})"
    return best.group or best.factors or "found before this process started"
