"""`aen sweep` refuses in one line what cannot be run."""

import socket
import time
from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, make, write

from aen.errors import AenError, ConfigError
from aen_agents.cli.main import main
from aen_agents.evaluators.ray.resources import ClusterError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--restore", "nowhere"], "nowhere is not a sweep's folder: there is no such folder"),
        (["--restore", "."], "is not a sweep's folder: it has no sweep.yaml"),
        (["--restore", ".", "--out", "x"], "give no config, no key=value and no --out with it"),
        (["--restore", ".", "seed=1"], "give no config, no key=value and no --out with it"),
        ([], "no config is given"),
        (["nowhere.yaml"], "config nowhere.yaml does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_that_name_nothing(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_not_there_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SEEDS | {"overrides": ["data.name=digitz"]})
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "did you mean 'digits'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_address_nobody_listens_on_is_said_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = write(tmp_path, SEEDS | {"cluster": {"address": address, "connect_timeout": 300}})
        started = time.monotonic()
        assert main(["sweep", str(path), "--out", str(tmp_path / "deep" / "out")]) == 2
    assert time.monotonic() - started < 60
    said = capsys.readouterr()
    assert f"cluster.address is '{address}': cannot connect to {address} (" in said.err
    assert "aen: checking 2 trials for 'seeds'\n" in said.out
    assert {file.name for file in tmp_path.iterdir()} == {"sweep.yaml", "tiny.yaml"}, "a folder without a sweep"
    # What an earlier start left stays, whatever becomes of this one.
    folder, _ = make(tmp_path, SEEDS | {"cluster": {"address": address, "connect_timeout": 300}}, "out")
    assert main(["sweep", str(path), "--out", str(folder.path)]) == 2
    assert folder.load()[0].name == "seeds"
    assert folder.report_file.is_file()


def test_a_store_that_cannot_be_opened_leaves_an_empty_folder_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SEEDS | {"store": str(tmp_path / "nowhere" / "results.sqlite")})
    out = tmp_path / "out"
    out.mkdir()
    assert main(["sweep", str(path), "--out", str(out)]) == 2
    assert "nowhere does not exist; make it first" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_errors_of_sweeps_are_the_users() -> None:
    assert issubclass(ClusterError, AenError)
    assert issubclass(ConfigError, AenError)
