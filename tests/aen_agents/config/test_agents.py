from pathlib import Path

import pytest

from aen.errors import ConfigError
from aen_agents.config import (
    load_config,
)

EQUINAS = ["child.kind=equinas", "agent=equinas_e"]


@pytest.mark.parametrize("agent", ["equinas_e", "equinas_d"])
def test_an_equinas_config_reads_back(config_file: Path, tmp_path: Path, agent: str) -> None:
    overrides = [*EQUINAS, f"agent={agent}", "agent.subgroups=[D4, C4]", "agent.baselines=[]", "child.poolings=[]"]
    config = load_config(config_file, overrides)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(config.to_yaml())
    assert load_config(resolved) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent=equinas_e"], "agent equinas_e is for child.kind=equinas, but child.kind is dense"),
        (["agent=equinas_d", "child.kind=gcnn"], "agent equinas_d is for child.kind=equinas, but child.kind is gcnn"),
        (["agent=equinas"], r"unknown agent 'equinas' \(did you mean 'equinas_[de]'\?\)"),
        (
            [*EQUINAS, "agent.baselines=[static_c5]"],
            r"agent.baselines is 'static_c5' \(did you mean 'static_c[14]'\?\)",
        ),
        ([*EQUINAS, "agent.baselines=[rp]"], r"agent.baselines is 'rp' \(did you mean 'rpp'\?\): .*'static_c1', "),
        ([*EQUINAS, "agent.baselines=[zz]"], r"agent.baselines is 'zz': Input should be 'static_c1', "),
        ([*EQUINAS, "agent.baselines=rpp"], r"agent.baselines is 'rpp'; give a list in brackets, such as \[rpp\]"),
        ([*EQUINAS, "agent.subgroups=D4"], "agent.subgroups is 'D4': .*'all' or 'published'"),
        ([*EQUINAS, "agent.generations=-1"], "agent.generations is -1: .*greater than or equal to 0"),
        ([*EQUINAS, "agent.population=0"], "agent.population is 0: .*greater than 0"),
        ([*EQUINAS, "agent.seeds=0"], "agent.seeds is 0: .*greater than 0"),
        ([*EQUINAS, "agent.generation=3"], r"unknown key 'agent.generation' \(did you mean 'generations'\?\)"),
        ([*EQUINAS, "agent.temperature=[1, 1]"], "unknown key 'agent.temperature'"),
        ([*EQUINAS, "agent=equinas_d", "agent.temperature=[0, 1]"], "agent.temperature.*: .*greater than or equal"),
        ([*EQUINAS, "agent=equinas_d", "agent.temperature=1"], "agent.temperature is 1; give a list in brackets"),
        ([*EQUINAS, "agent=equinas_d", "agent.networks=[cold]"], "agent.networks is 'cold'"),
        ([*EQUINAS, "budget.children=3"], "budget does not apply to agent equinas_e; leave it out"),
        ([*EQUINAS, "selection.seeds=3"], "selection does not apply to agent equinas_e"),
        ([*EQUINAS, "environment.horizon=3"], "environment does not apply to agent equinas_e"),
        ([*EQUINAS, "alphabet=published"], "alphabet is for child.kind=dense, but child.kind is equinas"),
        ([*EQUINAS, "training.epochs=0"], "training.epochs is 0: .*greater than 0"),
        ([*EQUINAS, "child.width=0"], "child.width is 0: .*greater than 0"),
        (
            ["child.kind=dense", "child.width=2"],
            r"mine.yaml: unknown key 'child.width' \(choose from: bias, head, hidden",
        ),
        (["child={kind: dense, dense: 3}"], r"mine.yaml: unknown key 'child.dense' \(choose from: bias, head"),
    ],
)
def test_settings_of_layerwise_agents_that_do_not_fit_are_named(
    config_file: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, overrides)
