"""Several processes that train: the same results as one, and nothing lost when they are killed."""

import os
import pickle
import signal
import time
from concurrent.futures import wait
from contextlib import closing
from dataclasses import replace

import pytest

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import AenError, DataError, SpecError
from aen.evaluators import LocalEvaluator, evaluate, local, stream
from aen.evaluators.processes import WorkerError, WorkerPool
from aen.evaluators.worker import train
from aen.groups import Decomposition
from aen.results.store import ResultStore

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two workers need two cores")

SPEC = DenseSpec(
    data=DataSpec(train=60, validation=60, test=60),
    grids=(8, 4),
    decomposition=Decomposition.of(["rot90"]),
    training=TrainingSpec(epochs=2),
)
SPECS = [
    SPEC.with_seed(seed).with_decomposition(Decomposition.of(factors))
    for seed, factors in enumerate([["rot90"], [], ["hflip", "vflip"], ["hflip"], ["rot90"], ["transpose"], []])
]
# Long enough that a test can meet them at work.
LONG = [replace(spec, training=TrainingSpec(epochs=1500)) for spec in SPECS[:4]]
# Long enough to be in flight while the next call is made.
FLYING = [replace(spec, training=TrainingSpec(epochs=400)) for spec in SPECS[:2]]


@pytest.fixture(scope="module")
def pool():
    """Two workers for all tests that do them no harm: they take seconds to start."""
    pool = WorkerPool(2)
    pool.start()
    yield pool
    pool.close()


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def make():
        stores.append(ResultStore(tmp_path / "results.sqlite"))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def evaluator(pool, open_store, tmp_path):
    return with_pool(LocalEvaluator(open_store(), workers=2, weights_folder=tmp_path / "weights"), pool)


@pytest.fixture
def own(open_store):
    """An evaluator with workers of its own, to be harmed."""
    evaluator = LocalEvaluator(open_store(), workers=2)
    yield evaluator
    evaluator.close()


def with_pool(evaluator, pool):
    evaluator._pool = pool
    return evaluator


def timeless(evaluations):
    return [replace(evaluation, seconds=0.0) for evaluation in evaluations]


def pids(evaluator):
    return evaluator._pool.pids


def running(pid):
    try:
        state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]  # noqa: SIM115, PTH123
    except OSError:
        return False
    return state != "Z"


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def at_work(evaluator):
    """Wait for the workers to be there, with two children that are no other's."""
    evaluate(evaluator, SPECS[5:])


def leases_of(store):
    """The specs that somebody holds, which is whoever cannot claim them."""
    return [spec.key for spec in [*SPECS, *LONG] if store.get(spec.key) is None and not released(store, spec)]


def released(store, spec):
    mine = store.claim(spec.key).mine
    if mine:
        store.release(spec.key)
    return mine


@pytest.mark.parametrize("population", [1, 3])
@pytest.mark.slow
def test_workers_give_what_one_process_gives(pool, population):
    expected = evaluate(LocalEvaluator(population=population), SPECS)
    evaluator = with_pool(LocalEvaluator(workers=2, population=population), pool)
    assert timeless(evaluate(evaluator, SPECS)) == timeless(expected)
    assert evaluator.trained == len(SPECS)
    again = dict(stream(evaluator, SPECS[::-1]))
    assert [again[i] for i in reversed(range(len(SPECS)))] == evaluate(evaluator, SPECS)
    assert all(evaluation.looked_up for evaluation in again.values())
    assert evaluator.trained == len(SPECS)


def test_streamed_results_are_the_same_whatever_finishes_first(pool):
    expected = evaluate(LocalEvaluator(), SPECS * 2)
    found = dict(stream(with_pool(LocalEvaluator(workers=2), pool), SPECS * 2))
    assert timeless(found[i] for i in range(2 * len(SPECS))) == timeless(expected)


def test_every_result_is_in_the_store_before_its_future_is_done(evaluator, open_store):
    reader, seen = open_store(), []
    for spec, future in zip(SPECS, evaluator.submit(SPECS), strict=True):
        future.add_done_callback(lambda f, key=spec.key: seen.append(reader.get(key) == f.result()))
    wait(evaluator.submit(SPECS))
    until(lambda: len(seen) == len(SPECS))
    assert all(seen)
    rows = list(reader.evaluations())
    assert {row.key for row, _ in rows} == {spec.key for spec in SPECS}
    assert {spec for _, spec in rows} == set(SPECS)
    assert leases_of(reader) == []


def test_equal_specs_and_those_in_flight_share_one_training(evaluator):
    same = SPECS[0].with_decomposition(Decomposition.of(["rot90", "rot180"]))
    first = evaluator.submit([*FLYING, SPECS[0], FLYING[0], same])
    assert first[0] is first[3]
    assert first[2] is first[4]
    second = evaluator.submit([FLYING[1], FLYING[0], SPECS[1]])
    assert second[:2] == [first[1], first[0]]
    assert not first[0].cancel()
    wait([*first, *second])
    assert evaluator.trained == 4
    assert [f.result().looked_up for f in first + second] == [False] * 8
    assert evaluator._in_flight == {}


def test_a_single_spec_is_trained_here(open_store):
    evaluator = LocalEvaluator(open_store(), workers=2)
    (future,) = evaluator.submit(SPECS[:1])
    assert future.done()
    assert pids(evaluator) == set()
    evaluator.close()


def test_workers_keep_weights_where_they_belong(evaluator, tmp_path):
    expected = evaluate(LocalEvaluator(weights_folder=tmp_path / "here"), SPECS[:3], keep_weights=True)
    found = evaluate(evaluator, SPECS[:3], keep_weights=True)
    assert timeless(found) == timeless(expected)
    for evaluation in found:
        one, other = (tmp_path / folder / evaluation.weights for folder in ("here", "weights"))
        assert one.read_bytes() == other.read_bytes()


def test_weights_wanted_later_come_from_workers_too(evaluator):
    without = evaluate(evaluator, SPECS[:3])
    having = evaluate(evaluator, SPECS[:3], keep_weights=True)
    assert all(e.weights for e in having)
    assert [replace(e, weights=None) for e in having] == without


def test_an_error_in_a_worker_reaches_its_future_alone(evaluator, open_store):
    unknown = [replace(spec, data=DataSpec("digit")) for spec in SPECS[:2]]
    misfit = replace(SPEC, classes=9)
    good, *bad, wrong = evaluator.submit([SPECS[0], *unknown, misfit])
    for future in bad:
        with pytest.raises(DataError, match="did you mean 'digits'"):
            future.result()
    with pytest.raises(SpecError, match="classes is 9, but the data set has 10"):
        wrong.result()
    assert good.result().status == "ok"
    assert evaluator._in_flight == {}
    other = open_store()
    assert all(released(other, spec) for spec in [*unknown, misfit])
    # Nothing is remembered of an error.
    with pytest.raises(DataError, match="did you mean"):
        evaluate(evaluator, unknown)


def test_a_pickled_evaluator_has_workers_of_its_own(evaluator):
    known = evaluate(evaluator, SPECS)
    flying = evaluator.submit(FLYING)
    copy = pickle.loads(pickle.dumps(evaluator))  # noqa: S301 - our own bytes
    assert (copy.workers, copy.capacity, copy._in_flight, pids(copy)) == (2, 4, {}, set())
    assert evaluate(copy, SPECS) == known
    wait(flying)
    assert evaluate(copy, FLYING) == [future.result() for future in flying]
    assert copy.trained == len(SPECS)
    copy.close()


@pytest.mark.parametrize(("workers", "population", "capacity"), [(1, 1, 1), (1, 8, 8), (2, 1, 4), (2, 8, 32)])
def test_capacity_leaves_no_worker_without_work(workers, population, capacity):
    assert LocalEvaluator(workers=workers, population=population).capacity == capacity


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(own, open_store):
    expected = evaluate(LocalEvaluator(), LONG)
    at_work(own)
    futures = own.submit(LONG)
    before = pids(own)
    wait(futures, timeout=0.3)
    assert not any(future.done() for future in futures)
    os.kill(min(before), signal.SIGKILL)
    assert timeless(future.result(timeout=100) for future in futures) == timeless(expected)
    assert own.trained == len(LONG) + 2
    assert {row.key for row, _ in open_store().evaluations()} == {spec.key for spec in [*LONG, *SPECS[5:]]}
    assert leases_of(open_store()) == []
    assert not running(min(before))
    assert max(before) in pids(own)  # a worker that dies takes no other with it


@pytest.mark.slow
def test_a_worker_killed_twice_is_reported(own, open_store):
    hopeless = [replace(spec, training=TrainingSpec(epochs=10**7)) for spec in SPECS[:2]]
    futures = own.submit(hopeless)
    killed: set[int] = set()
    for _ in range(2):
        until(lambda: len(pids(own) - killed) == 2)  # noqa: B023 - it is called at once
        new = pids(own) - killed
        killed |= new
        for pid in new:
            os.kill(pid, signal.SIGKILL)
    for future in futures:
        with pytest.raises(WorkerError, match=r"died twice .*; use fewer workers or a smaller population"):
            future.result(timeout=100)
    assert isinstance(WorkerError(), AenError)
    assert all(released(open_store(), spec) for spec in hopeless)
    # The next children get new workers.
    assert timeless(evaluate(own, SPECS[:3])) == timeless(evaluate(LocalEvaluator(), SPECS[:3]))
    until(lambda: not any(running(pid) for pid in killed))


@pytest.mark.slow
def test_closing_ends_the_workers_and_gives_the_leases_back(own, open_store):
    at_work(own)
    futures = own.submit([replace(spec, training=TrainingSpec(epochs=10**7)) for spec in SPECS[:4]])
    wait(futures, timeout=0.3)
    before = pids(own)
    assert len(before) == 2
    started = time.monotonic()
    own.close()
    assert time.monotonic() - started < 20
    until(lambda: not any(running(pid) for pid in before))
    assert all(future.exception(timeout=10) is not None for future in futures)
    assert all(released(open_store(), replace(s, training=TrainingSpec(epochs=10**7))) for s in SPECS[:4])
    own.close()
    with pytest.raises(WorkerError, match="the evaluator is closed; make a new one"):
        evaluate(own, LONG)


def test_a_closed_pool_starts_nothing():
    pool = WorkerPool(2)
    pool.close()
    with pytest.raises(WorkerError, match="closed"):
        pool.start()
    assert isinstance(pool.submit([SPEC], {}).exception(), WorkerError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers is 0 and population 1; each must be at least 1"),
        ({"population": 0}, "workers is 1 and population 0; each must be at least 1"),
        ({"workers": 10_000}, "workers is 10000 with threads 1 each; this machine has .* cores"),
        ({"threads": 10_000}, "threads is 10000; this machine has .* cores"),
    ],
)
def test_what_the_machine_has_not_is_refused(options, message):
    with pytest.raises(SpecError, match=message):
        LocalEvaluator(**options)


def test_what_each_worker_trains_is_known():
    seen = []
    with closing(LocalEvaluator(workers=2)) as evaluator:
        assert evaluator.activity().in_training == ()
        futures = evaluator.submit(FLYING)
        while not all(future.done() for future in futures):
            seen += [each for each in evaluator.activity().in_training if each.child is not None]
        assert [each.child for each in evaluator.activity().in_training] == [None, None]
    assert {each.child for each in seen} == {spec.name for spec in FLYING}
    assert {each.worker for each in seen} == {"worker-0", "worker-1"}
    assert all(each.children == 1 and each.seconds >= 0 for each in seen)


def test_what_this_process_trains_is_known(monkeypatch):
    seen = []
    with closing(LocalEvaluator()) as evaluator:
        monkeypatch.setattr(
            local,
            "train",
            lambda *given, **more: seen.extend(evaluator.activity().in_training) or train(*given, **more),
        )
        evaluate(evaluator, SPECS[:2])
        assert [each.child for each in evaluator.activity().in_training] == [None]
    assert [(each.worker, each.child) for each in seen] == [("this process", spec.name) for spec in SPECS[:2]]
