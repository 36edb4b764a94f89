"""A few power cuts of one search, as `make torture` makes many; and the disks that they are made with."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from torture.disk import STATES, cut, read_calls, recorder
from torture.power_cuts import cut_at_end, record, try_cut

WRITER = """
import os, sys
root = sys.argv[1]
def write(name, text, flags=os.O_CREAT, sync=False):
    file = os.open(f"{root}/{name}", os.O_WRONLY | flags, 0o600)
    os.write(file, text)
    if sync:
        os.fsync(file)
    os.close(file)
write("synced", b"12345678", sync=True)
write("lost", b"12345678")
os.mkdir(f"{root}/inner")
os.replace(f"{root}/lost", f"{root}/renamed")
folder = os.open(root, os.O_RDONLY); os.fsync(folder); os.close(folder)
write("synced", b"abcd", os.O_APPEND)
write("inner/late", b"12345678", sync=True)
os.unlink(f"{root}/renamed")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = recorder(tmp_path_factory.mktemp("library"))
    if isinstance(found, str):
        pytest.skip(found)
    return found


def test_a_search_resumes_after_power_cuts_and_is_on_the_disk_at_its_end(library: Path, tmp_path: Path) -> None:
    recording = record("exhaustive", library, tmp_path / "recorded")
    for state in STATES:
        for seed in range(2):
            assert try_cut(recording, seed, tmp_path / f"{state}-{seed}", state) == [], (state, seed)
    assert len(recording.told(len(recording.calls))) == len(recording.whole["history"].splitlines())
    assert cut_at_end(recording, tmp_path / "end") == []


def test_what_a_disk_holds_after_a_cut(library: Path, tmp_path: Path) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    environment = os.environ | {"LD_PRELOAD": str(library), "TORTURE_ROOT": str(root), "TORTURE_LOG": str(log)}
    subprocess.run([sys.executable, "-c", WRITER, str(root)], env=environment, check=True)
    calls = read_calls(log)

    def after(state: str, seed: int = 0, at: int = len(calls)) -> dict[str, bytes]:
        into = tmp_path / f"{state}-{seed}-{at}"
        cut(calls[:at], root, into, state=state, draw=random.Random(seed), start=None)  # noqa: S311
        return {str(file.relative_to(into)): file.read_bytes() for file in into.rglob("*") if file.is_file()}

    assert after("strict") == {"synced": b"12345678", "renamed": b""}
    assert after("names") == {"synced": b"12345678", "inner/late": b"12345678"}
    assert after("zeros") == {"synced": b"12345678\0\0\0\0", "inner/late": b"12345678"}
    assert after("zeros", at=len(calls) - 1)["renamed"] == bytes(8)
    found = [after("random", seed) for seed in range(30)]
    assert {"renamed" in names for names in found} == {True, False}
    assert all(names["synced"].startswith(b"12345678") for names in found)
    real = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    assert real == {"synced": b"12345678abcd", "inner/late": b"12345678"}
