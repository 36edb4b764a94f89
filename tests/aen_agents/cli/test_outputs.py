"""Commands that write a file which the user names replace no file of another kind."""

import os
from pathlib import Path

import numpy as np
import pytest

from aen_agents.cli.main import main

OPTIONS = pytest.mark.parametrize(
    ("words", "option", "endings"),
    [
        (["report", "{there}", "--out"], "--out", ".html or .htm"),
        (["predict", "{there}", "image.png", "--csv"], "--csv", ".csv or .tsv"),
        (["bench", "transfer", "--steps", "1", "--out"], "--out", ".safetensors"),
        (["data", "test", "digits", "--picture"], "--picture", ".svg or .png or .pdf"),
    ],
)


@OPTIONS
def test_a_file_of_another_kind_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], option: str, endings: str
) -> None:
    precious = tmp_path / "thesis.docx"
    precious.write_text("precious")
    assert main([*(word.format(there=tmp_path) for word in words), str(precious)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"does not end in {endings}" in err
    assert err.startswith(f"aen: error: {option} is {precious}")
    assert err.count("\n") == 1
    assert precious.read_text() == "precious"


@OPTIONS
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, words: list[str], option: str, endings: str
) -> None:
    if kind == "folder" and words[0] == "report":
        pytest.skip("a report may be written to a folder")
    target = tmp_path / f"target{endings.split(maxsplit=1)[0]}"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("/dev/null")
    before = target.stat()
    assert main([*(word.format(there=tmp_path) for word in words), str(target)]) == 2
    err = capsys.readouterr().err
    is_now = "a folder" if kind == "folder" else "a pipe, a socket or a device"
    assert err.startswith(f"aen: error: {option} is {target}, which is {is_now}")
    assert (target.stat().st_mode, target.stat().st_ino) == (before.st_mode, before.st_ino)


def test_samples_of_data_replace_no_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "samples.png")
    images = np.random.default_rng(0).integers(256, size=(30, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(30) % 2)
    assert main(["data", "describe", str(tmp_path / "own.npz"), "--out", str(tmp_path / "samples.png")]) == 2
    err = capsys.readouterr().err
    assert "samples.png is no file, but a folder, a pipe" in err, err
