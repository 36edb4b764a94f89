"""A home folder, a user's name and a temporary folder for Ray, where the machine has none that it can use."""

import getpass
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.permissions import permissions_apply

from aen_agents.evaluators.ray import auth, guard, surroundings
from aen_agents.evaluators.ray.cluster import connect
from aen_agents.evaluators.ray.resources import ClusterError
from aen_agents.evaluators.ray.surroundings import ensure_user, remove_temporary_folders, temporary_folder

SHORT = 107 - len(surroundings._SOCKET)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    yield
    remove_temporary_folders()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, which pytest's are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
def test_a_new_folder_is_made_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, short: Path, name: str) -> None:
    monkeypatch.setenv(name, str(short / "new"))
    folder = temporary_folder()
    assert folder.parent == short / "new"
    assert folder.stat().st_mode & 0o777 == 0o700
    remove_temporary_folders()
    assert not folder.exists()


def longer(path: Path) -> Path:
    return path / ("x" * 140)


def not_utf8(path: Path) -> Path:
    return path / os.fsdecode(b"\xff")


def a_file(path: Path) -> Path:
    (path / "file").touch()
    return path / "file"


@pytest.mark.parametrize("name", ["RAY_TMPDIR", "TMPDIR"])
@pytest.mark.parametrize("make", [longer, not_utf8, a_file])
def test_another_folder_replaces_one_that_ray_cannot_use(
    monkeypatch: pytest.MonkeyPatch, short: Path, make: object, name: str
) -> None:
    assert callable(make)
    monkeypatch.setenv(name, str(make(short)))
    folder = temporary_folder()
    assert folder.is_dir()
    assert len(os.fsencode(folder)) <= SHORT
    remove_temporary_folders()
    assert not folder.exists()


def test_another_folder_replaces_that_of_another_user(short: Path) -> None:
    (short / "theirs").mkdir(mode=0o555)
    with permissions_apply():
        folder, _ = guard.create([str(short / "theirs"), str(short / "mine")], SHORT)
        assert folder is not None
        assert Path(folder).parent == short / "mine"
        assert guard.create([str(short / "theirs")], SHORT) == (None, "cannot be written (Permission denied)")


def test_without_any_usable_folder_nothing_is_started(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(longer(short)))
    monkeypatch.setattr(surroundings, "_OTHER_PARENTS", ())
    monkeypatch.setattr(tempfile, "tempdir", str(longer(short)))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    said = rf"temporary folder .*x has a path that is too long for sockets.*; set RAY_TMPDIR to .* {SHORT - 17} char"
    with pytest.raises(ClusterError, match=said):
        connect(None, 10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_home_and_name_gets_both() -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(54321)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setuid(54321)
            for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
                os.environ.pop(name, None)
            assert auth.named_token() is auth.home_token() is None
            ensure_user()
            assert getpass.getuser() == "54321"
            home = Path.home()
            (home / "file").touch()
            assert os.environ["HOME"] == str(home)
            ensure_user()
            assert Path.home() == home
            shutil.rmtree(home)  # what is registered for the exit is not run here
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_user_with_home_and_name_keeps_them() -> None:
    before = dict(os.environ)
    ensure_user()
    assert dict(os.environ) == before


@pytest.mark.parametrize("where", ["working directory", "command line"])
def test_ray_is_not_started_with_names_that_are_not_utf8(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / os.fsdecode(b"a\xff")
    folder.mkdir()
    if where == "command line":
        monkeypatch.setattr("sys.argv", ["aen", "search", "digits", "--out", str(folder)])
    else:
        monkeypatch.chdir(folder)
    with pytest.raises(ClusterError, match=r"a\?' is not UTF-8, but Ray needs .*; rename that folder or file"):
        connect(None, 10)
