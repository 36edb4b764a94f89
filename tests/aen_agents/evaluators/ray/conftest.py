"""A Ray for the tests of a module, and evaluators on it that are closed after their test."""

import logging
import threading

import pytest
from helpers import ray_trainers
from helpers.ray_trainers import running, until

from aen.results.store import ResultStore
from aen_agents.evaluators.ray.evaluator import RayEvaluator
from aen_agents.events import ChildLogged, WorkerLogged


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this machine that believes in eight cores and four GPUs."""
    import ray

    ray.cloudpickle.register_pickle_by_value(ray_trainers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(
            address="local",
            num_cpus=8,
            num_gpus=4,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100 << 20,
        )
        yield ray
        ray.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(ray_trainers)


class Told(list):
    """What the listener was told."""

    def of(self, kind, **wanted):
        return [e for e in list(self) if isinstance(e, kind) and all(getattr(e, k) == v for k, v in wanted.items())]

    def children(self, **wanted):
        return self.of(ChildLogged, **wanted)

    def workers(self, **wanted):
        return self.of(WorkerLogged, **wanted)

    def pids(self):
        """Process numbers of all workers that ever started, by name."""
        return {e.worker: int(e.detail.removeprefix("pid ").split(",")[0]) for e in self.workers(what="started")}


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def open_store(tmp_path):
    """Stores of one file, each an owner of its own."""
    stores = []

    def make(**options):
        stores.append(ResultStore(tmp_path / "results.sqlite", **options))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def acting(tmp_path):
    """Makes a trainer of the tests."""
    folder = tmp_path / "acting"
    folder.mkdir()

    def make(acts=None, **options):
        return ray_trainers.Acting(folder, acts or {}, **options)

    return make


@pytest.fixture
def make(cluster, told):
    """Makes evaluators; small workers, so that there is room for many."""
    assert cluster.is_initialized()
    evaluators = []

    def make(trainer=None, *, store=None, workers=2, **options):
        options = {"cpus_per_worker": 0.5, "listener": told.append} | options
        evaluators.append(RayEvaluator(store, workers=workers, trainer=trainer, **options))
        return evaluators[-1]

    yield make
    for evaluator in evaluators:
        evaluator.close()
    until(lambda: not any(running(pid) for pid in told.pids().values()))
    assert not [
        t.name for t in threading.enumerate() if t.name in ("aen-dispatcher", "aen-other-processes", "aen-head-monitor")
    ]
