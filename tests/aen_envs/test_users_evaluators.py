"""Evaluators of the user's own classes: what they return is checked."""

from concurrent.futures import Future

import gymnasium
import pytest

from aen.children import DenseSpec
from aen.errors import SpecError

ID = "aen_envs:aen/GroupDecomposition-v0"


def future(value):
    found = Future()
    found.set_result(value)
    return found


class Returning:
    """An evaluator that returns what a function makes of the specs."""

    def __init__(self, function):
        self.function = function

    def submit(self, specs, **_):
        return self.function(specs)


@pytest.mark.parametrize("many", [False, True], ids=["one", "vector"])
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _: [], r"Returning\.submit returned \[\].* for \d specs; it must return a list of one"),
        (lambda _: None, r"Returning\.submit returned None"),
        (lambda specs: [0.5 for _ in specs], r"Returning\.submit returned \[0\.5"),
        (lambda specs: [future(0.5) for _ in specs], r"evaluations has 0\.5.* must be an aen\.results\.Evaluation"),
    ],
    ids=["too few", "none", "no futures", "no evaluations"],
)
def test_what_an_evaluator_returns_is_checked(function, message, many):
    arguments = {"child": DenseSpec(grids=(4, 4)), "evaluator": Returning(function)}
    env = gymnasium.make_vec(ID, num_envs=2, **arguments) if many else gymnasium.make(ID, **arguments)
    with pytest.raises(SpecError, match=message):
        env.reset()
