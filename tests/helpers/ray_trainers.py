"""Trainers that take the place of training in Ray's actors, and cause the faults that they are told to, for real."""

import json
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen_agents.evaluators.ray.protocol import TrainRequest
from aen_agents.evaluators.ray.worker import ChildTrainer

DATA = DataSpec(train=60, validation=60, test=60)
SPEC = DenseSpec(data=DATA, grids=(8, 4), training=TrainingSpec(epochs=2))


def specs(count, first=0):
    """Specs that differ in their seeds alone; what happens to one goes by its seed."""
    return [SPEC.with_seed(seed) for seed in range(first, first + count)]


def answer(key, seed, **changes):
    """What a worker would answer: an accuracy that the seed decides."""
    return {
        "key": key,
        "class_key": "0" * 24,
        "seed": seed,
        "status": "ok",
        "train_loss": 1.0,
        "train_accuracy": 0.5,
        "validation_loss": 1.0,
        "validation_accuracy": seed % 100 / 100,
        "parameters": 1,
        "epochs": 1.0,
        "seconds": 0.0,
        "device": "cpu",
        "threads": 1,
    } | changes


@dataclass
class Acting:
    """Trains nothing; to some seeds things happen instead.

    Attributes:
        folder: where every try is noted.
        acts: what happens, by seed: (name of a method, arguments).
        each: what happens to the others.
        warmth: what happens before the first training.
        request: what is being trained.
        seed: of the child that is being trained.
    """

    folder: Path
    acts: dict[int, tuple] = field(default_factory=dict)
    each: tuple = ("nothing",)
    warmth: tuple = ("nothing",)
    request: TrainRequest | None = None
    seed: int | None = None
    needs_data = False

    def warm(self):
        self._act(*self.warmth)

    def train(self, request, dataset):
        assert dataset is None
        self.request = request
        return [self._train(key, json.loads(text)["seed"]) for key, text in request.specs.items()], {}

    def _train(self, key, seed):
        self.seed = seed
        note = {"seed": seed, "pid": os.getpid(), "size": self.request.size, "parts": self.request.micro_batches}
        with (self.folder / f"tries-{os.getpid()}").open("a") as file:
            file.write(json.dumps(note | {"devices": os.environ.get("CUDA_VISIBLE_DEVICES")}) + "\n")
        self._act(*self.acts.get(seed, self.each))
        return answer(key, seed, population=self.request.size, record={"parts": self.request.micro_batches})

    def _act(self, name, *arguments):
        getattr(self, name)(*arguments)

    def nothing(self): ...

    def sleep(self, seconds):
        time.sleep(seconds)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def die_once(self):
        if self._first():
            self.die()

    def die_sometimes(self, share):
        if random.random() < share:  # noqa: S311 - each try anew
            self.die()

    def leave(self):
        raise SystemExit(3)

    def fail(self):
        raise ZeroDivisionError(f"no luck with {self.seed}")

    def fail_once(self):
        if self._first():
            self.fail()

    def refuse(self):
        raise SpecError(f"seed is {self.seed}, which nobody can train.")

    def exhaust(self, population, parts):
        """Ask for more memory than there is in the world, unless the request is small enough."""
        if self.request.size > population or self.request.micro_batches < parts:
            bytearray(1 << 60)

    def exhaust_then_die_once(self, parts):
        self.exhaust(1, parts)
        self.die_once()

    def exhaust_torch(self):
        import torch

        torch.empty(1 << 60, dtype=torch.uint8)

    def be_of_other_sources(self):
        from aen_agents.evaluators.ray import protocol

        protocol.sources_digest = lambda: "0" * 8

    def _first(self):
        try:
            (self.folder / f"once-{self.seed}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def tries(self):
        """Return what was noted of all tries."""
        return [json.loads(line) for file in self.folder.glob("tries-*") for line in file.read_text().splitlines()]

    def tried(self):
        """Return the seeds, as often as they were tried."""
        return sorted(note["seed"] for note in self.tries())


class LittleMemory(ChildTrainer):
    """Trains for real, in a process that may have only so much more memory than when it is warm.

    Args:
        mebibytes: more.
    """

    def __init__(self, mebibytes):
        super().__init__()
        self.mebibytes = mebibytes

    def warm(self):
        import resource

        super().warm()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (self.mebibytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def until(condition, seconds=60):
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def running(pid):
    """Say whether a process is there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
