"""Networks that tie the sign of signals take them as they were given: `aen predict` and exports append the negative."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from helpers.exported_children import saved_run
from PIL import Image

from aen.children import Child, DenseSpec, build_child
from aen.data import data_spec, from_arrays, load_dataset, preprocessing_of
from aen.export import export, modeling_aen
from aen.groups import Decomposition
from aen_agents.cli.main import main
from aen_agents.network.evaluate import _imported

SIGNALS = np.random.default_rng(0).normal(size=(40, 16)).astype(np.float32)


@pytest.fixture
def child() -> Child:
    data = data_spec(from_arrays(SIGNALS, np.arange(40) % 2), lift_sign=True)
    spec = DenseSpec(data=data, classes=2, grids=((2, 16), (2, 8)), decomposition=Decomposition.of(["swap_tb"]))
    return build_child(spec).eval()


@pytest.fixture
def run(child: Child, tmp_path: Path) -> Path:
    return saved_run(tmp_path / "run", child)


def expected(child: Child) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return validation signals as they were given, and their probabilities."""
    images = load_dataset(child.spec.data).validation.images
    with torch.no_grad():
        probabilities = torch.softmax(child(images).double(), dim=1).numpy()
    preprocessing = preprocessing_of(child.spec.data)
    return (images[:, 0, 0] * preprocessing.deviation + preprocessing.mean).numpy(), probabilities


def test_predictions_are_those_of_the_training(child: Child, run: Path, tmp_path: Path) -> None:
    raw, probabilities = expected(child)
    np.savez(tmp_path / "new.npz", images=raw)
    assert main(["predict", str(run / "best"), str(tmp_path / "new.npz"), "--csv", str(tmp_path / "p.csv")]) == 0
    with (tmp_path / "p.csv").open() as file:
        found = [float(row["probability"]) for row in csv.DictReader(file)]
    assert found == pytest.approx(probabilities.max(axis=1), abs=1e-3)


def test_lifted_signals_and_image_files_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "lifted.npz", images=np.stack([SIGNALS, -SIGNALS], axis=1))
    Image.fromarray(np.zeros((2, 16), np.uint8)).save(tmp_path / "a.png")
    for name, said in (("lifted.npz", "has images of 2x16x1"), ("a.png", "the network takes signals")):
        assert main(["predict", str(run / "best"), str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err
        assert err.count("\n") == 1


def test_other_signals_are_imported_for_an_evaluation(child: Child, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", images=SIGNALS[:20] + 1, labels=np.arange(20) % 2)
    assert _imported(str(tmp_path / "other.npz"), child.spec).load().images.shape == (20, 1, 2, 16)
    plain = DenseSpec(data=data_spec(from_arrays(SIGNALS, np.arange(40) % 2)), classes=2, grids=((1, 16), (2, 8)))
    assert _imported(str(tmp_path / "other.npz"), plain).side == (1, 16)


@pytest.mark.parametrize("to", ["onnx", "pt2", "hub"])
def test_an_export_takes_signals_as_they_were_given(child: Child, run: Path, tmp_path: Path, to: str) -> None:
    raw, probabilities = expected(child)
    done = export(run, to, tmp_path / "out")
    given = torch.from_numpy(raw)[:, None, None]
    assert "(1, 1, 1, 16)" in done.how_to_load
    if to == "onnx":
        import onnxruntime

        logits = torch.from_numpy(onnxruntime.InferenceSession(done.path).run(["logits"], {"pixels": given.numpy()})[0])
    elif to == "pt2":
        logits = torch.export.load(done.path).module()(given)
    else:
        logits = modeling_aen.load(done.path)(given)
        assert (done.path / "modeling_aen.py").read_text() == Path(str(modeling_aen.__file__)).read_text()
        assert "[batch, 1, 1, 16]" in (done.path / "README.md").read_text()
    assert torch.softmax(logits.double(), dim=1).detach().numpy() == pytest.approx(probabilities, abs=1e-4)
