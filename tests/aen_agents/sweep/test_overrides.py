"""`aen sweep CONFIG key=value`."""

from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, write

from aen.errors import ConfigError
from aen_agents.cli.main import main
from aen_agents.config import load_config
from aen_agents.sweep.config import SweepConfig, find_search, load_sweep
from aen_agents.sweep.overrides import add_overrides
from aen_agents.sweep.plan import make_trials

GIVEN = SEEDS | {"overrides": ["training.epochs=3", "agent.batch_size=4", "child.hidden=[4]"]}


def load(folder: Path, *overrides: str) -> SweepConfig:
    path = write(folder, GIVEN)
    return add_overrides(load_sweep(path), overrides, path)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), ("training.epochs=3", "agent.batch_size=4", "child.hidden=[4]")),
        (("training.epochs=5",), ("agent.batch_size=4", "child.hidden=[4]", "training.epochs=5")),
        (("budget.children=4",), (*GIVEN["overrides"], "budget.children=4")),
        (("child={hidden: [6]}",), ("training.epochs=3", "agent.batch_size=4", "child={hidden: [6]}")),
        (("agent=dqn_paper",), (*GIVEN["overrides"], "agent=dqn_paper")),
    ],
    ids=str,
)
def test_they_join_those_of_the_file_and_win(
    overrides: tuple[str, ...], expected: tuple[str, ...], tmp_path: Path
) -> None:
    sweep = load(tmp_path, *overrides)
    assert sweep.overrides == expected
    for trial in make_trials(sweep, find_search(sweep, tmp_path)):
        seed = f"seed={trial.config.seed}"
        own = [seed, "evaluator.workers=1", "evaluator.device=cpu", f"name={trial.config.name}"]
        assert trial.config == load_config(tmp_path / "tiny.yaml", [*expected, *own])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("samples=3", "'samples=3': samples is a key of the sweep, and overrides are for its searches; set it in "),
        ("store=x.sqlite", "store is a key of the sweep"),
        ("cluster.address=x:1", "cluster is a key of the sweep"),
        ("seed=[3", r"'seed=\[3': .* cannot be read as a value"),
        ("child={hidden: [6], hidden: [7]}", "the key 'hidden' is given twice"),
        ("seed=3", "'seed=3': the sweep gives the values of seed itself, in grid; leave the override out"),
    ],
    ids=str,
)
def test_what_the_sweep_decides_is_refused(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, override)


@pytest.mark.parametrize("override", ["training.epochs", "training.epoch=3", "trainin.epochs=3", "training.epochs=-1"])
def test_mistakes_are_told_as_for_a_search(override: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SEEDS)
    assert main(["search", str(tmp_path / "tiny.yaml"), override]) == 2
    said = capsys.readouterr().err
    assert main(["sweep", str(path), override, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == said
    assert not (tmp_path / "out").exists()


def test_a_value_that_only_some_trials_refuse_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, SEEDS | {"grid": {"agent": ["exhaustive", "dqn"]}})
    assert main(["sweep", str(path), "agent.batch_size=8", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("aen: error: trial 0 (agent=exhaustive): ")


def test_the_config_of_a_search_is_told_from_that_of_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, SEEDS)
    search = tmp_path / "tiny.yaml"
    assert main(["sweep", str(search)]) == 2
    said = capsys.readouterr().err
    assert f"{search} is the config of a search: it has agent, and no search. Run it with " in said
    assert f"aen search {search}, or sweep over it with a file such as {{name: seeds, search: {search}, grid:" in said


def test_a_key_that_is_given_twice_on_the_command_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"overrides 'budget.children=5' and 'budget.children=4' both set budget.chi"):
        load(tmp_path, "budget.children=5", "budget.children=4")
