"""Faults on a real Ray, caused for real: what took too long, died, lacked memory or raised an error, and who else."""

import os
import signal
import time
from concurrent.futures import wait
from dataclasses import replace

import pytest
from helpers.ray_trainers import SPEC, LittleMemory, specs, until

from aen.children import EquiNASSpec, TrainingSpec
from aen.errors import AenError
from aen.evaluators import evaluate
from aen.evaluators.processes import WorkerError
from aen_agents.evaluators.ray.resources import ClusterResources


def failure(evaluation):
    assert evaluation.status == "failed"
    assert evaluation.validation_accuracy == evaluation.train_accuracy == 0
    return evaluation.record["failure"]


def statuses(store):
    """The status of each stored evaluation, by seed."""
    return {evaluation.seed: evaluation.status for evaluation, _ in store.evaluations()}


class TestTimeout:
    @pytest.mark.slow
    def test_who_sleeps_fails_and_the_others_are_trained_once(self, make, acting, open_store, told):
        store, trainer = open_store(), acting({3: ("sleep", 60), 7: ("sleep", 60)})
        evaluator = make(trainer, store=store, timeout=0.5)
        started = time.monotonic()
        evaluations = evaluate(evaluator, specs(40))
        assert time.monotonic() - started < 30
        assert [e.seed for e in evaluations if e.status == "failed"] == [3, 7]
        for slow in (evaluations[3], evaluations[7]):
            assert failure(slow)["kind"] == "timeout"
            assert "longer than evaluator.timeout, 0.5 s" in failure(slow)["traceback"]
            assert 0.5 <= slow.seconds < 20
        assert statuses(store) == {seed: "failed" if seed in (3, 7) else "ok" for seed in range(40)}
        assert evaluator.trained == 40
        assert evaluator.activity().failed == 2
        # A worker was ended for each, and others took their places.
        assert len(told.workers(what="lost")) >= 2
        assert len({e.worker for e in told.workers(what="started")}) >= 3

    @pytest.mark.slow
    def test_who_came_in_one_call_with_who_sleeps_is_trained_all_the_same(self, make, acting, told):
        trainer = acting({110: ("sleep", 60)})
        evaluator = make(trainer, workers=1, timeout=1)
        evaluate(evaluator, specs(50))  # so quick that many go together from now on
        evaluations = evaluate(evaluator, specs(30, first=100))
        assert [e.seed for e in evaluations if e.status == "failed"] == [110]
        assert [e.key for e in told.children(what="requeued", status="timeout")]  # they were together
        assert failure(evaluations[10])["kind"] == "timeout"

    @pytest.mark.slow
    def test_a_population_has_the_time_of_all_its_children_and_is_cut_when_that_is_over(self, make, acting):
        trainer = acting({2: ("sleep", 30)}, each=("sleep", 0.2))
        evaluations = evaluate(make(trainer, workers=2, population=4, timeout=0.4), specs(8))
        assert [e.status for e in evaluations] == ["ok"] * 2 + ["failed"] + ["ok"] * 5
        assert [e.population for e in evaluations] == [1] * 4 + [4] * 4
        assert failure(evaluations[2])["kind"] == "timeout"


class TestDeath:
    @pytest.mark.slow
    def test_no_more_workers_start_at_a_time_than_there_are_cores(self, make, acting, told, monkeypatch):
        monkeypatch.setattr(ClusterResources, "cores", 1)
        evaluator = make(acting(each=("sleep", 0.1)), workers=3)
        workers, starting = evaluator._dispatcher._workers, []
        start_missing = workers.start_missing

        def note():
            start_missing()
            starting.append(len(workers._starting))

        monkeypatch.setattr(workers, "start_missing", note)
        evaluator.start()
        until(lambda: evaluator.activity().workers == 3)
        for pid in told.pids().values():
            os.kill(pid, signal.SIGKILL)
        assert [e.status for e in evaluate(evaluator, specs(6))] == ["ok"] * 6
        until(lambda: evaluator.activity().workers == 3)
        assert len(set(told.pids().values())) == 6
        assert max(starting) == 1

    def test_a_worker_killed_in_mid_training_costs_no_result(self, make, acting, open_store, told):
        store, trainer = open_store(), acting(each=("sleep", 0.3))
        evaluator = make(trainer, store=store)
        futures = evaluator.submit(specs(12))
        until(trainer.tries)
        (victim,) = {note["pid"] for note in trainer.tries()[:1]}
        os.kill(victim, signal.SIGKILL)
        assert [future.result().status for future in futures] == ["ok"] * 12
        assert statuses(store) == dict.fromkeys(range(12), "ok")
        assert len(trainer.tried()) == 13
        (lost,) = told.workers(what="lost")
        assert told.pids()[lost.worker] == victim
        assert lost.detail.startswith("The actor is dead because its worker process has died")
        again = told.children(what="requeued")
        assert {(event.status, event.worker) for event in again} == {("died", lost.worker)}
        assert len(again) in (1, 2)  # what it was training, and what it had been given ahead
        until(lambda: evaluator.activity().workers == 2)

    @pytest.mark.slow
    def test_whoever_always_kills_its_worker_fails_and_nobody_else(self, make, acting, open_store):
        store, trainer = open_store(), acting({2: ("die",)}, each=("sleep", 0.5))  # so slow that each has its own call
        evaluations = evaluate(make(trainer, store=store, retries=2), specs(5))
        assert [e.status for e in evaluations] == ["ok", "ok", "failed", "ok", "ok"]
        said = failure(evaluations[2])
        assert (said["kind"], said["tries"]) == ("died", 3)
        assert "The actor died unexpectedly" in said["traceback"]
        assert "\x1b" not in said["traceback"]
        assert trainer.tried().count(2) == 3
        assert [trainer.tried().count(seed) for seed in (0, 1, 3, 4)] == [1] * 4
        assert store.get(evaluations[2].key) == evaluations[2]

    @pytest.mark.slow
    def test_without_retries_whoever_was_with_a_killer_is_not_blamed(self, make, acting):
        evaluator = make(acting({110: ("die",)}), workers=1, retries=0)
        evaluate(evaluator, specs(50))
        evaluations = evaluate(evaluator, specs(30, first=100))
        assert [e.seed for e in evaluations if e.status == "failed"] == [110]

    @pytest.mark.slow
    def test_a_killer_behind_an_innocent_is_found_out(self, make, acting):
        trainer = acting({110: ("die",), 113: ("die",)})
        evaluator = make(trainer, workers=2, retries=0)
        evaluate(evaluator, specs(50))
        evaluations = evaluate(evaluator, specs(400, first=100))
        assert [e.seed for e in evaluations if e.status == "failed"] == [110, 113]

    @pytest.mark.slow
    def test_in_a_population_only_the_killer_fails(self, make, acting):
        evaluations = evaluate(make(acting({2: ("die",)}), population=4, retries=0), specs(4))
        assert [e.seed for e in evaluations if e.status == "failed"] == [2]
        assert [e.population for e in evaluations] == [2, 2, 1, 1]

    @pytest.mark.slow
    def test_a_worker_that_leaves_by_itself_is_a_death_too(self, make, acting):
        (evaluation,) = evaluate(make(acting({0: ("leave",)}), workers=1, retries=0), specs(1))
        assert failure(evaluation)["kind"] == "died"

    @pytest.mark.slow
    def test_random_deaths_lose_nothing(self, make, acting, open_store, told):
        store, trainer = open_store(), acting(each=("die_sometimes", 0.05))
        evaluations = evaluate(make(trainer, store=store, workers=8, retries=10), specs(200))
        assert [e.seed for e in evaluations] == list(range(200))
        assert statuses(store) == dict.fromkeys(range(200), "ok")
        assert told.workers(what="lost")
        finished = [e.key for e in told.children(what="finished")]
        assert sorted(finished) == sorted(spec.key for spec in specs(200))


class TestMemory:
    def test_first_the_population_then_the_batch_is_halved(self, make, acting, told):
        trainer = acting({0: ("exhaust", 2, 1), 8: ("exhaust", 1, 4)})
        evaluations = evaluate(make(trainer, population=8), specs(16))
        assert [e.status for e in evaluations] == ["ok"] * 16
        # Who has the others' trouble follows it down to where there is none.
        assert [e.population for e in evaluations] == [
            *(2, 2),
            *(2, 2),
            *(4, 4, 4, 4),
            *(1, 1, 2, 2),
            *(4, 4, 4, 4),
        ]
        assert [e.record["parts"] for e in evaluations] == [1] * 8 + [4] + [1] * 7
        assert {e.key for e in told.children(what="requeued", status="out_of_memory")} == {
            spec.key for spec in specs(16)
        }

    @pytest.mark.slow
    def test_what_never_fits_fails(self, make, acting):
        trainer = acting({1: ("exhaust", 0, 0), 2: ("exhaust_torch",)})
        evaluations = evaluate(make(trainer), specs(3))
        assert evaluations[0].status == "ok"
        for evaluation in evaluations[1:]:
            assert failure(evaluation)["kind"] == "out_of_memory"
            assert failure(evaluation)["tries"] == 4
        assert "MemoryError" in failure(evaluations[1])["traceback"]
        assert "RuntimeError" in failure(evaluations[2])["traceback"]  # which is how torch says it
        assert sorted(n["parts"] for n in trainer.tries() if n["seed"] == 1) == [1, 2, 4, 8]

    @pytest.mark.slow
    def test_want_of_memory_takes_no_retries(self, make, acting):
        (evaluation,) = evaluate(make(acting({0: ("exhaust_then_die_once", 8)}), retries=1), specs(1))
        assert evaluation.status == "ok"
        assert evaluation.record["parts"] == 8

    @pytest.mark.slow
    def test_a_batch_too_large_for_the_process_is_trained_in_parts(self, make):
        # In one part it takes 920 MiB more than the process has when it is warm, in eight 260.
        data, training = replace(SPEC.data, train=1500), TrainingSpec(epochs=1, batch_size=1500)
        big = EquiNASSpec(data=data, side=8, width=12, kernel_size=3, dense=8, training=training)
        (evaluation,) = evaluate(make(LittleMemory(mebibytes=600), workers=1), [big])
        assert evaluation.status == "ok"
        assert evaluation.record["parts"] > 1


class TestError:
    def test_an_error_is_tried_again_on_another_worker(self, make, acting, told):
        trainer = acting({0: ("fail_once",)})
        evaluator = make(trainer)
        evaluator.start()
        until(lambda: evaluator.activity().workers == 2)
        (evaluation,) = evaluate(evaluator, specs(1))
        assert evaluation.status == "ok"
        first, second = trainer.tries()
        assert first["pid"] != second["pid"]
        (again,) = told.children(what="requeued")
        assert (again.status, again.detail) == ("error", "ZeroDivisionError: no luck with 0")
        assert not told.workers(what="lost")

    @pytest.mark.slow  # as is the error below that stays
    def test_with_one_worker_it_is_tried_again_there(self, make, acting):
        assert evaluate(make(acting({0: ("fail_once",)}), workers=1), specs(1))[0].status == "ok"

    def test_an_error_that_stays_fails_with_its_traceback_in_the_store(self, make, acting, open_store):
        store, trainer = open_store(), acting({2: ("fail",)})
        evaluations = evaluate(make(trainer, store=store, workers=1, retries=1), specs(4))
        stored = store.get(evaluations[2].key)
        said = failure(stored)
        assert (said["kind"], said["tries"]) == ("error", 2)
        assert said["traceback"].startswith("Traceback")
        assert said["traceback"].endswith("ZeroDivisionError: no luck with 2\n")
        assert statuses(store) == {0: "ok", 1: "ok", 2: "failed", 3: "ok"}
        again = evaluate(make(trainer, store=open_store(), workers=1), specs(4))
        assert again[2] == stored
        assert again[2].looked_up
        assert trainer.tried() == [0, 1, 2, 2, 3]

    def test_what_no_worker_could_train_is_not_tried_again(self, make, acting):
        trainer = acting({1: ("refuse",)})
        evaluations = evaluate(make(trainer, workers=1), specs(3))
        assert (failure(evaluations[1])["kind"], failure(evaluations[1])["tries"]) == ("error", 1)
        assert trainer.tried() == [0, 1, 2]

    @pytest.mark.parametrize("what", ["fail", pytest.param("refuse", marks=pytest.mark.slow)])
    def test_in_a_population_only_the_one_at_fault_fails(self, make, acting, what):
        evaluations = evaluate(make(acting({3: (what,)}), workers=1, population=4), specs(4))
        assert [e.status for e in evaluations] == ["ok", "ok", "ok", "failed"]

    def test_when_all_of_the_first_children_fail_the_search_ends(self, make, acting, open_store):
        store = open_store()
        evaluator = make(acting(each=("fail",)), store=store, workers=1, retries=0)
        futures = evaluator.submit(specs(2000))
        wait(futures)
        errors = [future.exception() for future in futures if future.exception()]
        assert errors  # how many failed before that was heard of depends on the machine
        message = r"each of the first \d+ children failed; the last one: ZeroDivisionError: no luck with \d+$"
        with pytest.raises(WorkerError, match=message):
            raise errors[0]
        with pytest.raises(WorkerError, match="each of the first"):
            evaluator.submit(specs(1, first=9000))
        assert store.count("failed") == len(futures) - len(errors) >= 10

    def test_some_that_fail_first_do_not_end_it(self, make, acting):
        trainer = acting(dict.fromkeys(range(9), ("refuse",)))
        evaluations = evaluate(make(trainer, workers=1), specs(12))
        assert [e.status for e in evaluations] == ["failed"] * 9 + ["ok"] * 3


class TestStart:
    def test_workers_that_never_start_end_the_search_and_say_why(self, make, acting, monkeypatch):
        monkeypatch.setattr("aen_agents.evaluators.ray.workers.START_TRIES", 1)
        evaluator = make(acting(warmth=("fail",)), workers=1)
        (future,) = evaluator.submit(specs(1))
        with pytest.raises(WorkerError, match="workers cannot be started; the last one failed with: ZeroDivisionError"):
            future.result(timeout=60)

    def test_workers_that_start_at_the_second_try_are_enough(self, make, acting, told):
        assert evaluate(make(acting(warmth=("fail_once",)), workers=1), specs(2))[1].status == "ok"
        (lost,) = told.workers(what="lost")
        assert lost.detail == "it did not start: ZeroDivisionError: no luck with None"

    def test_a_worker_with_other_sources_is_refused_with_both_versions(self, make, acting):
        evaluator = make(acting(warmth=("be_of_other_sources",)), workers=1)
        (future,) = evaluator.submit(specs(1))
        with pytest.raises(AenError, match=r"runs aen [\d.]+ \(0{8}\), .*this search aen [\d.]+ \([0-9a-f]{8}\), Py"):
            future.result(timeout=60)


class TestGPUs:
    @pytest.mark.slow
    def test_half_a_gpu_each_puts_two_workers_on_every_gpu_and_each_sees_its_own(self, make, acting, told):
        trainer = acting(each=("sleep", 0.2))
        evaluator = make(trainer, workers=8, gpus_per_worker=0.5)
        evaluator.start()
        until(lambda: evaluator.activity().workers == 8)
        evaluate(evaluator, specs(32))
        seen = {note["pid"]: note["devices"] for note in trainer.tries()}
        assert sorted(seen.values()) == ["0", "0", "1", "1", "2", "2", "3", "3"]
        assert {int(e.detail.partition(",")[0].removeprefix("pid ")): e.detail[-1] for e in told.workers()} == seen
