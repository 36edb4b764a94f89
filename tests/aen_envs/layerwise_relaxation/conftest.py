"""Environments whose children are looked up, or trained."""

from dataclasses import replace

import pytest
from helpers.relaxation_child import CHILD

from aen.evaluators import LocalEvaluator
from aen_envs import LayerwiseRelaxationEnv


@pytest.fixture(scope="session")
def trainings(table):
    """A table with an accuracy for each training, not for each class, and which keeps weights in name."""

    class Trainings(table):
        def __init__(self, diverging=()):
            super().__init__()
            self.diverging = diverging
            self.specs = []

        def submit(self, specs, *, keep_weights=False):
            self.specs += specs
            self.kept = keep_weights
            return super().submit(specs)

        def look_up(self, spec):
            found = replace(super().look_up(spec), parameters=1 + int(spec.class_key, 16) % 977)
            if len(self.asked) in self.diverging:
                return replace(found, status="diverged", validation_accuracy=0.0)
            return found

        @staticmethod
        def accuracy(spec):
            return int(spec.key, 16) % 10_007 / 10_007

    return Trainings


@pytest.fixture
def make_env(trainings):
    return lambda **arguments: LayerwiseRelaxationEnv(**({"child": CHILD, "evaluator": trainings()} | arguments))


@pytest.fixture
def make_real(tmp_path):
    """An environment whose children are trained, and each checked to begin as its parent."""

    def make(**arguments):
        evaluator = LocalEvaluator(weights_folder=tmp_path, debug=True)
        return LayerwiseRelaxationEnv(**({"child": CHILD, "evaluator": evaluator} | arguments))

    return make
