"""`aen data ...` as a user calls it."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import failing_mirror, fake_data

import aen.data.find
from aen.data import SOURCES, load_dataset, load_test_split
from aen.data.source import Download, Recipe
from aen.errors import DataError
from aen_agents.cli.main import main
from aen_agents.config import SearchConfig
from aen_agents.problem import child_of
from aen_agents.search import Search


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only data folder."""
    data = tmp_path / "sets"
    data.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(aen.data.find, "SHARED_FOLDER", tmp_path / "shared")
    monkeypatch.setenv("AEN_DATA", str(data))
    monkeypatch.setenv("no_proxy", "*")
    return data


def test_list_shows_every_name_and_where_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_data.write_mnist(folder)
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert rows["digits"].endswith("8x8        scikit-learn")
    assert rows["mnist"].endswith(f"28x28      {folder}/MNIST/raw")
    assert rows["rotmnist-rebuilt"].endswith(f"made from mnist: {folder}/MNIST/raw")
    assert rows["svhn"].endswith("32x32x3    not found")
    assert "60,000 + 10,000" in rows["fashion_mnist"]
    assert lines[-1].startswith(f"Folders searched: {folder}, data (no such folder)")


def test_list_goes_on_after_a_data_set_that_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_data.write_mnist(folder.parent, folder="outside")
    (folder / "MNIST").symlink_to(folder.parent / "outside")
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert "unusable: " in out
    assert "svhn" in out


def test_large_images_are_listed_without_being_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # What is listed is not opened: these files hold nothing.
    fake_data.write(folder / "Galaxy10_DECals.h5", b"")
    fake_data.write(folder / "isic/ISIC_2019_Training_GroundTruth.csv", b"")
    (folder / "isic/ISIC_2019_Training_Input").mkdir()
    assert main(["data", "list"]) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"galaxy10 17,736 10 256x256x3 {folder}" in rows
    assert f"galaxy10-64 17,736 10 64x64x3 made from galaxy10: {folder}" in rows
    assert f"isic 25,331 8 256x256x3 {folder}/isic" in rows
    assert f"isic-64 25,331 8 64x64x3 made from isic: {folder}/isic" in rows
    assert "isic:skip-missing and isic-64:skip-missing leave out the images whose files are missing." in rows


def test_check_says_what_is_missing_or_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = fake_data.write_isic(folder)
    (folder / "ISIC_2019_Training_Input" / f"{written.names[0]}.jpg").unlink()
    assert main(["data", "check", "isic-64"]) == 2
    assert "lacks 1 of the 16 images" in capsys.readouterr().err
    assert main(["data", "check", "isic-64:skip-missing"]) == 0
    out = capsys.readouterr().out
    assert "all: 15 images; per class: 1 2 2 2 2 2 2 2\n" in out
    assert out.endswith("note: 15 images, where 25,331 were published\nisic-64:skip-missing is ok\n")


def test_check_says_ok_or_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_data.write_emnist(folder, "digits", 10)
    assert main(["data", "check", "emnist-digits"]) == 0
    out = capsys.readouterr().out
    assert "training: 20 images; per class: 2 2 2 2 2 2 2 2 2 2\n" in out
    assert out.endswith("emnist-digits is ok\n")
    path = folder / "EMNIST/raw/emnist-digits-train-labels-idx1-ubyte.gz"
    path.write_bytes(b"\x1f\x8bjunk")
    assert main(["data", "check", "emnist-digits"]) == 2
    captured = capsys.readouterr()
    assert f"aen: error: {path}: the gzip file is corrupted" in captured.err
    assert "is ok" not in captured.out


def test_fetch_without_a_mirror_that_answers(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist = SOURCES["mnist"]
    assert mnist.recipe is not None
    monkeypatch.setitem(
        SOURCES, "mnist", replace(mnist, recipe=Recipe(("http://nowhere.invalid/",), mnist.recipe.files))
    )
    for name in ("mnist", "gmnist-rot90"):
        assert main(["data", "fetch", name]) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert "Without a network: get train-images-idx3-ubyte.gz by other means" in error
        assert "then run: aen data check mnist" in error
    assert main(["data", "fetch", "digits"]) == 2
    assert main(["data", "fetch", "mnist", "--mirror", "file:///etc"]) == 2
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_fetch_goes_on_after_a_fault(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_data.write_svhn(folder.parent / "origin")
    with failing_mirror.running() as mirror:
        mirror.files = {f"/svhn/{path.name}": path.read_bytes() for path in (folder.parent / "origin").iterdir()}
        mirror.plan["/svhn/test_32x32.mat"] = ["drop", "good"]
        files = [
            Download(path[6:], path[6:], hashlib.md5(content, usedforsecurity=False).hexdigest())
            for path, content in sorted(mirror.files.items())
        ]
        recipe = Recipe(("http://nowhere.invalid/",), tuple(files))
        monkeypatch.setitem(SOURCES, "svhn", replace(SOURCES["svhn"], recipe=recipe))
        there = folder.parent / "there"
        assert main(["data", "fetch", "svhn", "--mirror", f"{mirror.url}svhn", "--to", str(there)]) == 0
    out = capsys.readouterr().out
    assert out.endswith(f"{there}/test_32x32.mat\n{there}/train_32x32.mat\n")
    assert sorted(path.name for path in there.iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    monkeypatch.setenv("AEN_DATA", str(there))
    assert main(["data", "check", "svhn"]) == 0
    assert capsys.readouterr().out.count(": as published\n") == 2


def test_build_writes_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake_data.write_mnist(folder)
    out = folder.parent / "built"
    assert main(["data", "build", "gmnist", "--variant", "multi-1", "--seed", "4", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}/gmnist-multi-1.npz\n"
    assert main(["data", "check", str(out / "gmnist-multi-1.npz")]) == 0
    assert main(["data", "build", "gmnist", "--variant", "multi-7", "--out", str(out)]) == 2
    assert "did you mean 'multi-" in capsys.readouterr().err


def test_build_all_variants(folder: Path) -> None:
    fake_data.write_mnist(folder)
    out = folder.parent / "built"
    assert main(["data", "build", "gmnist", "--variant", "all", "--out", str(out)]) == 0
    assert len(list(out.glob("*.npz"))) == len(list(out.glob("*.json"))) == 19


def test_data_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert "fetch" in capsys.readouterr().out


def test_the_help_stays_light() -> None:
    code = (
        "import sys; from aen_agents.cli.main import main; main(['data']); print(*({'torch', 'rich'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n\n")


CONFIG = {
    "name": "by-name",
    "alphabet": ["rot90", "hflip"],
    "child": {"hidden": [8]},
    "training": {"epochs": 1},
    "environment": {"horizon": 2},
    "budget": {"children": 2, "steps": 8},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 4, "layers": [8]},
    "selection": {"top": 1, "seeds": 2},
}
SIZES = {"train": 40, "validation": 20, "test": 20}


def config(name: str, **data: object) -> SearchConfig:
    return SearchConfig.model_validate({**CONFIG, "data": {"name": name, **SIZES, **data}})


def test_a_files_content_is_part_of_the_key(folder: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (80, 28, 28), dtype=np.uint8)
    arrays = {"images": images, "labels": np.arange(80) % 10}
    path = fake_data.write_npz(folder / "mine.npz", **arrays)
    before = child_of(config("mine.npz"))
    assert child_of(config("mine.npz")).key == before.key
    load_dataset(before.data)
    arrays["images"][0] = 1
    fake_data.write_npz(path, **arrays)
    assert child_of(config("mine.npz")).key != before.key
    with pytest.raises(DataError, match="has changed: the checksum of its content does not begin with"):
        load_test_split(replace(before.data, split_seed=1))


def test_which_images_are_there_is_part_of_the_key(folder: Path) -> None:
    written = fake_data.write_isic(folder)
    jpg = folder / "ISIC_2019_Training_Input" / f"{written.names[3]}.jpg"
    sizes = {"train": 8, "validation": 4, "test": 3}
    gcnn = SearchConfig.model_validate(
        {"name": "skin", "child": {"kind": "gcnn"}, "data": {"name": "isic-64:skip-missing", **sizes}}
    )
    before = child_of(gcnn)
    assert child_of(gcnn).key == before.key
    jpg.unlink()
    assert child_of(gcnn).key != before.key
    with pytest.raises(DataError, match="has changed: other images are there than when isic-64:skip-missing@"):
        load_dataset(before.data)


def test_a_benchmark_is_used_by_name_and_its_moves_are_seen(folder: Path) -> None:
    fake_data.write_mnist(folder)
    child = child_of(config("gmnist-hflip"))
    assert child == child_of(config("mnist", moves=["hflip"]))
    assert child.grids == (28, 8)
    hidden = Search(config("gmnist-hflip"), lambda _: None)._hidden()
    assert hidden is not None
    assert hidden.name == "hflip"
    assert Search(config("gmnist-none"), lambda _: None)._hidden() is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gmnist-hflop", "unknown variant 'hflop' (did you mean 'hflip'?)"),
        ("kmnist", "aen data fetch kmnist"),
        ("cifar10", "data set 'cifar10' has 3 channels; the dense child needs grey images"),
        ("../x.npz", "data path '../x.npz' does not exist"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_search_without_usable_images_says_why(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config(name).to_yaml())
    assert main(["search", str(path), "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err


def test_real_mnist_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    if "AEN_DATA" not in os.environ:
        pytest.skip("AEN_DATA is not set")
    assert main(["data", "list"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mnist ")]
    assert "not found" not in row
