"""Images of 16 bits are predicted as they were trained on, however dark they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.exported_children import saved_run
from PIL import Image

from aen.children import DenseSpec, build_child
from aen.data import DataSpec, data_spec, from_arrays, preprocessing_of
from aen.data.trained_on import divides_files
from aen_agents.network import find_model, predict

DARK = np.random.default_rng(0).integers(20, 300, size=(24, 8, 8)).astype(np.uint16)  # of 65,535
FLOATS = np.random.default_rng(1).uniform(size=(24, 8, 8))
LABELS = np.arange(24) % 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, image in enumerate(DARK):
        file = tmp_path / "photos" / f"class{LABELS[number]}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return tmp_path / "photos"


def test_files_and_arrays_give_the_predictions_of_the_training(folder: Path, tmp_path: Path) -> None:
    spec = DenseSpec(data=data_spec(str(folder)), classes=2, grids=(8, 8))
    child = build_child(spec).eval()
    model = find_model(saved_run(tmp_path / "run", child) / "best")
    np.savez(tmp_path / "new.npz", images=DARK)
    files = [str(folder / f"class{LABELS[number]}" / f"{number}.png") for number in range(len(DARK))]
    pixels = torch.from_numpy((DARK / 257).astype(np.float32))[:, None]
    with torch.no_grad():
        wanted = torch.softmax(child(preprocessing_of(spec.data).apply(pixels)).double(), dim=1).amax(dim=1)
    for names in (files, [str(tmp_path / "new.npz")]):
        found = [prediction.probabilities[0] for prediction in predict(model, names)]
        assert found == pytest.approx(wanted.tolist(), abs=1e-4)


def test_a_table_of_dark_files_of_16_bits_is_no_table_of_pixels(folder: Path) -> None:
    rows = (f"class{LABELS[number]}/{number}.png,c{LABELS[number]}" for number in range(len(DARK)))
    (folder / "table.csv").write_text("\n".join(["path,label", *rows]))
    data = data_spec(str(folder / "table.csv"))
    assert not divides_files(data, preprocessing_of(data))


@pytest.mark.parametrize("name", ["arrays.npz", "pixels.csv"])
def test_a_folder_of_one_table_is_that_table(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    if name.endswith(".npz"):
        np.savez(inner / name, images=FLOATS.astype(np.float32), labels=LABELS)
    else:
        rows = np.column_stack([LABELS, FLOATS.reshape(len(FLOATS), -1)])
        header = ",".join(["label", *(f"pixel{place}" for place in range(64))])
        np.savetxt(inner / name, rows, fmt=["%d", *["%.6f"] * 64], delimiter=",", header=header, comments="")
    for path in (inner, inner / name):
        data = data_spec(str(path))
        assert divides_files(data, preprocessing_of(data))


def test_files_are_divided_for_networks_of_arrays_from_0_to_1_only(folder: Path) -> None:
    floats, deep = data_spec(from_arrays(FLOATS, LABELS)), data_spec(from_arrays(DARK, LABELS))
    assert divides_files(floats, preprocessing_of(floats))
    assert not divides_files(deep, preprocessing_of(deep))
    assert not divides_files(data_spec(str(folder)), preprocessing_of(data_spec(str(folder))))
    large = data_spec(from_arrays(FLOATS * 255, LABELS))
    assert not divides_files(large, preprocessing_of(large))
    digits = DataSpec("digits")
    assert divides_files(digits, preprocessing_of(digits)) == (abs(preprocessing_of(digits).mean) < 1)
