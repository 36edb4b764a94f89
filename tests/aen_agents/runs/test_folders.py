"""Run folders and sweep folders on file systems that cannot lock files."""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.no_locks import without_locks
from helpers.tiny_sweeps import SEEDS, plan

from aen.errors import RunFolderError
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder
from aen_agents.sweep.folder import SweepFolder

NUMBERS = [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL]


@pytest.fixture(params=["search", "sweep"])
def create(
    request: pytest.FixtureRequest, tmp_path: Path, tiny_config: SearchConfig
) -> Callable[[Path], RunFolder | SweepFolder]:
    """Creates the folder of a search or of a sweep."""
    if request.param == "search":
        return lambda out: RunFolder.create(tiny_config, out)
    sweep, trials = plan(tmp_path, SEEDS)
    return lambda out: SweepFolder.create(sweep, trials, out)


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_without_locks_no_folder_is_made(
    create: Callable[[Path], RunFolder | SweepFolder], tmp_path: Path, number: int
) -> None:
    before = sorted(tmp_path.rglob("*"))
    said = rf"the file system of {tmp_path}/a/run cannot lock files \({os.strerror(number)}\); choose .*--out"
    with pytest.raises(RunFolderError, match=said):
        without_locks(lambda: create(tmp_path / "a" / "run"), number)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_locking_says_whether_another_process_or_the_file_system_is_the_reason(
    create: Callable[[Path], RunFolder | SweepFolder], tmp_path: Path, number: int
) -> None:
    folder = create(tmp_path / "run")

    def lock() -> None:
        with folder.locked():
            pass

    with pytest.raises(RunFolderError, match="cannot lock files"):
        without_locks(lock, number)
    with folder.locked(), pytest.raises(RunFolderError, match="is running"):
        lock()


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_search_that_comes_second_writes_nothing(tmp_path: Path, tiny_config: SearchConfig) -> None:
    other = tiny_config.model_copy(update={"seed": 2})
    with RunFolder.create(tiny_config, tmp_path / "run").locked():
        (tmp_path / "link").symlink_to(tmp_path / "run")
        before = files_in(tmp_path / "run")
        for out in (tmp_path / "run", tmp_path / "link", tmp_path / "link" / ".." / "run"):
            with pytest.raises(RunFolderError):
                RunFolder.create(other, out)
            with pytest.raises(RunFolderError, match="another search is running"):
                RunFolder.create(tiny_config, out)
        assert files_in(tmp_path / "run") == before


def test_the_lock_comes_before_the_first_file(
    create: Callable[[Path], RunFolder | SweepFolder], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    path.mkdir()
    with RunFolder(path).locked(), pytest.raises(RunFolderError, match="is running"):
        create(path)
    assert [inner.name for inner in path.iterdir()] == [".lock"]
    (path / "config.yaml.12-0123abcd.part").touch()  # of a start that was killed
    create(path)
    assert not list(path.glob("*.part"))


def test_of_searches_that_start_at_once_the_folder_holds_one(tmp_path: Path, tiny_config: SearchConfig) -> None:
    for number in range(20):
        out, gate = tmp_path / str(number), threading.Barrier(4)

        def start(seed: int, out: Path = out, gate: threading.Barrier = gate) -> int | None:
            config = tiny_config.model_copy(update={"seed": seed})
            gate.wait()
            try:
                RunFolder.create(config, out)
            except RunFolderError:
                return None
            return seed

        with ThreadPoolExecutor(4) as pool:
            (won,) = {seed for seed in pool.map(start, range(4)) if seed is not None}
        folder = RunFolder.open(out)
        assert folder.config().seed == won
        folder.check(folder.config())  # run.json has the same config


def test_temporary_files_of_killed_processes_are_removed_at_the_next_start(
    tmp_path: Path, tiny_config: SearchConfig
) -> None:
    folder = RunFolder.create(tiny_config, tmp_path / "run")
    names = ["summary.json.123-0123abcd.part", "weights/a.safetensors.7-0123abcd.part"]
    kept = ["report.html.123-0123abcd.part", "weights/mine.part"]
    for name in names + kept:
        (folder.path / name).touch()
    RunFolder.create(tiny_config, tmp_path / "run")
    assert not any((folder.path / name).exists() for name in names)
    assert all((folder.path / name).exists() for name in kept)
