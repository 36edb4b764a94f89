"""Children trained by Ray's actors: the same results as in this process, each training once, whoever asks."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
import torch
from helpers.ray_trainers import DATA, SPEC, specs, until
from safetensors.torch import load_file

from aen.children import EquiNASSpec, TrainingSpec
from aen.errors import DataError, SpecError, StoreError
from aen.evaluators import Evaluator, LocalEvaluator, evaluate, stream
from aen.evaluators.processes import WorkerError
from aen.groups import Decomposition
from aen.results.store import ResultStore

CHILDREN = [
    SPEC.with_seed(seed).with_decomposition(Decomposition.of(factors))
    for seed, factors in enumerate([["rot90"], [], ["hflip", "vflip"], ["hflip"], ["transpose"]])
]
FIRST = EquiNASSpec(
    data=DATA, side=8, width=1, kernel_size=3, dense=8, head_group="C2", training=TrainingSpec(epochs=0.5)
)


def timeless(evaluations):
    return [replace(evaluation, seconds=0.0) for evaluation in evaluations]


class TestResults:
    """Children trained for real, by a worker that all of these tests share: it takes seconds to import torch."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        return tmp_path_factory.mktemp("weights")

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls, cluster, folder):
        from aen_agents.evaluators.ray.evaluator import RayEvaluator

        assert cluster.is_initialized()
        evaluator = RayEvaluator(workers=1, cpus_per_worker=0.5, weights_folder=folder / "shared")
        yield evaluator
        evaluator.close()

    @pytest.fixture(params=["a folder that both see", "files that travel"])
    def real(self, shared, request, folder):
        """The evaluator as if it were new."""
        evaluate(shared, [SPEC.with_seed(1000)])  # it has started
        name = request.param.replace(" ", "-")
        shared.weights_folder = folder / name
        builder = shared._dispatcher._request_builder
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(builder, "_folder", folder / name)
            patch.setattr(builder, "_node", builder._node if request.param.startswith("a folder") else None)
            patch.setattr(shared._cache, "_known", {})
            yield shared

    @pytest.fixture
    def stored(self, shared, open_store, monkeypatch):
        """A store that the evaluator has for one test."""
        store = open_store()
        monkeypatch.setattr(shared._cache, "store", store)
        return store

    @pytest.mark.parametrize("population", [1, 2])
    def test_they_are_those_of_a_local_evaluator_bit_for_bit(self, shared, population, monkeypatch):
        monkeypatch.setattr(shared._cache, "_known", {})
        monkeypatch.setattr(shared, "population", population)
        expected = evaluate(LocalEvaluator(population=population), CHILDREN)
        assert timeless(evaluate(shared, CHILDREN)) == timeless(expected)
        assert [e.population for e in expected] == [population] * len(CHILDREN)

    @pytest.mark.slow
    def test_children_go_on_from_their_parents_weights_as_they_do_here(self, real, tmp_path):
        local = LocalEvaluator(weights_folder=tmp_path)
        found, expected = [], []
        for evaluator, results in ((real, found), (local, expected)):
            (parent,) = evaluate(evaluator, [FIRST], keep_weights=True)
            grown = replace(FIRST, groups=("C4",) * 7 + ("C2",))
            (child,) = evaluate(evaluator, [replace(grown, parent=parent.key)], keep_weights=True)
            results += [parent, child, *evaluate(evaluator, [replace(grown, parent=child.key, seed=3)])]
        assert timeless(found) == timeless(expected)
        assert [e.weights is None for e in found] == [False, False, True]
        for name in (found[0].weights, found[1].weights):
            here, there = (load_file(folder / name) for folder in (tmp_path, real.weights_folder))
            assert here.keys() == there.keys()
            assert all(torch.equal(here[part], there[part]) for part in here)
        assert sorted(f.name for f in real.weights_folder.iterdir()) == sorted(f.name for f in tmp_path.iterdir())

    def test_weights_that_are_wanted_later_are_trained_for_and_the_first_result_stays(self, real):
        (first,) = evaluate(real, CHILDREN[:1])
        (again,) = evaluate(real, CHILDREN[:1], keep_weights=True)
        assert first.weights is None
        assert again == replace(first, weights=f"{first.key}.safetensors")
        assert (real.weights_folder / again.weights).is_file()
        (known,) = evaluate(real, CHILDREN[:1], keep_weights=True)
        assert known == again
        assert known.looked_up

    def test_weights_that_are_wanted_of_a_child_in_flight_come(self, real):
        long = replace(SPEC, training=TrainingSpec(epochs=200))
        (plain,) = real.submit([long])
        kept = [real.submit([long], keep_weights=True)[0] for _ in range(2)]
        assert not plain.done()
        for future in kept:
            assert (real.weights_folder / future.result().weights).is_file()
        assert plain.result().weights is None

    @pytest.mark.usefixtures("stored")
    def test_weights_that_another_process_did_not_keep_are_trained_for(self, real, open_store):
        other = open_store()
        other.claim(SPEC.key)
        (mine,) = real.submit([SPEC], keep_weights=True)
        (first,) = evaluate(LocalEvaluator(), [SPEC])
        other.commit(first, SPEC)
        assert mine.result(timeout=60) == replace(first, weights=f"{SPEC.key}.safetensors")

    def test_divergence_is_a_result(self, shared, stored):
        wild = replace(SPEC, training=TrainingSpec(epochs=3, learning_rate=1e30))
        (evaluation,) = evaluate(shared, [wild])
        assert evaluation.status == "diverged"
        assert evaluation.validation_accuracy == 0
        assert stored.get(wild.key) == evaluation


def test_it_is_an_evaluator_and_results_come_in_the_order_in_which_they_finish(make, acting):
    evaluator = make(acting({0: ("sleep", 1.5), 1: ("sleep", 0.7)}), workers=3)
    assert isinstance(evaluator, Evaluator)
    evaluator.start()
    until(lambda: evaluator.activity().workers == 3)
    assert [place for place, _ in stream(evaluator, specs(3))] == [2, 1, 0]


@pytest.mark.slow
def test_one_that_is_slow_does_not_hold_up_those_that_were_given_with_it(make, acting, monkeypatch, told):
    monkeypatch.setattr("aen_agents.evaluators.ray.faults.HELD_UP_SECONDS", 1.0)
    trainer = acting({110: ("sleep", 4)})
    evaluator = make(trainer)
    evaluate(evaluator, specs(50))  # so quick that many go together from now on
    order = [place for place, _ in stream(evaluator, specs(60, first=100))]
    assert order[-1] == 10
    assert trainer.tried().count(110) == 2
    finished = [event.key for event in told.children(what="finished")]
    assert len(finished) == len(set(finished)) == 110
    assert "delayed others" in told.workers(what="lost")[0].detail


def test_a_stream_of_many_comes_whole_and_is_in_the_store(make, acting, open_store):
    store, trainer = open_store(), acting()
    evaluator = make(trainer, store=store)
    found = dict(stream(evaluator, specs(1500)))
    assert [found[place].key for place in range(1500)] == [spec.key for spec in specs(1500)]
    assert store.count("ok") == evaluator.trained == len(trainer.tried()) == 1500
    activity = evaluator.activity()
    assert (activity.running, activity.waiting, activity.failed) == (0, 0, 0)
    until(lambda: evaluator.activity().workers == 2)  # one may still be starting: these children take no time


def test_activity_counts_children_and_not_places(make, acting):
    evaluator = make(acting(each=("sleep", 0.5)), workers=2, population=8)
    evaluator.submit(specs(11))
    seen = set()
    until(lambda: seen.add((evaluator.activity().running, evaluator.activity().waiting)) or (11, 0) in seen)
    assert all(0 <= running <= 11 and 0 <= waiting <= 11 for running, waiting in seen)


class TestOnce:
    def test_equal_specs_and_stored_ones_and_those_in_flight_are_trained_once(self, make, acting, open_store):
        store, trainer = open_store(), acting(each=("sleep", 0.3))
        evaluator = make(trainer, store=store, workers=1)
        one = evaluator.submit([*specs(4), *specs(4)])
        two = evaluator.submit(specs(5))
        assert one[:4] == one[4:] == two[:4]
        wait(one + two)
        assert not any(future.result().looked_up for future in one + two)
        assert all(e.looked_up for e in evaluate(evaluator, specs(5)))
        assert trainer.tried() == list(range(5))
        other = make(trainer, store=open_store(), workers=1)
        assert all(e.looked_up for e in evaluate(other, specs(5)))
        assert trainer.tried() == list(range(5))
        assert other.trained == 0

    def test_asked_from_several_threads_at_once_everything_is_trained_once(self, make, acting, open_store):
        trainer = acting()
        evaluator = make(trainer, store=open_store())
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(evaluate, evaluator, specs(60, first=10 * i)) for i in range(8)]
        for i, one in enumerate(asked):
            assert [e.key for e in one.result()] == [spec.key for spec in specs(60, first=10 * i)]
        assert trainer.tried() == list(range(130))

    def test_who_is_told_of_a_result_finds_it_in_the_store_and_may_ask_for_more(self, make, acting, open_store):
        reader, seen, more = open_store(), [], []
        evaluator = make(acting(), store=open_store(), workers=1)

        def told(future):
            seen.append(reader.get(future.result().key) == future.result())
            more.extend(evaluator.submit(specs(1, first=100 + len(seen))))

        for future in evaluator.submit(specs(8)):
            future.add_done_callback(told)
        until(lambda: len(more) == 8)
        wait(more)
        assert seen == [True] * 8

    @pytest.mark.slow
    def test_two_evaluators_of_one_store_share_the_work(self, make, acting, open_store):
        trainer = acting(each=("sleep", 0.05))
        two = [make(trainer, store=open_store(), workers=1) for _ in range(2)]
        futures = [evaluator.submit(specs(30)[::step]) for evaluator, step in zip(two, (1, -1), strict=True)]
        found = [[future.result().key for future in some] for some in futures]
        assert found[0] == found[1][::-1]
        assert trainer.tried() == list(range(30))

    def test_what_another_process_trains_is_waited_for_until_it_is_there(self, make, acting, open_store):
        other, trainer = open_store(), acting()
        assert other.claim(specs(1)[0].key).mine
        mine, free = make(trainer, store=open_store(), workers=1).submit(specs(2))
        assert free.result(timeout=60).status == "ok"
        time.sleep(1)
        assert not mine.done()
        (expected,) = evaluate(LocalEvaluator(), specs(1))
        other.commit(expected, specs(1)[0])
        assert mine.result(timeout=20) == expected
        assert mine.result().looked_up
        assert trainer.tried() == [1]

    @pytest.mark.slow
    def test_what_another_process_gives_back_is_trained(self, make, acting, open_store):
        other = open_store()
        other.claim(specs(1)[0].key)
        (mine,) = make(acting(), store=open_store()).submit(specs(1))
        other.release(specs(1)[0].key)
        assert not mine.result(timeout=30).looked_up

    @pytest.mark.slow
    def test_the_lease_of_a_process_that_was_killed_is_taken_over(self, make, acting, tmp_path, open_store):
        store, key = tmp_path / "results.sqlite", specs(1)[0].key
        code = (
            f"import time; from aen.results.store import ResultStore as R; print(R({str(store)!r}).claim({key!r}).mine)"
        )
        command = [sys.executable, "-u", "-c", f"{code}; time.sleep(60)"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "True\n"
            (mine,) = make(acting(), store=open_store()).submit(specs(1))
            time.sleep(1)
            assert not mine.done()
            process.kill()
        assert mine.result(timeout=30).status == "ok"


class TestEnd:
    def test_closing_in_the_midst_ends_workers_and_futures_and_gives_leases_back(self, make, acting, open_store, told):
        trainer = acting({0: ("nothing",)}, each=("sleep", 60))
        evaluator, reader = make(trainer, store=open_store()), open_store()
        first, *others = evaluator.submit(specs(10))
        first.result()
        until(lambda: len(trainer.tries()) >= 2)
        started = time.monotonic()
        evaluator.close()
        assert time.monotonic() - started < 10
        for future in others:
            with pytest.raises(WorkerError, match="the evaluator was closed before this child was trained"):
                future.result(timeout=0)
        assert reader.count() == 1
        assert all(reader.claim(spec.key).mine for spec in specs(10)[1:])
        evaluator.close()
        with pytest.raises(WorkerError, match="the evaluator is closed; make a new one"):
            evaluator.submit(specs(1))
        assert not [t for t in threading.enumerate() if t.name.startswith("aen-") and t.name != "aen-lease-heartbeat"]
        assert told.pids()

    def test_closing_ends_the_wait_for_another_process(self, make, acting, open_store):
        other = open_store()
        other.claim(specs(1)[0].key)
        evaluator = make(acting(), store=open_store(), workers=1)
        (future,) = evaluator.submit(specs(1))
        evaluator.close()
        assert isinstance(future.exception(timeout=0), WorkerError)
        assert open_store().claim(specs(1)[0].key) == other.claim(specs(1)[0].key)  # it is still the other's

    def test_one_that_never_worked_is_closed_too(self, make, acting, open_store):
        evaluator = make(acting(), store=open_store())
        evaluator.close()
        evaluator.close()
        with pytest.raises(WorkerError, match="closed"):
            evaluator.submit(specs(1))
        evaluator.start()
        assert not [t for t in threading.enumerate() if t.name.startswith("aen-")]

    def test_a_store_that_is_full_ends_it_and_keeps_what_it_has(self, make, acting, open_store):
        store, reader = open_store(), open_store()
        evaluator = make(acting(each=("sleep", 0.02)), store=store, workers=1)
        assert len(evaluate(evaluator, specs(20))) == 20
        futures = evaluator.submit(specs(400, first=100))
        fill(store)
        wait(futures, timeout=60)
        errors = [future.exception(timeout=0) for future in futures]
        assert {type(error) for error in errors if error} == {StoreError}
        with pytest.raises(StoreError, match="full"):
            futures[-1].result()
        stored = {evaluation.key for evaluation, _ in reader.evaluations()}
        told = {f.result().key for f, error in zip(futures, errors, strict=True) if error is None}
        assert {spec.key for spec in specs(20)} | told == stored
        with pytest.raises(StoreError, match="full"):
            evaluator.submit(specs(1, first=9000))
        evaluator.close()
        assert ResultStore(store.where).count() == len(stored)

    def test_a_data_set_that_is_not_there_is_said(self, make, acting, tmp_path, monkeypatch):
        monkeypatch.setenv("AEN_DATA", str(tmp_path))
        trainer = acting()
        trainer.needs_data = True
        (future,) = make(trainer, workers=1).submit([replace(SPEC, data=replace(DATA, name="mnist"), grids=(28, 4))])
        with pytest.raises(DataError, match="mnist"):
            future.result(timeout=60)


def fill(store):
    """Let the disk be full, as far as the store's database can tell: it may not grow."""
    import sqlalchemy as sa

    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
    sa.event.listen(
        store._engine, "checkout", lambda raw, *_: raw.execute(f"pragma max_page_count = {pages}").fetchone()
    )


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"workers": 0}, "workers is 0; it must be above 0"),
            ({"population": -1}, "population is -1"),
            ({"cpus_per_worker": float("nan")}, "cpus_per_worker is nan"),
            ({"timeout": 0}, "timeout is 0"),
            ({"retries": -1}, "retries -1; neither may be negative"),
            ({"gpus_per_worker": -0.5}, "gpus_per_worker is -0.5"),
            ({"gpus_per_worker": 1.5}, "gpus_per_worker is 1.5; .* a fraction below 1 or a whole number"),
            (
                {"workers": 17},
                "^too few cores: .* is 17, each with 0.5 cores; the cluster has 8 .* and 4 GPUs on 1 machine, .* 16",
            ),
            (
                {"workers": 5, "gpus_per_worker": 1},
                "^too few GPUs: .* is 5, each with 1 GPU and 0.5 cores; .* room for 4",
            ),
            ({"workers": 13, "gpus_per_worker": 0.3}, "^too few GPUs: .* is 13, .* room for 12. .* .evaluator.gpus"),
            ({"workers": None, "gpus_per_worker": 5}, "^too few GPUs: .* is null, each with 5 GPUs and .*for 0"),
            ({"workers": 1, "cpus_per_worker": 9}, "^too few cores: .* 9 cores; .* room for 0. .* .evaluator.cpus"),
        ],
    )
    def test_what_cannot_be_is_said_at_once(self, make, acting, options, message):
        from aen.errors import AenError

        started = time.monotonic()
        with pytest.raises(AenError, match=message):
            make(acting(), **options)
        assert time.monotonic() - started < 2

    def test_without_a_number_there_are_as_many_workers_as_there_is_room_for(self, make, acting):
        assert make(acting(), workers=None, cpus_per_worker=3).workers == 2
        assert make(acting(), workers=None, cpus_per_worker=0.1, gpus_per_worker=2).workers == 2

    def test_weights_need_a_folder(self, make, acting):
        with pytest.raises(SpecError, match="keep_weights needs an evaluator with a weights_folder"):
            make(acting()).submit(specs(1), keep_weights=True)
