"""Complete configs of earlier versions, which lack newer keys, mean what they meant when they were written."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from aen_agents.config import EquiNASEConfig, SearchConfig, load_config
from aen_agents.config.changes import keep_choices
from aen_agents.config.former_values import with_former_values
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.resume_check import started_config
from aen_agents.sweep.plan import Trial

NEWER = ("steps", "networks", "random_networks")


def former(config: SearchConfig, **agent: Any) -> dict[str, Any]:
    """Return a complete config as the version before the newer keys wrote it."""
    content: dict[str, Any] = config.model_dump(mode="json")
    content["agent"] = {key: value for key, value in content["agent"].items() if key not in NEWER} | agent
    for key in ("groups", "head_group", "initialisation"):
        content["child"].pop(key)
    return content


def test_a_former_run_has_its_former_steps_and_generations(tmp_path: Path) -> None:
    preset = load_config("equinas/digits_e")  # names the former values, so that its results are the same
    content = former(preset, generations=8)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    config = load_config(tmp_path / "config.yaml")
    assert isinstance(config.agent, EquiNASEConfig)
    assert (config.agent.generations, config.agent.steps, config.agent.unique) == (7, "all", True)
    assert config == preset
    # Overrides are of today.
    other = load_config(tmp_path / "config.yaml", ["agent.generations=3", "agent.steps=published"]).agent
    assert isinstance(other, EquiNASEConfig)
    assert (other.generations, other.steps) == (3, "published")


def test_a_former_run_can_be_resumed(tmp_path: Path) -> None:
    preset = load_config("equinas/digits_e")
    content = former(preset, generations=8)
    started = {key: value for key, value in content.items() if key in started_config(preset)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "run.json").write_text(json.dumps({"version": 1, "aen": "0.1.0", "config": started}))
    folder = RunFolder.open(tmp_path)
    folder.check(folder.config())  # aen resume
    folder.check(preset)  # aen search with --out


def test_a_trial_of_a_former_sweep_reads_back() -> None:
    preset = load_config("equinas/digits_e")
    trial = Trial(1, {}, preset)
    value = trial.to_json() | {"config": former(preset, generations=8)}
    assert Trial.from_json(value) == trial


@pytest.mark.parametrize("name", ["equinas/digits_e", "equinas/digits_d", "digits"])
def test_todays_configs_stay_as_they_are(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    content = config.model_dump(mode="json")
    assert with_former_values(content) is content
    partial = {key: value for key, value in former(load_config("equinas/digits_e")).items() if key != "space"}
    assert with_former_values(partial) is partial  # a file of a user, not of a run
    assert with_former_values(5) == 5  # type: ignore[arg-type, comparison-overlap]
    (tmp_path / "resolved.yaml").write_text(config.to_yaml())
    assert load_config(tmp_path / "resolved.yaml") == config


def test_a_former_run_is_resumed_without_rivals(tmp_path: Path) -> None:
    preset = load_config("digits")
    content = preset.model_dump(mode="json")
    del content["selection"]["rivals"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    started = {key: value for key, value in content.items() if key in started_config(preset)}
    (tmp_path / "run.json").write_text(json.dumps({"version": 1, "aen": "0.1.0", "config": started}))
    folder = RunFolder.open(tmp_path)
    assert folder.config().selection.rivals == ()
    assert preset.selection.rivals == ("augmentation",)
    folder.check(preset)
    assert keep_choices(folder.config(), preset).selection.rivals == ()
