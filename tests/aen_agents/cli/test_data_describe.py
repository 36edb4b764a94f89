"""`aen data describe`: what the data is, and what the default search of it would do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aen_agents.cli.main import main
from aen_agents.config.default import default_config


def write(path: Path, images: np.ndarray, labels: np.ndarray, **more: object) -> str:
    np.savez(path, images=images, labels=labels, **more)
    return str(path)


def pixels(*shape: int, most: int = 256, kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most, shape).astype(kind)


def test_it_tells_what_the_default_search_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "own.npz", pixels(60, 12, 12), np.arange(60) % 3, class_names=["a", "b", "c"])
    assert main(["data", "describe", path]) == 0
    out = capsys.readouterr().out
    _, reasons = default_config([f"data.path={path}"])
    assert len(reasons) > 5
    assert all(f"  {reason}" in out for reason in reasons)
    assert "60 grey images of 12x12, uint8" in out
    assert "3 classes: a 20, b 20, c 20" in out
    assert main(["data", "describe", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["search"][1:]) == (60, [f"  {reason}" for reason in reasons])


def test_data_that_cannot_be_searched_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "dots.npz", pixels(60, 1, 1, 1), np.arange(60) % 3)
    assert main(["data", "describe", path]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if "cannot search it" in line)
    assert "no factor of the alphabet fits 1x1" in said
    assert len(said) < 250


def test_sixteen_bits_are_scaled_as_those_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "deep.npz", pixels(60, 12, 12, most=65_536, kind=np.uint16), np.arange(60) % 3)
    assert main(["data", "describe", path]) == 0
    assert "60 grey images of 12x12, float32" in capsys.readouterr().out


def test_class_names_that_lack_a_label_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "own.npz", pixels(60, 12, 12), np.arange(60) % 3, class_names=["a", "b"])
    assert main(["data", "describe", path]) == 2
    assert "class_names has 2 names, for the labels 0 to 1, but there is the label 2" in capsys.readouterr().err


def test_an_image_of_the_data_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, image in enumerate(pixels(24, 12, 12)):
        file = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    file = tmp_path / "photos" / "class0" / "0.png"
    before = file.read_bytes()
    assert main(["data", "describe", str(tmp_path / "photos"), "--out", str(file)]) == 2
    assert "0.png is a file of the data; name another one." in capsys.readouterr().err
    assert file.read_bytes() == before
