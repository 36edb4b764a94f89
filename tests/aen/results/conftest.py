import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pytest

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.groups import Decomposition
from aen.results import Evaluation
from aen.results.store import ResultStore

WORKER = Path(__file__).parent / "store_worker.py"
TINY = DenseSpec(
    data=DataSpec(train=40, validation=40, test=40),
    grids=(8, 4),
    decomposition=Decomposition.of(["rot90"]),
    training=TrainingSpec(epochs=1),
)


def invented_evaluation(spec, **changes):
    """An evaluation that no training has made: every field differs from every other and from a default."""
    evaluation = Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok",
        train_loss=0.1 + 0.2,
        train_accuracy=1 / 3,
        validation_loss=5e-324,
        validation_accuracy=0.7,
        parameters=2**40 + 1,
        epochs=17,
        seconds=1e-9,
        device="NVIDIA H100 80GB HBM3",
        threads=3,
        weights="abc.safetensors",
    )
    return replace(evaluation, **changes)


@pytest.fixture
def spec():
    return TINY


@pytest.fixture
def specs():
    return [TINY.with_seed(seed) for seed in range(5)]


@pytest.fixture
def invent():
    return invented_evaluation


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


@pytest.fixture
def open_store(path):
    """Open the store at `path` (or elsewhere), and close it when the test ends."""
    opened = []

    def make(where=path, **options):
        opened.append(ResultStore(where, **options))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def sql(path):
    """Run a statement on the file itself, past the store."""

    def run(statement, *values):
        connection = sqlite3.connect(path)
        try:
            rows = connection.execute(statement, values).fetchall()
            connection.commit()
            return rows
        finally:
            connection.close()

    return run


@pytest.fixture(scope="module")
def ask():
    """Ask a process that has imported everything, of which workers are forks: it takes seconds to start."""
    command = [sys.executable, "-W", "error", str(WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def answer(*words):
            process.stdin.write(f"{json.dumps(words)}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield answer


class Worker:
    """A worker that was begun; what it says comes line by line from `stdout`."""

    def __init__(self, ask, folder, words):
        self._ask, self._errors, pipe = ask, folder / "errors", folder / "out"
        os.mkfifo(pipe)
        self._number = ask("begin", str(pipe), str(self._errors), *map(str, words))
        self.stdout = pipe.open()

    @cached_property
    def returncode(self):
        return self._ask("end", self._number)

    def kill(self):
        if "returncode" not in vars(self):
            os.kill(self._number, signal.SIGKILL)
        return self.returncode

    def finish(self):
        said = self.stdout.read().splitlines()
        assert self.returncode == 0, self._errors.read_text()
        return said


@pytest.fixture
def start(ask, tmp_path_factory):
    """Start a worker; whatever is still alive at the end is killed."""
    started = []

    def run(*words):
        started.append(Worker(ask, tmp_path_factory.mktemp("worker"), words))
        return started[-1]

    yield run
    for worker in started:
        worker.kill()
        worker.stdout.close()
