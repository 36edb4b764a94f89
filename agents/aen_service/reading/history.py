"""The history of a run as columns: what was visited or trained, in order."""

import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import NamedTuple

from aen._typing import JsonDict
from aen_service.reading.lines import GrowingLines


@dataclass
class KnownClass:
    """What a run's files say of a class.

    Attributes:
        factors: its factors, as first met.
        group: name of its group.
        parameters: number of free parameters.
    """

    factors: str
    group: str | None = None
    parameters: int | None = None


class KnownChild(NamedTuple):
    """A child that the history names.

    Attributes:
        class_key: its class.
        accuracy: validation accuracy.
        seed: if the history has it.
    """

    class_key: str
    accuracy: float | None
    seed: int | None = None


@dataclass
class _Columns:
    """One entry for each child: that of its first visit, or training.

    Attributes:
        steps: the agent's steps; for agents that do not step, the number of the line.
    """

    steps: "array[float]" = field(default_factory=lambda: array("d"))
    accuracy: "array[float]" = field(default_factory=lambda: array("d"))
    best: "array[float]" = field(default_factory=lambda: array("d"))
    epsilon: "array[float]" = field(default_factory=lambda: array("d"))


class RunHistory:
    """``history.jsonl``, read as it grows.

    Args:
        path: the file.

    Attributes:
        columns: of the learning curve.
        classes: what is known of each class, by its key.
        children: the children by the key of their spec; in older histories, which lack keys, by class and seed.
        slices: the last line of each child of layer-wise methods, by its key.
        version: grows with each change.
    """

    def __init__(self, path: Path) -> None:
        self._lines = GrowingLines(path)
        self.version = 0
        self._clear()

    def _clear(self) -> None:
        self.columns = _Columns()
        self.classes: dict[str, KnownClass] = {}
        self.children: dict[str, KnownChild] = {}
        self.slices: list[JsonDict] = []
        self._best = float("-inf")

    def update(self) -> None:
        """Read what is new."""
        while True:
            anew, lines = self._lines.read()
            if anew:
                self._clear()
            for line in parsed(lines):
                with suppress(KeyError, TypeError):  # damaged: `aen status` says so
                    self._take(line)
            self.version += bool(lines) or anew
            if not lines:
                return

    def _take(self, line: JsonDict) -> None:
        class_key, accuracy = intern(line["class_key"]), line["accuracy"]
        known = self.classes.get(class_key)
        if known is None:
            self.classes[class_key] = KnownClass(str(line["factors"]), line.get("group"), line.get("parameters"))
        seed = line.get("seed")
        key = intern(line.get("key") or f"{class_key}-{seed}")
        first = line.get("first", key not in self.children)
        if key not in self.children:
            self.children[key] = KnownChild(class_key, accuracy, seed)
        if "slice" in line:
            self.slices.append(line)
        if first:
            columns = self.columns
            self._best = max(self._best, accuracy)
            columns.steps.append(line.get("step", len(columns.steps) + 1))
            columns.accuracy.append(accuracy)
            columns.best.append(self._best)
            columns.epsilon.append(line.get("epsilon", float("nan")))


_TOGETHER = 500  # lines that are parsed at once, which is faster


def parsed(lines: Sequence[bytes]) -> Iterator[JsonDict]:
    """Yield the objects in lines of JSON; damaged lines are left out."""
    for start in range(0, len(lines), _TOGETHER):
        some = lines[start : start + _TOGETHER]
        try:
            found = json.loads(b"[%s]" % b",".join(some))
        except (ValueError, RecursionError):
            found = []
        if len(found) != len(some):
            found = [value for line in some if (value := _parsed(line)) is not None]
        yield from (value for value in found if isinstance(value, dict))


def _parsed(line: bytes) -> JsonDict | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
