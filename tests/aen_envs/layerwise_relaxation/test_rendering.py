"""How it is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.relaxation_child import FEW

from aen_envs.relaxation_rendering import RelaxationScene, draw_picture, draw_text

SCENE = RelaxationScene(
    groups=("D4", "C2", "C1"),
    state=(0, 0, 0, 0, 0, 0, 1, 1, 2),
    name="D4 x6, C2 x2, head C1",
    parameters=12345,
    accuracies=(0.25, 0.5, 0.375),
    slices=4,
)


@pytest.fixture(scope="module")
def picture():
    return draw_picture(SCENE)


def test_the_picture_is_rgb_and_of_the_scene_alone(picture):
    assert (picture.shape, picture.dtype) == ((360, 960, 3), np.uint8)
    assert np.array_equal(picture, draw_picture(replace(SCENE)))


def test_the_text_shows_groups_and_accuracies():
    assert draw_text(SCENE).splitlines() == [
        "D4 # # # # # # . . .",
        "C2 . . . . . . # # .",
        "C1 . . . . . . . . #",
        "slice 2 of 4: D4 x6, C2 x2, head C1, 12,345 parameters",
        "validation accuracy 37.5% (start 25.0%, best of the episode 50.0%)",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"groups": ("D4", "C4", "C1")},
        {"state": (0, 0, 0, 0, 0, 0, 0, 1, 2)},
        {"state": (0, 0, 0, 0, 0, 0, 1, 1)},
        {"name": "D4"},
        {"parameters": 12346},
        {"accuracies": (0.25, 0.75, 0.375)},
        {"slices": 5},
    ],
    ids=str,
)
def test_everything_in_the_scene_is_in_the_picture(picture, change):
    assert not np.array_equal(picture, draw_picture(replace(SCENE, **change)))


def test_it_draws_its_state(make_env):
    env = make_env(render_mode="ansi", groups=FEW)
    assert env.render() is None
    env.reset()
    *_, info = env.step(env.action_of(8, "C4"))
    text = env.render()
    assert text.startswith("D4 # # # # # # # # .\nC4 . . . . . . . . #\n")
    assert f"slice 1 of 20: D4, head C4, {info['parameters']} parameters" in text
    assert f"validation accuracy {info['accuracy']:.1%} (start {info['baseline_accuracy']:.1%}, " in text
    pictured = make_env(render_mode="rgb_array", groups=FEW)
    pictured.reset()
    before = pictured.render()
    pictured.step(pictured.train_action)
    assert before.shape == pictured.render().shape == (360, 960, 3)
    assert not np.array_equal(before, pictured.render())
