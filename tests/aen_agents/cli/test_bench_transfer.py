"""`aen bench transfer`."""

from pathlib import Path

import pytest
from helpers.small_tables import write_tables

from aen_agents.agents.transfer.policy_file import load_policy
from aen_agents.cli.main import main


def test_a_network_is_trained_and_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tables(tmp_path / "tables", "digits-01", "digits-02")
    out = tmp_path / "mine.safetensors"
    words = ["digits-01", "digits-02", "--folder", tmp_path / "tables", "--steps", "80", "--seed", "3", "--out", out]
    assert main(["bench", "transfer", *map(str, words)]) == 0
    said = capsys.readouterr().out
    assert "training dqn_transfer on 2 tables, 80 steps" in said
    assert "children an episode" in said
    load_policy(str(out))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits-30", "--out", "x"], "held out"),
        (["products", "--out", "x"], "held out"),
        (["digts", "--out", "x"], "did you mean"),
        (["digits-01", "--out", "."], "--out is ., which is a folder"),
        (["digits-01", "--out", "no/such/folder/x"], "--out is no/such/folder/x"),
        (["digits-01", "--out", "x", "--seed", "-1"], "--seed is -1"),
        (["digits-01", "--out", "x", "--steps", "0"], "--steps"),
        (["digits-01", "--out", "x", "--folder", "nowhere"], "digits-01"),
    ],
)
def test_errors_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["bench", "transfer", *words])
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    assert status == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
