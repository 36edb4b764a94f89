import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aen_envs.rewards import REWARDS

ACCURACY = st.floats(0, 1)


def test_these_are_the_rewards():
    assert set(REWARDS) == {"paper", "delta", "improvement", "accuracy"}


@pytest.mark.parametrize(
    ("kind", "accuracy", "baseline", "previous", "expected"),
    [
        ("paper", 0.9, 0.6, 0.1, 0.3 * 1.3498588075760032),
        ("paper", 0.6, 0.9, 0.1, -0.3 * 1.3498588075760032),
        ("paper", 1.0, 0.0, 0.5, 2.718281828459045),
        ("delta", 0.9, 0.6, 0.1, 0.3),
        ("delta", 0.6, 0.9, 0.1, -0.3),
        ("improvement", 0.9, 0.6, 0.1, 0.8),
        ("improvement", 0.1, 0.6, 0.9, -0.8),
        ("accuracy", 0.9, 0.6, 0.1, 0.9),
    ],
)
def test_known_values(kind, accuracy, baseline, previous, expected):
    assert REWARDS[kind](accuracy, baseline, previous) == pytest.approx(expected, rel=1e-12)


@given(accuracy=ACCURACY, baseline=ACCURACY, previous=ACCURACY, other=ACCURACY)
def test_paper_and_delta_look_at_the_untied_child_only(accuracy, baseline, previous, other):
    for kind in ("paper", "delta"):
        assert REWARDS[kind](accuracy, baseline, previous) == REWARDS[kind](accuracy, baseline, other)


@given(accuracy=ACCURACY, baseline=ACCURACY, previous=ACCURACY, other=ACCURACY)
def test_improvement_looks_at_the_state_before_only(accuracy, baseline, previous, other):
    assert REWARDS["improvement"](accuracy, baseline, previous) == REWARDS["improvement"](accuracy, other, previous)


@given(baseline=ACCURACY, first=ACCURACY, second=ACCURACY, previous=ACCURACY)
def test_no_reward_prefers_the_worse_child(baseline, first, second, previous):
    worse, better = sorted([first, second])
    for reward in REWARDS.values():
        assert reward(worse, baseline, previous) <= reward(better, baseline, previous)


@given(accuracy=ACCURACY, baseline=ACCURACY)
def test_the_papers_reward_stretches_the_difference_and_keeps_its_sign(accuracy, baseline):
    delta, paper = (REWARDS[kind](accuracy, baseline, 0.5) for kind in ("delta", "paper"))
    assert abs(delta) <= abs(paper) <= math.e * abs(delta)
    assert delta * paper >= 0
    assert REWARDS["paper"](baseline, accuracy, 0.5) == -paper
