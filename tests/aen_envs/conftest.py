from concurrent.futures import Future

import pytest

from aen.children import DenseSpec
from aen.results import Evaluation


class TableEvaluator:
    """An evaluator that trains nothing: a class's accuracy is a number made of its key.

    Attributes:
        asked: the key of every spec that was submitted, in order.
    """

    def __init__(self):
        self.asked = []
        self.closed = False
        self.capacity = 1

    def submit(self, specs, *, keep_weights=False):
        assert not keep_weights
        futures = []
        for spec in specs:
            future = Future()
            future.set_result(self.look_up(spec))
            futures.append(future)
        return futures

    def look_up(self, spec):
        looked_up = spec.key in self.asked
        self.asked.append(spec.key)
        return Evaluation(
            key=spec.key,
            class_key=spec.class_key,
            seed=spec.seed,
            status="ok",
            train_loss=0.0,
            train_accuracy=1.0,
            validation_loss=0.0,
            validation_accuracy=self.accuracy(spec),
            parameters=int(spec.class_key, 16) % 977,
            epochs=1,
            seconds=0.25,
            device="table",
            threads=1,
            looked_up=looked_up,
        )

    @staticmethod
    def accuracy(spec):
        return int(spec.class_key, 16) % 10_007 / 10_007

    def close(self):
        self.closed = True


@pytest.fixture(scope="session")
def table():
    """The class: tests make as many as they like."""
    return TableEvaluator


@pytest.fixture(scope="session")
def small_child():
    return DenseSpec(grids=(4, 4))


@pytest.fixture
def make_env(table, small_child):
    """An environment over a table; every argument can be given otherwise."""
    from aen_envs import GroupDecompositionEnv

    return lambda **arguments: GroupDecompositionEnv(**({"child": small_child, "evaluator": table()} | arguments))
