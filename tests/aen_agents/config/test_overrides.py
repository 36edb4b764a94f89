"""Overrides that would undo each other."""

from pathlib import Path

import pytest

from aen.errors import ConfigError
from aen_agents.cli.main import main
from aen_agents.config import load_config

TWICE = [
    (["seed=1", "seed=2"], "overrides 'seed=1' and 'seed=2' both set seed; keep one"),
    (["training.epochs=2", "training={batch_size: 1}"], "both set training;"),
    (["training={epochs: 1}", "training.epochs=2"], "both set training.epochs;"),
    (["generators={a: [[0]]}", "generators.a=[[0]]"], "both set generators.a;"),
    (["agent=dqn", "agent=exhaustive"], "both set agent;"),
    (["agent.discount=0.1", "agent={name: dqn}"], "both set agent;"),
    (["evaluator=ray", "evaluator.kind=local"], "both set evaluator.kind;"),
    (["child={hidden: [8], hidden: [4]}"], "the key 'hidden' is given twice, in line 1, columns 2 and 15; keep one"),
    (["child={kind: gcnn}", "child={kind: gcnn}"], "both set child;"),
]


@pytest.mark.parametrize(("overrides", "message"), TWICE, ids=lambda value: str(value)[:40])
def test_a_key_that_is_set_twice_is_refused(overrides: list[str], message: str, config_file: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, overrides)


TOGETHER = [
    ["agent.discount=0.1", "agent=dqn"],
    ["evaluator.workers=2", "evaluator=ray", "evaluator.kind=ray"],
    ["training={epochs: 1}", "training.batch_size=2"],
    ["training=", "training.epochs=2"],
    ["child={kind: gcnn}", "child.width=8"],
]


@pytest.mark.parametrize("overrides", TOGETHER, ids=str)
def test_different_keys_of_a_section_are_set_together(overrides: list[str], config_file: Path) -> None:
    load_config(config_file, overrides)


def test_an_empty_section_of_a_file_takes_overrides(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\ntraining:\n")
    assert load_config(file, ["training.epochs=2"]).training.epochs == 2


@pytest.mark.parametrize("number", ["010", "1_0", "0x8", "8.0"])
def test_numbers_on_the_command_line_are_decimal(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["groups", "describe", "rot90", "--grid", number])
    assert f"argument --grid: '{number}' is not a whole number in decimal digits" in capsys.readouterr().err
