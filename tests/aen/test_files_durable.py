"""Durable writes: what is synced, in which order, and blank files."""

import os
from pathlib import Path

import pytest

from aen._files import append_durably, is_blank, make_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is synced, in order."""
    found: list[Path] = []
    fsync = os.fsync

    def note(number: int) -> None:
        found.append(Path(f"/proc/self/fd/{number}").readlink())
        fsync(number)

    monkeypatch.setattr(os, "fsync", note)
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to name open files")


@needs_proc
def test_new_folders_are_synced_in_their_parents(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path / "a", tmp_path]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
    make_folder(tmp_path / "a" / "c")
    assert synced[2:] == [tmp_path / "a"]


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            make_folder(path)


@needs_proc
def test_appended_text_is_synced_and_a_new_file_in_its_folder(tmp_path: Path, synced: list[Path]) -> None:
    file = tmp_path / "lines"
    append_durably(file, "é\n")
    append_durably(file, "b\n")
    assert file.read_bytes() == b"\xc3\xa9\nb\n"
    assert synced == [file, tmp_path, file]


def test_a_folder_that_may_not_be_read_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return opening(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize(
    ("content", "blank"), [(b"", True), (b"\0" * 9000, True), (b" ", False), (b"\0\0{", False), (b"{}\n", False)]
)
def test_blank_files(tmp_path: Path, content: bytes, blank: bool) -> None:
    (tmp_path / "file").write_bytes(content)
    assert is_blank(tmp_path / "file") is blank


def test_what_is_no_file_is_not_blank(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert not any(is_blank(path) for path in (tmp_path, tmp_path / "fifo", tmp_path / "none"))


def test_a_file_that_may_not_be_read_is_not_blank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path), mode)

    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(Path, "open", refuse)
    assert not is_blank(tmp_path / "file")
