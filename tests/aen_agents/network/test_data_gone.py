"""Own data that changes or moves away after a search, and other data for its network."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from aen.export import export
from aen_agents.cli.main import main
from aen_agents.network import find_model, predict

QUICK = ("training.epochs=3", "child.hidden=[6]", "budget.children=3", "selection.seeds=2", "evaluator.workers=1")
NAMES = ("ant", "bee", "cat")


def images_of(count: int = 90, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return images from 0 to 1 of three classes that can be told apart."""
    source = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = np.random.default_rng(0).normal(size=(3, 6, 6))[labels] + 0.3 * source.normal(size=(count, 6, 6))
    return np.clip(0.5 + images / 6, 0, 1).astype(np.float32), labels


def write_npz(path: Path, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
    np.savez(path, images=images, labels=labels, class_names=np.array(NAMES))


@pytest.fixture
def searched(tmp_path: Path) -> tuple[Path, Path]:
    """Return the file of a search, and its finished run."""
    file, run = tmp_path / "images.npz", tmp_path / "run"
    write_npz(file, *images_of())
    assert main(["search", "--data", str(file), "--minutes", "5", "--out", str(run), *QUICK]) == 0
    return file, run


@pytest.mark.parametrize("change", ["labels", "fewer"])
def test_a_run_whose_data_has_changed_is_left_as_it_is(
    change: str, searched: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = searched
    before = (run / "summary.json").read_bytes()
    content, (images, labels) = file.read_bytes(), images_of()
    write_npz(file, images, labels[::-1].copy()) if change == "labels" else write_npz(file, images[:60], labels[:60])
    for files in ((), ("run.json",)):  # a run of an earlier version has its winner's spec alone
        if files:
            text = (run / "run.json").read_text(encoding="utf-8")
            assert '"data_pin"' in text
            (run / "run.json").write_text(text.replace('"data_pin"', '"other"'), encoding="utf-8")
        assert main(["resume", str(run)]) == 2
        assert f"the data {file} has changed since the run in {run} was started" in capsys.readouterr().err
        assert (run / "summary.json").read_bytes() == before
    file.write_bytes(content)
    assert main(["resume", str(run)]) == 0
    assert "complete; nothing was run" in capsys.readouterr().out


def test_an_unfinished_run_does_not_go_on_with_other_data(
    searched: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = searched
    for name in ("summary.json", "best/spec.json"):
        (run / name).unlink()
    images, labels = images_of()
    write_npz(file, images, labels[::-1].copy())
    assert main(["resume", str(run)]) == 2
    assert "has changed since the run" in capsys.readouterr().err


def test_names_of_classes_outlive_the_data(searched: tuple[Path, Path], tmp_path: Path) -> None:
    file, run = searched
    images, _ = images_of(3, seed=5)
    photos = tmp_path / "photos"
    (photos / "@eaDir").mkdir(parents=True)
    for number, image in enumerate(images):
        pixels = Image.fromarray(np.round(image * 255).astype(np.uint8))
        pixels.save(photos / f"{number}{('.png', '.jfif', '.dib')[number]}")
        pixels.save(photos / "@eaDir" / f"{number}.png")
    here = [(p.name, p.classes[0], p.probabilities[0]) for p in predict(find_model(run), [str(photos)])]
    assert [name for _, name, _ in here] == list(NAMES)
    file.unlink()
    gone = [(p.name, p.classes[0], p.probabilities[0]) for p in predict(find_model(run), [str(photos)])]
    assert gone == here, "also how pixels are scaled"
    out = export(run, "safetensors", tmp_path / "exported").path
    assert all(f'"{name}"' in (out / "config.json").read_text(encoding="utf-8") for name in NAMES)


def test_what_is_kept_of_the_data_has_a_checksum(
    searched: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = searched
    kept = run / "best" / "data.json"
    kept.write_text(kept.read_text(encoding="utf-8").replace("bee", "bea"), encoding="utf-8")
    np.savez(file.with_name("new.npz"), images=images_of()[0])
    assert main(["predict", str(run), str(file.with_name("new.npz"))]) == 2
    assert f"{kept} is damaged" in capsys.readouterr().err
    kept.unlink()
    assert find_model(run).class_names() == NAMES


@pytest.mark.parametrize("factor", [255, 1 / 255])
def test_other_data_of_another_scale_is_refused(
    factor: float, searched: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = searched
    images, labels = images_of(60, seed=2)
    other = file.with_name("other.npz")
    write_npz(other, images, labels)
    assert main(["evaluate", str(run), "--data", str(other)]) == 0
    write_npz(other, (images * factor).astype(np.float32), labels)
    assert main(["evaluate", str(run), "--data", str(other)]) == 2
    assert "give images of the same scale" in capsys.readouterr().err
