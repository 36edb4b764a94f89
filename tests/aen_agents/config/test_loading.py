from pathlib import Path

import pytest
import yaml

from aen.errors import ConfigError
from aen_agents.config import (
    PROJECT_CONFIGS,
    DQNConfig,
    SearchConfig,
    load_config,
)


def dqn_of(config: SearchConfig) -> DQNConfig:
    assert isinstance(config.agent, DQNConfig)
    return config.agent


def test_overrides_reach_any_depth(config_file: Path) -> None:
    overrides = ["seed=3", "training.epochs=2", "child.hidden=[8, 8]", "agent=dqn", "agent.discount=0.9"]
    config = load_config(config_file, overrides)
    assert (config.seed, config.training.epochs, config.child.hidden) == (3, 2, (8, 8))
    assert dqn_of(config).discount == 0.9
    assert config.data.moves == ("rot90",)


def test_an_agent_may_be_a_file_beside_the_config(config_file: Path) -> None:
    (config_file.parent / "agents").mkdir()
    (config_file.parent / "agents" / "own.yaml").write_text("name: dqn\ndiscount: 0.25\n")
    assert dqn_of(load_config(config_file, ["agent=own"])).discount == 0.25


@pytest.mark.parametrize("agent", ["dqn_paper", "exhaustive"])
def test_the_resolved_config_reads_back(config_file: Path, tmp_path: Path, agent: str) -> None:
    config = load_config(config_file, ["generators={spin: [[1, 2, 3, 0]]}", f"agent={agent}"])
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config
    assert set(yaml.safe_load(resolved.read_text())) == set(type(config).model_fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "is not YAML: line 1, column 8: it ends before a bracket or a quote is closed"),
        ("name: !!timestamp 2026-13-01", "is not YAML: line 1, column 7: could not determine a constructor"),
        ("- a\n- b\n", "not a mapping"),
        ("seed: 1\n", "name is missing"),
        ("name: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_a_missing_file_suggests_its_neighbour(config_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist \(did you mean 'mine.yaml'\?\)"):
        load_config(config_file.with_name("mne.yaml"))


def test_a_sweep_is_known_as_one() -> None:
    path = PROJECT_CONFIGS / "sweeps" / "digits_seeds.yaml"
    with pytest.raises(ConfigError, match=rf"is the config of a sweep.* sweep {path}.*\.\./digits\.yaml"):
        load_config(path)
