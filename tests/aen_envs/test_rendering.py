from dataclasses import replace

import numpy as np
import pytest

from aen.groups import Decomposition
from aen_envs.rendering import Scene, draw_picture, draw_text

FACTORS = ("rot90", "hflip", "hflip x vflip")
SCENE = Scene(
    names=FACTORS,
    bits=(1, 0, 1),
    decomposition=Decomposition.of(["rot90", "hflip x vflip"]),
    group="D4",
    grid=4,
    accuracies=(0.5, 0.875, 0.75),
    baseline=0.625,
)


@pytest.fixture(scope="module")
def picture():
    return draw_picture(SCENE)


def test_the_text_shows_factors_group_and_accuracies():
    factors, figures = draw_text(SCENE).splitlines()
    assert factors == "[rot90]  hflip  [hflip x vflip]"
    assert figures == "step 2: group D4, validation accuracy 75.0% (untied 62.5%, best of the episode 87.5%)"


def test_the_picture_is_rgb(picture):
    assert picture.dtype == np.uint8
    assert picture.shape == (360, 960, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def test_equal_scenes_have_equal_pictures(picture):
    assert np.array_equal(picture, draw_picture(replace(SCENE)))


@pytest.mark.parametrize(
    "change",
    [
        {"bits": (1, 1, 1)},
        {"names": ("rot90", "hflip", "vflip")},
        {"decomposition": Decomposition.of(["hflip"])},
        {"group": "C4"},
        {"grid": 8},
        {"accuracies": (0.5, 0.25, 0.75)},
        {"baseline": 0.7},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_in_the_scene_is_in_the_picture(picture, change):
    assert not np.array_equal(picture, draw_picture(replace(SCENE, **change)))


def test_a_picture_does_not_touch_the_users_figures():
    from matplotlib import pyplot as plt

    draw_picture(SCENE)
    assert plt.get_fignums() == []


def test_an_environment_draws_its_state_as_text(make_env):
    env = make_env(alphabet=list(FACTORS), render_mode="ansi")
    env.reset()
    assert env.render().startswith(" rot90   hflip   hflip x vflip ")
    *_, info = env.step(2)
    text = env.render()
    assert "[hflip x vflip]" in text
    assert "[rot90]" not in text
    assert f"step 1: group {info['group']}, validation accuracy {info['accuracy']:.1%}" in text
    assert f"untied {info['baseline_accuracy']:.1%}" in text


def test_an_environment_draws_its_state_as_a_picture(make_env):
    ours, theirs = (make_env(alphabet=list(FACTORS), render_mode="rgb_array") for _ in range(2))
    for env in (ours, theirs):
        env.reset()
    start = ours.render()
    assert np.array_equal(start, theirs.render())
    ours.step(1)
    moved = ours.render()
    assert (moved.dtype, moved.ndim, moved.shape[2]) == (np.uint8, 3, 3)
    assert moved.shape == start.shape
    assert not np.array_equal(moved, start)
    theirs.step(1)
    assert np.array_equal(moved, theirs.render())


def test_the_episode_of_a_picture_begins_with_the_reset(make_env):
    env = make_env(alphabet=list(FACTORS), render_mode="ansi")
    env.reset()
    env.step(0)
    env.reset()
    assert "step 0:" in env.render()


def test_nothing_is_drawn_without_a_render_mode_or_before_a_reset(make_env):
    env = make_env()
    env.reset()
    with pytest.warns(UserWarning, match="render was called without a render mode"):
        assert env.render() is None
    assert make_env(render_mode="ansi").render() is None
