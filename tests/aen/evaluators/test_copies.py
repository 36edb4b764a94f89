"""Copies of evaluators, and pickled ones."""

import copy
import pickle
import threading
from concurrent.futures import Future

import pytest

from aen.errors import SpecError
from aen.evaluators import Evaluator, LocalEvaluator, TabularEvaluator


class Holding(TabularEvaluator):
    """One that holds something."""

    def __init__(self, held=None):
        super().__init__({})
        self.held = held
        self.myself = self.look_up


class Duck:
    """An evaluator by its methods alone."""

    parallelism = capacity = 1
    trained, weights_folder = 0, None

    def start(self):
        pass

    def activity(self):
        pass

    def submit(self, specs, *, keep_weights=False):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("make", [LocalEvaluator, Holding, lambda: Holding(threading.RLock())])
def test_a_copy_is_the_evaluator_itself(make):
    evaluator = make()
    assert copy.copy(evaluator) is copy.deepcopy(evaluator) is evaluator
    assert copy.deepcopy({"evaluator": [evaluator]})["evaluator"][0] is evaluator


def test_a_subclass_may_copy_itself_in_another_way():
    class Copied(Holding):
        def __deepcopy__(self, memo):
            return Copied(5)

    assert copy.deepcopy(Copied()).held == 5


def test_any_object_with_the_methods_is_still_an_evaluator():
    assert isinstance(Duck(), Evaluator)
    assert not isinstance(object(), Evaluator)


@pytest.mark.parametrize("held", [threading.RLock(), Future(), {"deep": [threading.Lock()]}, threading.Thread()])
def test_what_cannot_be_pickled_is_named_with_a_remedy(held):
    message = "evaluator is a Holding, which cannot be sent to another process: cannot pickle .*; step the environments"
    with pytest.raises(SpecError, match=message):
        pickle.dumps(Holding(held))
    assert Holding(held).held is held


def test_what_can_be_pickled_is(tmp_path):
    assert pickle.loads(pickle.dumps(Holding(5))).held == 5  # noqa: S301 - our own
    found = pickle.loads(pickle.dumps(LocalEvaluator(weights_folder=str(tmp_path))))  # noqa: S301 - our own
    assert found.weights_folder == tmp_path
    inner = Holding(threading.Lock())
    with pytest.raises(SpecError, match="cannot be sent to another process"):
        pickle.dumps([Holding(inner)])
