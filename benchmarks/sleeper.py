"""A trainer that sleeps instead of training. It imports no torch, so that a simulated worker is a small process."""

import hashlib
import json
import math
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aen_agents.evaluators.ray.protocol import TrainRequest


def part(key: str, what: str) -> float:
    """Return a number from 0 to 1 that a key and a word decide."""
    return int(hashlib.sha256(f"{what}:{key}".encode()).hexdigest()[:12], 16) / 16**12


def sleep_of(key: str, shortest: float, longest: float) -> float:
    """Return how long a child sleeps: log-uniform, so that as many take 0.05 to 0.5 s as take 0.5 to 5 s."""
    return shortest * math.exp(part(key, "sleep") * math.log(longest / shortest)) if longest > 0 else 0.0


@dataclass
class Sleeper:
    """A trainer that sleeps.

    Attributes:
        shortest: seconds.
        longest: seconds; 0: it does not sleep at all.
        deadly: the share of trainings in whose midst the worker's process is killed.
    """

    shortest: float = 0.0
    longest: float = 0.0
    deadly: float = 0.0
    needs_data = False

    def warm(self) -> None:
        """Import nothing: a simulated worker is a small process."""

    def train(self, request: TrainRequest, dataset: object) -> tuple[Sequence[dict[str, Any]], Mapping[str, bytes]]:
        """Sleep, and answer with an accuracy that the key decides."""
        del dataset
        return [self._one(key, text) for key, text in request.specs.items()], {}

    def _one(self, key: str, text: str) -> dict[str, Any]:
        started = time.perf_counter()
        sleep = sleep_of(key, self.shortest, self.longest)
        if self.deadly and random.random() < self.deadly:  # noqa: S311 - each try anew
            time.sleep(sleep / 2)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(sleep)
        return {
            "key": key,
            "class_key": key,
            "seed": json.loads(text)["seed"],
            "status": "ok",
            "train_loss": 0.0,
            "train_accuracy": 1.0,
            "validation_loss": 0.0,
            "validation_accuracy": part(key, "accuracy"),
            "parameters": 1,
            "epochs": 1.0,
            "seconds": time.perf_counter() - started,
            "device": "sleep",
            "threads": 1,
        }
