"""Children of remote clients are trained by a job on a Ray cluster, with the results of a LocalEvaluator."""

import os
import secrets
import shlex
import signal
import threading
import time
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from helpers.dashboard_clusters import NEEDS_DASHBOARD, cluster
from helpers.services import serving

from aen.children import DenseSpec, TrainingSpec
from aen.children.spec import ChildSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator, evaluate
from aen.evaluators.processes import WorkerError
from aen.results.store import ResultStore
from aen_service import RemoteEvaluator
from aen_service.errors import UnavailableError
from aen_service.rewards import ray_job_evaluator
from aen_service.rewards.exchange import Answer, Exchange
from aen_service.rewards.ray_job_evaluator import RayJobEvaluator
from aen_service.rewards.ray_trainer import Trainer
from aen_service.rewards.ray_trainer import main as trainer_main

CHILD = DenseSpec(data=DataSpec(train=60, validation=60, test=60), grids=(8, 4), training=TrainingSpec(epochs=1))
CHILDREN = [CHILD.with_seed(seed) for seed in range(4)]
TRAINER = "aen_service.rewards.ray_trainer"


def outcome(evaluation):
    kept = asdict(evaluation)
    for name in ("seconds", "looked_up", "weights"):
        kept.pop(name)
    return kept


class ThreadJobs:
    """Runs each job as a thread: the trainer's own loop with a `LocalEvaluator`, or a function of `behave`."""

    address = "http://cluster:8265"

    def __init__(self):
        self.threads, self.exchanges, self.away = {}, [], False
        self.behave = [self.train]
        self.idle_seconds = 60.0

    def check(self):
        if self.away:
            raise UnavailableError("cannot connect to Ray.")

    def submit(self, name, entrypoint, *, environment, metadata):
        assert "RAY_JOB_STOP_WAIT_TIME_S" in environment
        assert metadata["name"]
        words = shlex.split(entrypoint)
        assert words[:4] == ["python", "-P", "-m", TRAINER]
        behave = self.behave.pop(0) if len(self.behave) > 1 else self.behave[0]
        self.exchanges.append(Exchange(Path(words[4])))
        self.threads[name] = threading.Thread(target=behave, args=words[4:])
        self.threads[name].start()

    def train(self, folder, store, weights, _workers):
        exchange = Exchange(Path(folder))
        with closing(LocalEvaluator(ResultStore(store), weights_folder=Path(weights))) as evaluator:
            try:
                Trainer(exchange, evaluator, idle_seconds=self.idle_seconds).run()
            except FileNotFoundError:
                return
        if exchange.heartbeat() is not None:
            exchange.end(None)

    def die(self, *_):
        pass

    def is_alive(self, name):
        self.check()
        return self.threads[name].is_alive()

    def message(self, _name):
        return "no module named aen_service"

    def stop(self, name):
        return name in self.threads


@pytest.fixture
def jobs():
    made = ThreadJobs()
    yield made
    for thread in made.threads.values():
        thread.join(60)
        assert not thread.is_alive(), "a job ends with its evaluator"


@pytest.fixture
def made(tmp_path, jobs, monkeypatch):
    for name in ("POLL_SECONDS", "CHECK_SECONDS"):
        monkeypatch.setattr(ray_job_evaluator, name, 0.01)
    kept = []
    with closing(
        RayJobEvaluator(
            jobs, tmp_path / "jobs", store=tmp_path / "s.sqlite", weights_folder=tmp_path / "w", kept=kept.append
        )
    ) as evaluator:
        evaluator.keys_kept = kept
        yield evaluator
    assert not (tmp_path / "jobs").exists()


def test_results_are_those_of_a_local_evaluator(made, jobs, tmp_path):
    found = evaluate(made, CHILDREN)
    assert list(map(outcome, found)) == list(map(outcome, evaluate(LocalEvaluator(), CHILDREN)))
    assert (made.trained, made.activity().waiting, len(jobs.threads)) == (4, 0, 1)
    (kept,) = evaluate(made, [CHILD.with_seed(9)], keep_weights=True)
    assert (tmp_path / "w" / str(kept.weights)).is_file()
    assert made.keys_kept == [kept.key]
    again = evaluate(made, CHILDREN)
    assert all(each.looked_up for each in again)
    assert made.trained == 5
    with ResultStore(tmp_path / "s.sqlite") as store:
        assert store.count() == 5


def test_a_job_that_has_nothing_to_do_ends_and_the_next_child_starts_another_one(made, jobs):
    jobs.idle_seconds = 0.0
    assert evaluate(made, CHILDREN[:1])[0].status == "ok"
    next(iter(jobs.threads.values())).join(60)
    assert evaluate(made, CHILDREN[1:2])[0].status == "ok"
    assert len(jobs.threads) >= 2


def test_what_a_lost_job_had_is_taken_over(made, jobs):
    def take_and_die(folder, *_):
        assert [len(specs) for specs, _ in Exchange(Path(folder)).asked()] == [4]

    jobs.behave = [take_and_die, jobs.die, jobs.train]
    assert [each.status for each in evaluate(made, CHILDREN)] == ["ok"] * 4
    assert len(jobs.threads) == 3


def test_jobs_that_give_no_result_are_reported(made, jobs):
    jobs.behave = [jobs.die]
    said = "3 jobs on Ray at http://cluster:8265 gave no result; the last one: no module named aen_service"
    (future,) = made.submit(CHILDREN[:1])
    with pytest.raises(WorkerError, match=said):
        future.result(60)
    assert len(jobs.threads) == 3
    jobs.behave = [jobs.train]
    assert evaluate(made, CHILDREN[:1])[0].status == "ok"


def test_answers_before_a_job_is_lost_are_not_asked_again(made, jobs):
    asked = []

    def answer_one(folder, *_):
        exchange = Exchange(Path(folder))
        ((specs, _),) = exchange.asked()
        asked.append(len(specs))
        exchange.answer([Answer(specs[0].key, error="no such data set")])

    jobs.behave = [answer_one]
    futures = made.submit(CHILDREN)
    for future in futures:
        with pytest.raises(WorkerError, match="no such data set"):
            future.result(60)
    assert asked == [4, 3, 2, 1], "each gave a result, so that none counts as without one"


def test_a_cluster_that_is_away_is_waited_for(made, jobs, monkeypatch):
    jobs.away = True
    (future,) = made.submit(CHILDREN[:1])
    waited = threading.Event()
    monkeypatch.setattr(jobs, "check", lambda check=jobs.check: (waited.set(), check()))
    assert waited.wait(60)
    assert not future.done()
    jobs.away = False
    assert future.result(60).status == "ok"


def test_a_cluster_that_stays_away_is_an_error(made, jobs, monkeypatch):
    monkeypatch.setattr(ray_job_evaluator, "PATIENCE_SECONDS", 0.0)
    jobs.away = True
    with pytest.raises(UnavailableError, match="cannot connect to Ray"):
        made.submit(CHILDREN[:1])[0].result(60)


def test_nonsense_of_the_cluster_is_an_error_and_the_next_children_are_trained(made, jobs, monkeypatch):
    is_alive = jobs.is_alive
    monkeypatch.setattr(jobs, "is_alive", lambda _: {}["status"])
    jobs.behave = [jobs.die, jobs.train]
    with pytest.raises(WorkerError, match="cannot be trained on Ray: KeyError: 'status'"):
        made.submit(CHILDREN[:1])[0].result(60)
    monkeypatch.setattr(jobs, "is_alive", is_alive)
    assert evaluate(made, CHILDREN[:1])[0].status == "ok"


def test_a_child_that_the_cluster_does_not_know_spoils_no_other(made, monkeypatch):
    from_json = ChildSpec.from_json

    def unknown(value):
        if value["seed"] == 1:
            raise SpecError("kind is 'toy', which is unknown.")
        spec = from_json(value)
        return spec if spec.seed != 2 else spec.with_seed(7)

    monkeypatch.setattr(ChildSpec, "from_json", unknown)
    first, second, third, last = made.submit(CHILDREN)
    assert (first.result(60).status, last.result(60).status) == ("ok", "ok")
    with pytest.raises(WorkerError, match="kind is 'toy'"):
        second.result(60)
    with pytest.raises(WorkerError, match="on the cluster; install the same aen there"):
        third.result(60)
    assert made.submit(CHILDREN[:1])[0].result(60).looked_up


def test_closing_ends_the_job_and_what_is_unfinished(jobs, tmp_path):
    started = threading.Event()

    def wait_for_the_end(folder, *_):
        started.set()
        with suppress(FileNotFoundError):  # the folder is removed between two of its looks
            Trainer(Exchange(Path(folder)), NeverDone(), idle_seconds=0.0).run()

    jobs.behave = [wait_for_the_end]
    evaluator = RayJobEvaluator(jobs, tmp_path / "jobs", store=tmp_path / "s.sqlite", weights_folder=tmp_path / "w")
    (future,) = evaluator.submit(CHILDREN[:1])
    assert started.wait(60)
    evaluator.close()
    with pytest.raises(WorkerError, match="was closed before"):
        future.result(0)


class NeverDone(LocalEvaluator):
    def submit(self, specs, *, keep_weights=False):
        del keep_weights
        return [Future() for _ in specs]


def test_a_trainer_ends_when_its_service_gives_no_sign_of_life(tmp_path):
    exchange = Exchange(tmp_path)
    exchange.create()
    exchange.ask(CHILDREN, keep=False)
    Trainer(exchange, NeverDone(), silent_seconds=0.0).run()


def test_a_job_whose_service_has_ended_starts_nothing(tmp_path):
    assert trainer_main([str(tmp_path / "gone"), str(tmp_path / "s.sqlite"), str(tmp_path), "0"]) == 0
    assert not (tmp_path / "s.sqlite").exists()


def processes(word, token):
    """Return the processes of a cluster, which has a token, whose command line has a word."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if word in " ".join(process.info["cmdline"] or ()) and process.environ().get("RAY_AUTH_TOKEN") == token
    ]


@pytest.mark.slow
@NEEDS_DASHBOARD
def test_children_are_trained_on_a_cluster_whose_workers_and_job_are_killed(tmp_path, monkeypatch):
    token = secrets.token_hex(32)
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with cluster(token) as address, serving(tmp_path / "runs", ray=address) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        with closing(RemoteEvaluator(str(client.base_url), secret, weights_folder=tmp_path / "w")) as remote:
            found = evaluate(remote, CHILDREN, keep_weights=True)
            assert list(map(outcome, found)) == list(map(outcome, evaluate(LocalEvaluator(), CHILDREN)))
            assert all((tmp_path / "w" / str(each.weights)).is_file() for each in found)
            for word in ("ray::Worker", TRAINER):
                specs = [
                    each.with_seed(50 + len(word)).with_checked(training=TrainingSpec(epochs=300)) for each in CHILDREN
                ]
                specs = [each.with_seed(each.seed + place) for place, each in enumerate(specs)]
                futures = remote.submit(specs)
                deadline = time.monotonic() + 60
                while service.rewards.activity().running == 0 or not (killed := processes(word, token)):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                got = [future.result(180) for future in futures]
                assert list(map(outcome, got)) == list(map(outcome, evaluate(LocalEvaluator(), specs)))
            assert service.rewards.activity().trained >= 12
        with ResultStore(service.settings.store) as store:
            assert store.count("ok") == 12
