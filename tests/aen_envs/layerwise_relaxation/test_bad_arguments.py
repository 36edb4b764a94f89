"""What is wrong is named."""

import numpy as np
import pytest

from aen.errors import GroupError, SpecError
from aen.evaluators import LocalEvaluator


@pytest.mark.parametrize(
    "state", [[0] * 8, [0] * 10, [0] * 8 + [10], [-1] * 9, [0] * 8 + [0.5], [1] + [0] * 8, None, "ab", 0, [[0]] * 9]
)
def test_a_wrong_start_state_is_named(make_env, state):
    with pytest.raises(SpecError, match=r"options\['state'\] is .*; give 9 numbers from 0 \(D4\) to 9 \(C1\), whose"):
        make_env().reset(options={"state": state})


@pytest.mark.parametrize("action", [-1, 83, 2.0, np.int64(99), "0", None])
def test_a_wrong_action_is_named(make_env, action):
    env = make_env()
    env.reset()
    with pytest.raises(SpecError, match=r"action is .*; choose 0 to 82\."):
        env.step(action)


@pytest.mark.parametrize(
    ("what", "use"),
    [
        ("step", lambda env: env.step(0)),
        ("action_masks", lambda env: env.action_masks()),
        ("scene", lambda env: env.scene()),
    ],
)
def test_an_episode_begins_with_a_reset(make_env, what, use):
    with pytest.raises(SpecError, match=f"{what} was called before reset; call reset first"):
        use(make_env())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"slices": 0}, SpecError, "slices is 0; an episode needs at least 1 besides that of the start"),
        ({"horizon": 0}, SpecError, "horizon is 0; an episode needs at least 1 step"),
        ({"parameter_price": -1}, SpecError, "parameter_price is -1; it must be a finite number from 0 up"),
        ({"parameter_price": float("nan")}, SpecError, "parameter_price is nan"),
        ({"render_mode": "rgb"}, SpecError, "unknown render_mode 'rgb'"),
        ({"groups": ["D4", "C4"]}, SpecError, "without C1, which the baseline has everywhere; add it"),
        ({"groups": ["D4", "C3"]}, GroupError, "unknown planar group 'C3'"),
        ({"evaluator": LocalEvaluator()}, SpecError, "evaluator has no weights_folder, .*; give it one, or set inher"),
    ],
)
def test_a_wrong_argument_is_named(make_env, arguments, error, message):
    with pytest.raises(error, match=message):
        make_env(**arguments)
