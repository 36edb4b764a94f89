"""aen train, aen evaluate and aen predict on a finished run."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import aen
from aen._typing import JsonDict
from aen.data import load_dataset
from aen.errors import StoreError
from aen.training import quality_of
from aen_agents.cli.main import main
from aen_agents.network import find_model, predict
from aen_agents.network.pictures import confusion_picture
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder


@pytest.fixture
def run(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> Path:
    shutil.copytree(finished[0].path, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for place in ("b.png", "a.png", "inner/c.PNG", "d.jpg"):
        Image.fromarray(draw.integers(256, size=(20, 20), dtype=np.uint8)).save(folder / place)
    return folder


def test_the_winner_is_trained_on_all_images_and_then_used(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(run), "epochs=3", "learning_rate=0.02"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1,557 training images (120 in the search), at most 3 epochs" in out
    child, folder = find_model(run).child, run / "trained"
    assert child.spec.data.all_training
    assert child.spec.training.epochs == 3
    names = {"spec.json", "weights.safetensors", "preprocessing.json", "data.json", "training.json", "training.svg"}
    assert {file.name for file in folder.iterdir()} == names
    assert not (run / "training").exists()
    written = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    data = load_dataset(child.spec.data)
    accuracy = float((child(data.validation.images).argmax(1) == data.validation.labels).double().mean())
    assert accuracy == pytest.approx(written["validation_accuracy"])
    assert aen.load(run).spec.key != child.spec.key, "aen.load returns the winner of the search as before"

    before = (folder / "weights.safetensors").read_bytes()
    assert main(words) == 0
    assert "nothing was trained" in capsys.readouterr().out
    assert main(["train", str(run), "epochs=4"]) == 2
    assert "epochs is 3 there, 4 here" in capsys.readouterr().err
    assert (folder / "weights.safetensors").read_bytes() == before
    assert main(["train", str(run), "epochs=4", "--restart"]) == 0
    assert find_model(run).child.spec.training.epochs == 4


def test_a_damaged_trained_network_is_trained_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(run), "epochs=1"]
    assert main(words) == 0
    weights = run / "trained" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\xff" * 8)
    with pytest.raises(StoreError, match=f"aen train {run}"):
        find_model(run)
    assert main(words) == 0
    assert "nothing was trained" not in capsys.readouterr().out
    assert find_model(run).child.spec.training.epochs == 1


@pytest.mark.parametrize("checkpoint", [True, False])
def test_the_command_that_is_named_after_an_interruption_resumes(
    checkpoint: bool, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(folder: RunFolder, *_: object, **__: object) -> None:
        if checkpoint:
            (folder.path / "training").mkdir()
            (folder.path / "training" / "checkpoint.safetensors").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr("aen_agents.network.train.train_run", interrupted)
    assert main(["train", str(run), "epochs=3", "--augment", "--restart"]) == 130
    flags = "--augment" if checkpoint else "--augment --restart"
    assert f"train {run} epochs=3 {flags}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["epoch=3"], "unknown key 'epoch' (did you mean 'epochs'?)"),
        (["epochs=0"], "epochs is 0"),
        (["epochs=2.5"], "epochs is 2.5"),
        (["learning_rate=nan"], "learning_rate is"),
        (["threads=999"], "threads is 999"),
        (["device=gpu"], "unknown device 'gpu'"),
    ],
)
def test_wrong_settings_leave_nothing(
    words: list[str], why: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(run), *words]) == 2
    assert why in capsys.readouterr().err
    assert not (run / "training").exists()
    assert not (run / "trained").exists()


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_run_without_a_winner_is_named(command: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "best")
    assert main([command, str(run)]) == 2
    assert "has no winner yet" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_folder_that_is_no_run_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_an_evaluation_has_all_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["on"], found["images"]) == ("best", "validation", 120)
    confusion = np.array(found["confusion"])
    assert confusion.sum() == 120
    assert found["accuracy"] == pytest.approx(np.trace(confusion) / 120)
    low, high = found["accuracy_interval"]
    assert low < found["accuracy"] < high
    assert "test_reads" not in found
    moved = {own["name"]: own for own in found["transformations"]}
    assert {"rot90", "hflip", "vflip", "swap_lr"} <= set(moved)
    for generator in find_model(run).spec.symmetries:
        assert moved[generator.name]["kept"], "the tied network has an invariant head"
    assert json.loads((run / "evaluation" / "best-validation.json").read_text(encoding="utf-8")) == found
    assert (run / "evaluation" / "best-validation-confusion.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_long_name_of_a_class_leaves_room_for_the_matrix() -> None:
    logits, labels = torch.eye(3).repeat(4, 1), torch.arange(12) % 3
    picture = confusion_picture(quality_of(logits, labels, ("$x$", "b" * 120, "c")))
    assert f"{'b' * 21}..." in picture
    assert "b" * 22 not in picture
    assert "$x$" in picture


def test_readings_of_the_test_images_are_counted(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for reads in (2, 3):
        assert main(["evaluate", str(run), "--split", "test"]) == 0
        assert f"test read {reads} times" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    report = build_report(RunFolder.open(run)).read_text(encoding="utf-8")
    assert "the test images were read 3 times" in report


def test_the_searchs_own_data_is_no_other_data(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--data", "digits"]) == 2
    assert "is the data of the search" in capsys.readouterr().err


def test_files_folders_and_patterns_are_predicted(run: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = photos.parent / "p.csv"
    assert main(["predict", str(run), str(photos), str(photos / "b.png"), f"{photos}/*.jpg", "--csv", str(table)]) == 0
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [Path(row["image"]).name for row in rows]
    assert names == ["a.png", "b.png", "d.jpg", "c.PNG", "b.png", "d.jpg"]
    assert rows[1] == rows[4]
    assert all(float(r["probability"]) >= float(r["probability_2"]) >= float(r["probability_3"]) for r in rows)
    assert "divided by 255" in capsys.readouterr().err


def test_the_size_of_a_batch_changes_nothing_but_rounding(run: Path, photos: Path) -> None:
    model = find_model(run)
    one, all_at_once = (list(predict(model, [str(photos)], batch=batch)) for batch in (1, 256))
    assert [own.classes for own in one] == [own.classes for own in all_at_once]
    for own, other in zip(one, all_at_once, strict=True):
        assert own.probabilities == pytest.approx(other.probabilities, abs=1e-4)


def test_stored_images_of_an_npz_are_predicted_as_in_the_search(run: Path, tmp_path: Path) -> None:
    model = find_model(run)
    preprocessing, split = model.preprocessing(), load_dataset(model.spec.data).validation
    stored = (split.images * preprocessing.deviation + preprocessing.mean).numpy()[:, 0]
    np.savez(tmp_path / "some.npz", images=stored)
    found = [int(own.classes[0]) for own in predict(model, [str(tmp_path / "some.npz")])]
    assert np.mean(np.array(found) == model.child(split.images).argmax(1).numpy()) > 0.99


def test_broken_images_are_named_and_the_others_predicted(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a.png").write_bytes((photos / "a.png").read_bytes()[:60])
    (photos / "empty.png").touch()
    assert main(["predict", str(run), str(photos)]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "a.png: " in said.err
    assert "empty.png: it is empty" in said.err
    assert "2 of 5 images" in said.err


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "does not exist"),
        ("*.png", "no file matches"),
        ("empty", "folder without images"),
        ("pipe.png", "neither a file nor a folder"),
    ],
)
def test_missing_images_are_named(
    name: str, why: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    if name == "pipe.png":
        os.mkfifo(tmp_path / name)
    table = tmp_path / "p.csv"
    assert main(["predict", str(run), str(tmp_path / name), "--csv", str(table)]) == 2
    assert why in capsys.readouterr().err
    assert not table.exists()
