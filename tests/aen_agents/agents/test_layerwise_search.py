"""Small real searches in which each layer chooses its own factors, with both agents."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aen._typing import JsonDict
from aen.children import ChildSpec, DenseSpec
from aen.spaces import DecompositionSpace, LayerwiseDecompositionSpace
from aen_agents.config import PROJECT_CONFIGS, SearchConfig, load_config
from aen_agents.problem import space_of
from aen_agents.runs.folder import RunFolder

Run = Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]

TINY: JsonDict = {
    "name": "tiny_layerwise",
    "data": {"train": 120, "validation": 120, "test": 120, "moves": ["rot90"]},
    "alphabet": ["rot90", "hflip"],
    "child": {"hidden": [4, 4], "layerwise": True},
    "training": {"epochs": 1},
    "environment": {"horizon": 4},
    "budget": {"children": 6, "steps": 80},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 8, "layers": [16]},
    "selection": {"top": 2, "seeds": 2, "rivals": []},
}


def test_the_config_says_which_space_it_is() -> None:
    config = SearchConfig.model_validate(TINY)
    space = space_of(config)
    assert isinstance(space, LayerwiseDecompositionSpace)
    assert space.states == 16
    uniform = config.model_copy(update={"child": config.child.model_copy(update={"layerwise": False})})
    assert isinstance(space_of(uniform), DecompositionSpace)


def test_the_projects_config_has_epsilon_fall_within_its_budget() -> None:
    config = load_config(PROJECT_CONFIGS / "digits_layerwise.yaml")
    assert config.agent.name == "dqn"
    assert config.agent.epsilon_unit == "visits"
    assert config.agent.epsilon[-1][0] < config.budget.children / 2


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(TINY["agent"], id="dqn", marks=pytest.mark.slow),
        pytest.param({"name": "exhaustive", "seeds": 2}, id="exhaustive"),
    ],
)
def test_a_search_from_start_to_verdict(agent: JsonDict, tmp_path: Path, run_search: Run) -> None:
    content = TINY | {"agent": agent, "evaluator": {"workers": 1}}
    folder, summary = run_search(SearchConfig.model_validate(content), tmp_path / "run")
    space = space_of(folder.config())
    keys = {c.key for c in space.classes}
    assert summary["status"] == "complete"
    assert (summary["states"], summary["classes"]) == (16, len(keys))
    assert {line["class_key"] for line in folder.history()} <= keys
    winner = ChildSpec.from_json(json.loads(json.dumps(summary["winner"]["spec"])))
    assert isinstance(winner, DenseSpec)
    assert summary["winner"]["class_key"] == winner.class_key
    assert winner.class_key in keys
    assert summary["hidden_group"]["decomposition"] == "rot90"
    if agent["name"] == "exhaustive":
        assert len(summary["space"]["classes"]) == len(keys)
        assert all(len(row["orbits"]) == 2 for row in summary["space"]["classes"])
