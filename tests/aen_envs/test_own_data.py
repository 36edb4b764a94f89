"""The argument `data`: environments over own data."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from helpers.table_evaluators import LateTable
from PIL import Image

from aen.errors import AenError
from aen_envs import ENVIRONMENT_IDS


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(60):
        file = tmp_path / "cells" / f"kind {number % 3}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8), dtype=np.uint8)).save(file)
    return tmp_path / "cells"


@pytest.mark.parametrize("environment_id", ENVIRONMENT_IDS)
def test_children_are_made_for_own_data(environment_id, folder):
    env = gymnasium.make(f"aen_envs:{environment_id}", data=folder, evaluator=LateTable(), disable_env_checker=True)
    child = env.unwrapped.space.child
    assert (child.classes, child.side, child.data.train, child.data.test) == (3, 8, 36, 12)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    # The images are part of the key: their name has a checksum, and stays in the spec.
    assert "@" in child.data.name
    kept = json.loads(gymnasium.make(f"aen_envs:{environment_id}", data=str(folder)).spec.to_json())
    assert EnvSpec.from_json(json.dumps(kept)).make().unwrapped.space.child.data == child.data


@pytest.mark.usefixtures("folder")
def test_a_wrong_path_is_named(tmp_path):
    with pytest.raises(AenError, match=r"did you mean.*cells"):
        gymnasium.make("aen_envs:aen/GroupDecomposition-v0", data=tmp_path / "cell")
