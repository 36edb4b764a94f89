"""`aen.find_symmetries`: from arrays to a verdict and a network."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import aen
from aen.errors import AenError, DataError
from aen_agents.events import Event
from aen_agents.find_symmetries import Result
from aen_agents.search import Search

QUICK = ["training.epochs=3", "child.hidden=[6]", "budget.children=8", "selection.seeds=2", "evaluator.workers=1"]


def mirrored() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.str_]]:
    """Return images of which half are mirrored, and names of their classes."""
    source = np.random.default_rng(0)
    templates = source.normal(size=(3, 6, 6))
    labels = np.arange(300) % 3
    images = templates[labels] + 0.4 * source.normal(size=(300, 6, 6))
    images[::2] = images[::2, :, ::-1]
    return np.clip(128 + 40 * images, 0, 255).astype(np.uint8), np.array(["cat", "ant", "bee"])[labels]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Result:
    images, labels = mirrored()
    folder = tmp_path_factory.mktemp("found") / "run"
    result = aen.find_symmetries(images, labels, minutes=None, overrides=QUICK, folder=folder)
    assert isinstance(result, Result)
    return result


def test_the_result_holds_verdict_and_network(found: Result) -> None:
    assert found.summary.status == "complete"
    assert found.verdict == str(found)
    assert found.verdict
    assert isinstance(found.model, torch.nn.Module)
    assert found.model.spec.name.startswith(found.decomposition.name)


def test_predictions_are_labels_as_given(found: Result) -> None:
    images, labels = mirrored()
    assert found.classes.tolist() == ["ant", "bee", "cat"]
    predicted = found.predict(images)
    assert (predicted == labels).mean() > 0.7
    probabilities = found.predict_proba(images[:5])
    assert probabilities.shape == (5, 3)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (found.classes[probabilities.argmax(axis=1)] == predicted[:5]).all()


def test_images_of_another_shape_are_refused(found: Result) -> None:
    with pytest.raises(DataError, match=r"images of 5x6x1 .*takes 6x6x1"):
        found.predict(np.zeros((2, 5, 6), np.uint8))
    with pytest.raises(DataError, match=r"images is of float64, but the network takes uint8"):
        found.predict(mirrored()[0] / 255)


def test_images_of_16_bits_are_predicted_as_they_were_given() -> None:
    images, labels = mirrored()
    deep = images.astype(np.uint16) * 257
    result = aen.find_symmetries(deep, labels, minutes=None, overrides=QUICK)
    assert isinstance(result, Result)
    assert (result.predict(deep) == labels).mean() > 0.7
    assert result.predict_proba(deep[:9]) == pytest.approx(result.predict_proba((deep[:9] / 257).astype(np.float32)))


@pytest.mark.parametrize("kind", ["bool", "bytes", "line end"])
def test_labels_of_any_kind_come_back(kind: str) -> None:
    images, names = mirrored()
    some = {"bool": names == "cat", "bytes": names.astype("S"), "line end": np.char.add(names, "\n")}[kind]
    quick = ["training.epochs=10", "child.hidden=[6]", "budget.children=2", "selection.seeds=2", "evaluator.workers=1"]
    result = aen.find_symmetries(images, some, minutes=None, overrides=quick)
    predicted = result.predict(images)
    assert predicted.dtype == some.dtype
    assert (predicted == some).mean() > 0.6


def test_the_top_of_the_report_is_shown_in_a_notebook(found: Result, tmp_path: Path) -> None:
    html = found._repr_html_()
    assert html.startswith("<p><strong>")
    assert "<table>" in html
    assert "Before training" in html
    file = found.report(tmp_path / "mine.html")
    assert file.read_text().startswith("<!")


def test_the_same_call_gives_the_same_result(found: Result) -> None:
    images, labels = mirrored()
    again = aen.find_symmetries(images, labels, minutes=None, overrides=QUICK)
    assert again.verdict == found.verdict
    assert (again.predict_proba(images) == found.predict_proba(images)).all()
    temporary = again.run.path
    assert temporary.is_dir()
    del again
    assert not temporary.exists()


def test_a_finished_folder_is_not_searched_again(found: Result) -> None:
    images, labels = mirrored()
    before = (found.run.path / "log.jsonl").read_bytes()
    aen.find_symmetries(images, labels, minutes=None, overrides=QUICK, folder=found.run.path)
    assert (found.run.path / "log.jsonl").read_bytes() == before


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    images, labels = mirrored()
    with pytest.raises(DataError, match="floating-point"):
        aen.find_symmetries(images, np.arange(300) / 7.0)
    with pytest.raises(AenError, match="labels"):
        aen.find_symmetries(images, labels[:-1])
    with pytest.raises(AenError, match=r"agent\.levl"):
        aen.find_symmetries(images, labels, overrides=["agent.levl=1"], folder=tmp_path / "run")
    with pytest.raises(AenError, match="minutes"):
        aen.find_symmetries(images, labels, minutes=-1)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ("x", "'x'"),
        ("5", "'5'"),
        (-1, "-1, of type int,"),
        (0.0, "0.0, of type float,"),
        (float("nan"), "nan, of type float,"),
        (True, "True, of type bool,"),
    ],
)
def test_minutes_that_are_none_are_named(minutes: Any, said: str) -> None:
    with pytest.raises(AenError, match=f"^minutes is {said} but must be a number above 0, such as 5, or None for no "):
        aen.find_symmetries(*mirrored(), minutes=minutes)


@pytest.mark.parametrize(
    ("images", "labels", "overrides", "said"),
    [
        (60, np.zeros(60, int), [], "all 60 images are of one class"),
        (3, np.arange(3) % 2, [], "class '0' has 2 images and 1 other classes too few"),
        (60, np.arange(60) % 2, ["data.lift_sign=true"], "data.lift_sign is for signals"),
    ],
)
def test_arrays_that_cannot_be_searched_are_named(
    images: int, labels: npt.NDArray[np.int64], overrides: list[str], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        aen.find_symmetries(mirrored()[0][:images], labels, overrides=overrides)
    assert str(caught.value).startswith(f"arrays: {said}")
    assert ".npz" not in str(caught.value)


def test_errors_of_the_search_itself_name_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(search: Search, _: object) -> None:
        raise DataError(f"{search.config.data.name}: two images are one.")

    monkeypatch.setattr(Search, "run", fail)
    with pytest.raises(DataError, match=r"^arrays: two images are one\.$"):
        aen.find_symmetries(*mirrored(), overrides=QUICK)


def test_importing_aen_stays_light() -> None:
    code = "import sys, aen; print('find_symmetries' in aen.__all__, *({'torch', 'aen_agents'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_without_the_agents_there_is_a_remedy() -> None:
    code = "import sys; sys.modules['aen_agents'] = None; import aen; aen.find_symmetries"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AenError: aen.find_symmetries needs the package" in done.stderr
    assert "pip install aen" in done.stderr


def test_a_search_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(_: Event) -> None:
        raise KeyboardInterrupt

    images, labels = mirrored()
    with pytest.raises(KeyboardInterrupt):
        aen.find_symmetries(images, labels, minutes=None, overrides=QUICK, listener=stop)
    assert list(tmp_path.iterdir()) == []
