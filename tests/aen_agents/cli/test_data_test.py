"""`aen data test` as a user calls it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import aen
from aen.data import DataSpec, load_dataset
from aen.symmetry import SymmetryTest
from aen_agents.cli.main import main


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "test", "digits", "--factors", "hflip", "rot90 x| hflip", "--images", "200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "No transformation that was tested leaves the images as they are."
    assert [line.split("  ")[0] for line in lines[2:4]] == ["hflip", "rot90 x| hflip"]
    assert lines[4].startswith("200 images of 8x8 in 10 classes")


def test_json_is_the_test_of_training_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "test", "digits", "--factors", "quarter", "--seed", "3", "--json"]) == 0
    found = SymmetryTest.from_json(json.loads(capsys.readouterr().out))
    train = load_dataset(DataSpec("digits", train=898, validation=1, test=1)).train
    assert found == aen.symmetry_test(train.images, train.labels, "quarter", seed=3)


def test_an_official_test_set_is_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    symmetric = draw.integers(0, 255, (40, 6, 6), dtype=np.uint8)
    skewed = np.tile(np.arange(36, dtype=np.uint8).reshape(6, 6), (40, 1, 1))
    labels = np.arange(40) % 2
    arrays = {"train_images": symmetric, "train_labels": labels, "test_images": skewed, "test_labels": labels}
    np.savez(tmp_path / "own.npz", **arrays)
    assert main(["data", "test", str(tmp_path / "own.npz"), "--factors", "hflip", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["rows"][0]["rejected"]) == (30, False)


def test_signals_are_not_tested_for_an_exchange_of_their_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signals = np.random.default_rng(0).normal(size=(200, 3, 64)).astype(np.float32)
    np.savez(tmp_path / "own.npz", images=signals, labels=np.arange(200) % 2)
    assert main(["data", "test", str(tmp_path / "own.npz")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The images themselves look the same after reversal and shifts by 1/8 of the length.\n")
    assert not any(word in out for word in ("vflip", "vertical", "rot180", "swap_tb", "Not tested"))


def test_the_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "test.svg"
    assert main(["data", "test", "digits", "--factors", "hflip", "--images", "50", "--picture", str(file)]) == 0
    assert "<svg" in file.read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digtis"], "unknown data set 'digtis' (did you mean 'digits'?)"),
        (["digits", "--factors", "rot91"], "unknown generator 'rot91' (did you mean 'rot90'?)"),
        (["digits", "--images", "1"], "--images is 1; it must be at least 2."),
        (["digits", "--seed", "-1"], "seed is -1; it must be at least 0."),
        (["digits", "--images", "50", "--picture", "test.what"], "picture 'test.what' cannot be written"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "test", *arguments]) != 0
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.iterdir())


def test_a_path_needs_no_dot_and_slash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        file = tmp_path / "cells" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (6, 6), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    (tmp_path / "digits").mkdir()  # the data set of this name comes first
    monkeypatch.chdir(tmp_path)
    assert main(["data", "test", "cells", "--factors", "hflip"]) == 0
    assert main(["data", "test", "digits", "--factors", "hflip", "--images", "200"]) == 0
    assert "of 6x6 in 2 classes" in (out := capsys.readouterr().out)
    assert "200 images of 8x8" in out


@pytest.mark.parametrize("channels", [3, 12])
def test_channels_of_signals_are_not_exchanged(
    channels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signals = np.random.default_rng(0).normal(size=(60, channels, 64)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=signals, labels=np.arange(60) % 2)
    assert main(["data", "test", str(tmp_path / "x.npz")]) == 0
    said = capsys.readouterr().out
    assert "hflip" in said
    assert "vflip" not in said
    assert "rot180" not in said
