"""Batches: the children that each remote client waits for, and their results."""

import asyncio
import time
from collections import deque
from dataclasses import asdict, dataclass, field

from aen._secrets import hide_secrets
from aen._typing import JsonDict
from aen.results.evaluation import Evaluation


@dataclass(eq=False)
class Batch:
    """The children that a client waits for.

    Attributes:
        id: identifies it; it cannot be guessed.
        token: whose it is.
        names: by the key of each child that is unfinished, the keys by which the client knows it.
        keeps: keys of children whose weights the client wants, too.
        results: those that the client has not confirmed.
        first: the number of the first of `results`; numbers begin at 1.
        asked: when its client asked last, by the monotonic clock.
        watched: how many requests wait for results.
    """

    id: str
    token: str
    names: dict[str, set[str]] = field(default_factory=dict)
    keeps: set[str] = field(default_factory=set)
    results: deque[JsonDict] = field(default_factory=deque)
    first: int = 1
    asked: float = field(default_factory=time.monotonic)
    watched: int = 0
    listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)

    @property
    def last(self) -> int:
        """The number of the last result."""
        return self.first + len(self.results) - 1


def answer(batch: Batch, key: str, outcome: Evaluation | BaseException | None) -> None:
    """Put a result into a batch, once for each key by which the client knows the child."""
    keeps = key in batch.keeps
    batch.keeps.discard(key)
    for name in sorted(batch.names.pop(key, ())):
        if isinstance(outcome, Evaluation):
            weights = f"{key}.safetensors" if keeps and outcome.status == "ok" else None
            content: JsonDict = {"key": name, "evaluation": asdict(outcome) | {"key": name, "weights": weights}}
        else:
            content = {"key": name, "error": hide_secrets(str(outcome)) or type(outcome).__name__}
        batch.results.append(content)


def notify(batch: Batch) -> None:
    """Wake the requests that wait for results of a batch."""
    for loop, event in list(batch.listeners):
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
