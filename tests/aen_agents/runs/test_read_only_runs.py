"""Run folders that this user may read but not write."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.unprivileged import take_write_permission, unprivileged

import aen
from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.runs.folder import RunFolder


@pytest.fixture
def run(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> Iterator[Path]:
    """A finished run of another user."""
    path = shutil.copytree(finished[0].path, tmp_path / "runs" / "one")
    take_write_permission(path)
    yield path
    for inner in (path, *path.rglob("*")):
        inner.chmod(inner.stat().st_mode | 0o200)


@pytest.fixture
def aen_command(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        status = unprivileged(lambda: _flushed(*map(str, words)))
        return status, *capfd.readouterr()

    return call


def _flushed(*words: str) -> int:
    import sys

    status = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_it_is_shown_and_loaded(run: Path, aen_command: Callable[..., tuple[int, str, str]]) -> None:
    before = files(run)
    status, out, err = aen_command("status", run, "--json")
    assert (status, json.loads(out)["state"], err) == (0, "complete", "")
    status, out, err = aen_command("list", run.parent, "--json")
    assert (status, [view["state"] for view in json.loads(out)], err) == (0, ["complete"], "")
    status, out, err = aen_command("resume", run)
    assert (status, err) == (0, "")
    assert "complete; nothing was run" in out
    assert unprivileged(lambda: sum(p.numel() for p in aen.load(run).parameters())) > 0
    assert files(run) == before


@pytest.mark.usefixtures("pictures")
def test_its_report_goes_where_it_is_told(
    run: Path, tmp_path: Path, aen_command: Callable[..., tuple[int, str, str]]
) -> None:
    before = files(run)
    (tmp_path / "mine").mkdir()
    for out, file in (
        (tmp_path / "report of one.html", tmp_path / "report of one.html"),
        (tmp_path / "mine", tmp_path / "mine" / "report.html"),
    ):
        assert aen_command("report", run, "--out", out) == (0, f"{file}\n", "")
        assert file.read_bytes() == before["report.html"]
    assert files(run) == before


@pytest.mark.parametrize("where", [(), ("--out", "/proc/nowhere/report.html")], ids=["the run", "elsewhere"])
def test_without_a_place_for_the_report_nothing_is_computed(
    run: Path, aen_command: Callable[..., tuple[int, str, str]], where: tuple[str, ...]
) -> None:
    run.chmod(0o755)
    (run / "results.sqlite").unlink()  # nothing is read before
    run.chmod(0o555)
    status, out, err = aen_command("report", run, *where)
    assert (status, out) == (2, "")
    assert err.startswith(f"aen: error: {where[1] if where else run / 'report.html'} cannot be written: ")
    assert err.endswith(f"report {run} --out FILE.\n")
    assert err.count("\n") == 1


def test_a_run_that_is_not_finished_cannot_be_resumed(
    run: Path, aen_command: Callable[..., tuple[int, str, str]]
) -> None:
    run.chmod(0o755)
    (run / "summary.json").unlink()
    run.chmod(0o555)
    before = files(run)
    status, _, err = aen_command("resume", run)
    assert status == 2
    assert err.splitlines()[-1].startswith(f"aen: error: {run} cannot be written: Permission denied; make it writable")
    assert "Traceback" not in err
    assert files(run) == before
