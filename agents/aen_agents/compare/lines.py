"""The lines of ``runs.jsonl``: written with a checksum, and checked before they are believed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aen._reading import MALFORMED, UnusableFileError, parse_json, sealed, unsealed
from aen._text import shortened
from aen._typing import JsonDict
from aen.errors import AenError
from aen_agents.compare.agents import read_agent

_KEYS = ("key", "agent", "table", "seed", "children", "places", "recommended", "seconds", "real_seconds")
_TEXTS = ("key", "agent", "table")
_LONGEST = 40  # characters of a value that are shown


@dataclass(frozen=True)
class Expected:
    """What the line of a run must say.

    Attributes:
        agent: the agent's label.
        identity: the agent's settings; other labels may stand for the same.
        table: the table's name.
        seed: of the run.
        children: its budget.
        classes: number of the table's classes.
    """

    agent: str
    identity: str
    table: str
    seed: int
    children: int
    classes: int


def write_line(run: JsonDict) -> str:
    """Return the line of a run."""
    return f"{json.dumps(sealed(run))}\n"


def read_line(text: str, expected: Mapping[str, Expected]) -> JsonDict:
    """Return the run of a line.

    Args:
        text: the line. Those of earlier versions have no checksum.
        expected: by key; runs with other keys may be any.

    Raises:
        ValueError: it is damaged; the message says why.
    """
    try:
        found = parse_json(text)
        run = unsealed(found)
        _check(run, expected.get(run["key"]), is_sealed=run is not found)
    except json.JSONDecodeError as error:
        raise ValueError("it is not JSON") from error
    except UnusableFileError:
        raise
    except KeyError as error:
        raise ValueError(f"it lacks {error.args[0]}") from error
    except MALFORMED as error:
        raise ValueError("its content has the wrong type") from error
    return dict(run)


def _check(run: JsonDict, expected: Expected | None, *, is_sealed: bool) -> None:
    for name in _KEYS:
        run[name]  # a KeyError names it
    for name in _TEXTS:
        _require(isinstance(run[name], str), run, name, "a text")
    _require(_is_whole(run["seed"]), run, "seed", "a whole number from 0")
    _require(_is_whole(run["children"]) and run["children"] > 0, run, "children", "a whole number from 1")
    most = math.inf if expected is None else expected.classes
    for name in ("places", "recommended"):
        wanted = "a list of whole numbers from 0" + ("" if expected is None else f" to {expected.classes - 1}")
        _require(_is_list(run[name]) and all(_is_whole(v) and v < most for v in run[name]), run, name, wanted)
    good = _is_list(run["seconds"]) and all(map(_is_duration, run["seconds"]))
    _require(good, run, "seconds", "a list of numbers from 0")
    _require(_is_duration(run["real_seconds"]), run, "real_seconds", "a number from 0")
    lengths = [len(run[name]) for name in ("places", "recommended", "seconds")]
    if len(set(lengths)) > 1 or lengths[0] > run["children"]:
        counts = ", ".join(map(str, lengths))
        raise UnusableFileError(
            f"it has {counts} places, recommended and seconds, not the same number of each, at most {run['children']}"
        )
    if expected is not None:
        for name in ("table", "seed", "children"):
            _require(run[name] == getattr(expected, name), run, name, f"{getattr(expected, name)}, as its key says")
        same = is_sealed or run["agent"] == expected.agent or _identity(run["agent"]) == expected.identity
        _require(same, run, "agent", f"{expected.agent}, as its key says")


def _require(good: bool, run: JsonDict, name: str, wanted: str) -> None:
    if not good:
        raise UnusableFileError(f"{name} is {shortened(repr(run[name]), _LONGEST)}, not {wanted}")


def _is_list(value: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(value, list)


def _is_whole(value: Any) -> bool:  # noqa: ANN401 - JSON
    return type(value) is int and value >= 0


def _is_duration(value: Any) -> bool:  # noqa: ANN401 - JSON
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _identity(label: str) -> str | None:
    """Return the settings of an agent; None: there is none of that label."""
    try:
        return read_agent(label).identity
    except AenError:
        return None
