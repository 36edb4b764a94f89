"""Several real processes on one store, which can be killed."""

import collections
import os
import signal
import subprocess
import sys
import time

from aen.evaluators import LocalEvaluator


def finish(workers):
    return [worker.finish() for worker in workers]


def kill(worker):
    assert worker.kill() == -signal.SIGKILL


def test_processes_with_the_same_keys_train_each_once_and_agree(start, path, tmp_path, spec):
    ledger, workers, keys = tmp_path / "trained.txt", 3, 30
    outputs = finish([start("train_all", path, ledger, workers, keys, 1 if i % 2 else -1) for i in range(workers)])
    trained = collections.Counter(ledger.read_text().split())
    assert trained == dict.fromkeys((spec.with_seed(seed).key for seed in range(keys)), 1)
    assert len(outputs[0]) == keys
    assert all(sorted(output) == sorted(outputs[0]) for output in outputs)


def test_processes_that_make_the_same_store_at_the_same_instant_all_succeed(start, tmp_path):
    workers, rounds = 2, 60
    outputs = finish([start("create_all", tmp_path, workers, rounds) for _ in range(workers)])
    assert outputs == [["made"]] * workers


def test_the_lease_of_a_process_killed_on_this_machine_is_taken_over_at_once(start, open_store, path, spec):
    holder = start("hold_lease", path, 60)
    assert holder.stdout.readline() == "mine\n"
    store = open_store(lease_seconds=60)
    assert not store.claim(spec.key).mine
    kill(holder)
    killed = time.monotonic()
    evaluator = LocalEvaluator(store)
    (future,) = evaluator.submit([spec])
    assert time.monotonic() - killed < 30
    assert evaluator.trained == 1
    assert store.get(spec.key) == future.result()


def test_the_lease_of_a_process_killed_on_another_machine_is_taken_over_in_time(start, open_store, path, spec, sql):
    lease_seconds = 2.0
    holder = start("hold_lease", path, lease_seconds)
    assert holder.stdout.readline() == "mine\n"
    kill(holder)
    # Of other machines nobody can say which processes run: only the heartbeat tells.
    sql("UPDATE leases SET owner = 'elsewhere' || substr(owner, instr(owner, ':')), heartbeat = ?", time.time())
    store = open_store(lease_seconds=lease_seconds)
    assert not store.claim(spec.key).mine
    started = time.monotonic()
    evaluator = LocalEvaluator(store)
    (future,) = evaluator.submit([spec])
    assert lease_seconds / 2 < time.monotonic() - started < 30
    assert evaluator.trained == 1
    assert store.get(spec.key) == future.result()


def test_what_a_killed_process_had_committed_is_there(start, open_store, path, sql):
    writer = start("commit_on_and_on", path)
    announced = [writer.stdout.readline().strip() for _ in range(20)]
    kill(writer)
    announced += writer.stdout.read().split("\n")[:-1]
    stored = {evaluation.key: child for evaluation, child in open_store(create=False).evaluations()}
    assert set(announced) <= set(stored)
    assert len(stored) <= len(announced) + 1
    assert all(child.key == key for key, child in stored.items())
    assert sql("PRAGMA integrity_check") == [("ok",)]


def test_opening_a_store_twice_in_a_process_keeps_its_results_when_another_process_closes_it(
    open_store, path, specs, invent
):
    look = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*c.execute('SELECT count(*) FROM evaluations'))"
    )

    def stored():
        """How many another process sees; it closes the file, and removes the log if nobody else has a lock."""
        done = subprocess.run(
            [sys.executable, "-c", f"{look}; c.close()", path], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    store = open_store()
    store.commit(invent(specs[0]), specs[0])
    open_store()
    open_store(create=False)
    assert stored() == "(1,)"
    store.commit(invent(specs[1]), specs[1])
    assert stored() == "(2,)"


def test_a_forked_process_keeps_its_results_when_the_first_process_closes_the_store(store, sql, specs, invent):
    (go, close), (ready, closed) = os.pipe(), os.pipe()
    store.commit(invent(specs[0]), specs[0])
    child = os.fork()
    if not child:
        store.commit(invent(specs[1]), specs[1])
        os.write(closed, b".")
        os.read(go, 1)
        store.commit(invent(specs[2]), specs[2])
        os._exit(0)
    os.read(ready, 1)
    store.close()
    os.write(close, b".")
    os.waitpid(child, 0)
    for pipe in (go, close, ready, closed):
        os.close(pipe)
    assert sql("SELECT count(*) FROM evaluations") == [(3,)]
