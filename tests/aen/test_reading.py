"""Files of others are read only if they are plain files of a bounded size; JSON is bounded in its depth and digits."""

import os
import socket
from pathlib import Path

import pytest

from aen._reading import UnusableFileError, check_file, parse_json, read_bytes, read_json, read_text

pytestmark = pytest.mark.timeout(30)  # a reader that waits for a pipe would wait for ever


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # without content on the disk


STRANGE = {
    "a named pipe": (_pipe, "a named pipe, not a file"),
    "a device": (_device, "a device, not a file"),
    "a socket": (_socket, "a socket|No such device"),  # which cannot be opened at all
    "10 GiB": (_large, "its 10,737,418,240 bytes are more than the 1,000 that are read"),
}


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, check_file])
@pytest.mark.parametrize(("make", "said"), STRANGE.values(), ids=STRANGE)
def test_what_is_no_plain_file_is_not_read(make: object, said: str, read: object, tmp_path: Path) -> None:
    path = tmp_path / "x"
    make(path)  # type: ignore[operator]
    with pytest.raises((UnusableFileError, OSError), match=said):
        read(path, 1000)  # type: ignore[operator]


@pytest.mark.parametrize("read", [read_bytes, check_file])
def test_a_folder_and_a_missing_file_have_their_own_errors(read: object, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as folder:
        read(tmp_path, 1000)  # type: ignore[operator]
    assert folder.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "x", 1000)  # type: ignore[operator]


def test_a_file_of_just_the_limit_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\r\nb")
    (tmp_path / "link").symlink_to("x")
    assert read_bytes(tmp_path / "link", 4) == b"a\r\nb"
    assert read_text(tmp_path / "link", 4) == "a\nb"
    with pytest.raises(UnusableFileError, match="its 4 bytes are more than the 3"):
        read_bytes(tmp_path / "link", 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[" * 100_000, "nested too deeply"), ('{"a":' * 100_000, "nested too deeply"), ("9" * 400, "of 400 digits")],
    ids=["lists", "mappings", "digits"],
)
def test_json_that_would_exhaust_the_reader_is_refused(text: str, said: str) -> None:
    with pytest.raises(UnusableFileError, match=said):
        parse_json(text)
