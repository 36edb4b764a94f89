"""The cache folder is used only if nobody else can write to it, and its files are opened without following links."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aen import _cache
from aen._cache import append_own, cache_folder, new_private, not_private, open_private, private_folder

IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
ANOTHER = 54321


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache, "_reported", set())
    return tmp_path / "cache"


def mode(path):
    return path.stat().st_mode & 0o777


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "aen"]


def test_folders_and_files_are_this_users_alone(cache, caplog):
    before = os.umask(0)
    try:
        folder = private_folder("a", "b")
        with new_private(folder / "file") as file:
            file.write(b"x")
        append_own(folder / "part").close()
    finally:
        os.umask(before)
    assert folder == cache / "a" / "b"
    assert [mode(path) for path in (cache, cache / "a", folder)] == [0o700] * 3
    assert [mode(path) for path in folder.iterdir()] == [0o600] * 2
    with open_private(folder / "file") as file:
        assert file.read() == b"x"
    assert said(caplog) == []


@pytest.mark.parametrize("change", [0o770, 0o707, 0o722, 0o1777])
@pytest.mark.parametrize("place", ["cache", "inner", "parent"])
def test_a_folder_that_others_can_write_is_not_used_and_reported_once(cache, caplog, place, change):
    private_folder("inner")
    changed = {"cache": cache, "inner": cache / "inner", "parent": cache.parent}[place]
    changed.chmod(change)
    usable = place == "parent" and change & 0o1000  # as /tmp is
    for _ in range(3):
        assert (private_folder("inner") is not None) == bool(usable)
    messages = said(caplog)
    if usable:
        assert messages == []
        return
    (message,) = messages
    assert message.count("\n") == 0
    assert f"The cache {cache} is not used: others can write to {changed} (mode {change:o}; chmod go-w" in message
    assert "Set AEN_CACHE to a folder that only you can write to" in message
    changed.chmod(0o700)
    assert private_folder("inner") == cache / "inner", "what the message advises helps"


@IS_ROOT
@pytest.mark.parametrize("place", ["cache", "parent", "link", "link on the way"])
def test_a_folder_of_another_user_is_not_used(tmp_path, cache, caplog, place):
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    if place == "cache":
        cache.mkdir()
        os.chown(cache, ANOTHER, -1)
    elif place == "parent":
        os.chown(tmp_path, ANOTHER, -1)
    elif place == "link":
        cache.symlink_to(mine)
        os.lchown(cache, ANOTHER, -1)
    else:
        (tmp_path / "second").symlink_to(mine)
        os.lchown(tmp_path / "second", ANOTHER, -1)
        cache.symlink_to("second")
    try:
        assert private_folder("inner") is None
        assert list(mine.iterdir()) == []
    finally:
        os.chown(tmp_path, os.geteuid(), -1)
    assert f"belongs to another user (uid {ANOTHER})" in said(caplog)[0]


def test_ones_own_links_are_followed(tmp_path, cache):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "real").mkdir()
    cache.symlink_to("a/b/../real")
    assert private_folder("inner") == cache / "inner"
    assert (tmp_path / "a" / "real" / "inner").is_dir()
    (tmp_path / "a").chmod(0o777)
    assert private_folder("inner") is None, "the folders on the way of a link count"
    (tmp_path / "a").chmod(0o700)
    assert not_private(Path("/") / "no" / "such" / "folder") is None
    (tmp_path / "a" / "b").rmdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path / "a" / "b")
    assert private_folder("inner") is None, "a circle of links is done without"


def test_links_and_other_kinds_of_files_are_not_opened(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "dangling").symlink_to(tmp_path / "made")
    (tmp_path / "hard").hardlink_to(target)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "dangling", "folder", "fifo"):
        with pytest.raises(OSError, match=r".+"):
            open_private(tmp_path / name)
    for name in ("link", "dangling", "hard", "folder", "fifo"):
        with pytest.raises(OSError, match=r".+"):
            append_own(tmp_path / name)
    assert not (tmp_path / "made").exists()
    assert target.read_bytes() == b"theirs"
    target.chmod(0o660)
    with pytest.raises(OSError, match=r"others can write to it \(mode 660\)"):
        open_private(target)


@IS_ROOT
def test_files_of_another_user_are_not_opened(tmp_path):
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", ANOTHER, -1)
    for function in (open_private, append_own):
        with pytest.raises(OSError, match=rf"belongs to another user \(uid {ANOTHER}\)"):
            function(tmp_path / "file")


def test_the_command_reports_it_in_one_line(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    code = "import aen.groups as g\nfor side in (4, 6): g.load_classes(g.Alphabet.of(['rot90']), (side, 4))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"AEN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "is not used: others can write to" in done.stderr
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("AEN_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "aen"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "aen"
