"""Run folders and sweep folders on file systems that cannot lock files."""

import errno
import os
from collections.abc import Callable
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
