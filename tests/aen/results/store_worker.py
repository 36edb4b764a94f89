"""Processes of their own that use a result store; test_store_processes.py starts them and kills them."""

import json
import os
import random
import sys
import time
import traceback
from pathlib import Path

from aen import _processes
from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import local, worker
from aen.groups import Decomposition
from aen.results import Evaluation
from aen.results.store import ResultStore

SPEC = DenseSpec(
    data=DataSpec(train=40, validation=40, test=40),
    grids=(8, 4),
    decomposition=Decomposition.of(["rot90"]),
    training=TrainingSpec(epochs=1),
)


def invented(spec, *, validation_loss):
    return Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok",
        train_loss=0.0,
        train_accuracy=1.0,
        validation_loss=validation_loss,
        validation_accuracy=1.0,
        parameters=1,
        epochs=1,
        seconds=0.0,
        device="cpu",
        threads=1,
    )


def say(word):
    print(word, flush=True)  # noqa: T201


def meet(folder, others):
    """Wait until `others` processes are at the same point; busy, so that all go on at the same instant."""
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(os.listdir(folder)) < others:  # noqa: PTH208 - the fastest there is
        if time.monotonic() > deadline:
            raise TimeoutError(folder)


def train_all(store_path, ledger, workers, keys, direction):
    """Evaluate the same specs as the other workers; note every training in the ledger."""

    def train(spec, *_, **__):
        with Path(ledger).open("a") as file:
            file.write(f"{spec.key}\n")
        time.sleep(0.01)
        # The figure is another at each training: equal figures are copies of one training.
        return invented(spec, validation_loss=random.SystemRandom().random())

    worker.train_child = train
    specs = [SPEC.with_seed(seed) for seed in range(int(keys))][:: int(direction)]
    with ResultStore(store_path) as store:
        evaluator = local.LocalEvaluator(store)
        evaluator._dataset = lambda _: None
        meet(Path(ledger).parent / "start", int(workers))
        for future in evaluator.submit(specs):
            evaluation = future.result()
            say(f"{evaluation.key} {evaluation.validation_loss!r}")


def create_all(folder, workers, rounds):
    """Make the same new stores as the other workers, each at the same instant."""
    for number in range(int(rounds)):
        meet(Path(folder) / f"round{number}", int(workers))
        with ResultStore(Path(folder) / f"store{number}.sqlite") as store:
            store.claim(f"key-of-{os.getpid()}")
            store.release(f"key-of-{os.getpid()}")
    say("made")


CLOCKS = {
    "right": lambda now, _: now,
    "an hour behind": lambda now, _: now - 3600,
    "an hour ahead": lambda now, _: now + 3600,
    "a year ahead": lambda now, _: now + 365 * 86400,
    "stands still": lambda *_: 1e9,
    "runs backwards": lambda now, first: first - 100 * (now - first),
}


def hold_lease(store_path, lease_seconds, seed=0, clock="right", machine=""):
    """Claim and never finish.

    Args:
        store_path: the store.
        lease_seconds: of the store.
        seed: of the spec that is claimed.
        clock: how the clock of this process goes, one of `CLOCKS`.
        machine: identifier of another machine on which this process is said to run; empty: it is not.
    """
    right, first = time.time, time.time()
    time.time = lambda: CLOCKS[clock](right(), first)
    if machine:
        _processes.this_machine = lambda: machine
    store = ResultStore(store_path, lease_seconds=float(lease_seconds))
    say("mine" if store.claim(SPEC.with_seed(int(seed)).key).mine else "not mine")
    time.sleep(600)


def commit_on_and_on(store_path):
    """Commit results one after the other without end; name each as soon as it is committed."""
    store = ResultStore(store_path)
    for seed in range(1_000_000):
        spec = SPEC.with_seed(seed)
        store.commit(invented(spec, validation_loss=0.5), spec)
        say(spec.key)


def begin(out, errors, command, *words):
    """Start a worker: a fork of this process. Return its number."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(out, os.O_WRONLY), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
        globals()[command](*words)
        status = 0
    except BaseException:  # noqa: BLE001 - nothing of a worker may go on in what it is a fork of
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def end(number):
    """Wait for a worker; return its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        asked, *given = json.loads(line)
        say({"begin": begin, "end": end}[asked](*given))
