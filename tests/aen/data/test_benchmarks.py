import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import fake_data
from helpers.full_disk import files_no_longer_than

from aen.data import BENCHMARKS, VARIANTS, DataSpec, find_source, load_dataset, load_test_split, move_images
from aen.data.benchmarks import BENCHMARK_NAMES
from aen.data.build import build
from aen.errors import DataError
from aen.groups import Generator

SIZES = {"train": 40, "validation": 20, "test": 20}


def tensors(spec):
    dataset, test = load_dataset(spec), load_test_split(spec)
    return [t for split in (dataset.train, dataset.validation, test) for t in (split.images, split.labels)]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_there_are_13_single_and_6_multiple_variants_of_both():
    assert len(BENCHMARK_NAMES) == 2 * 19
    assert sum(len(moves) <= 1 for moves in VARIANTS.values()) == 14  # multi-0 is none again
    assert VARIANTS["multi-0"] == VARIANTS["none"] == ()
    assert VARIANTS["multi-1"] == ("hflip", "vflip", "swap_lr", "swap_lr_bottom")
    assert VARIANTS["multi-2"] == ("rot90", "hflip", "swap_tb_left", "swap_tb_right")
    assert VARIANTS["multi-3"] == ("rot90", "hshift(4)", "swap_tb", "swap_lr_top")
    assert VARIANTS["multi-4"] == ("rot90", "hflip", "vflip", "hshift(4)", "vshift(4)", "quadrants")
    assert len(VARIANTS["multi-5"]) == 12
    for moves in VARIANTS.values():
        for move in moves:
            assert Generator.parse(move).order(28) > 1


@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_a_benchmarks_name_stands_for_its_data_set_and_moves(name):
    basis, _, variant = name.partition("-")
    spec = DataSpec(name, **SIZES)
    assert spec == DataSpec(BENCHMARKS[basis], moves=VARIANTS[variant], **SIZES)
    assert DataSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert replace(spec, train=30).moves == spec.moves
    assert find_source(name) is find_source(BENCHMARKS[basis])


def test_another_name_of_the_same_images_is_the_same_spec():
    assert DataSpec("emnist") == DataSpec("emnist-balanced")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "gmnist-multi-3", "moves": ("hflip",)},
            r"data.moves is \['hflip'\], but 'gmnist-multi-3' already includes moves",
        ),
        ({"name": "gmnist-multi3"}, "unknown variant 'multi3'.*did you mean 'multi-3'"),
        ({"name": "gfashion_mnist-"}, "unknown variant ''"),
        ({"name": "gmnist"}, "data set 'gmnist' needs a variant: gmnist-none"),
    ],
)
def test_a_bad_benchmark_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        DataSpec(**arguments)


@pytest.mark.parametrize("angles", ["quarter", "any"])
@pytest.mark.parametrize("variant", ["none", "rot90", "vshift", "multi-3", "multi-5"])
def test_built_images_equal_those_used_by_name(data_folder, variant, angles):
    fake_data.write_mnist(data_folder)
    path = build("gmnist", data_folder / "built", variant=variant, angles=angles, seed=7)
    by_name = tensors(DataSpec(f"gmnist-{variant}", angles=angles, moves_seed=7, **SIZES))
    assert same(by_name, tensors(DataSpec(str(path), split="random", **SIZES)))
    if variant != "none":
        assert not same(by_name, tensors(DataSpec("mnist", **SIZES)))


def test_the_rebuilt_rotated_mnist_equals_the_one_by_name(data_folder):
    fake_data.write_mnist(data_folder)
    path = build("rotmnist-rebuilt", data_folder / "built")
    sizes = {"train": 10, "validation": 5, "test": 60}
    assert same(tensors(DataSpec("rotmnist-rebuilt", **sizes)), tensors(DataSpec(str(path), split="random", **sizes)))


def test_every_image_is_moved_as_its_place_says(data_folder):
    written = fake_data.write_mnist(data_folder)
    path = build("gmnist", data_folder, variant="multi-4", seed=3)
    pool = torch.from_numpy(written.images)
    moved = move_images(pool, VARIANTS["multi-4"], angles="quarter", seed=3)
    assert moved.dtype == torch.uint8
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["train_images"], moved[:60, 0].numpy())
        np.testing.assert_array_equal(arrays["test_images"], moved[60:, 0].numpy())
        np.testing.assert_array_equal(arrays["train_labels"], written.train_labels)
    places = np.array([70, 3, 11])
    alone = move_images(pool[places], VARIANTS["multi-4"], angles="quarter", seed=3, places=places)
    assert torch.equal(alone, moved[places])


def test_any_angle_rounds_bytes_and_does_not_depend_on_the_company():
    images = torch.from_numpy(fake_data.make(2100, 1).train)
    moved = move_images(images, ["rot90"], angles="any", seed=5)
    exact = move_images(images.double(), ["rot90"], angles="any", seed=5)
    assert moved.dtype == torch.uint8
    assert (moved.double() - exact).abs().max() <= 0.5 + 1e-9
    places = np.random.default_rng(0).permutation(2100)[:50]
    assert torch.equal(move_images(images[places], ["rot90"], angles="any", seed=5, places=places), moved[places])


def test_the_same_seed_gives_the_same_bytes(data_folder):
    fake_data.write_mnist(data_folder)
    folders = [data_folder / name for name in ("one", "two", "other")]
    paths = [build("gmnist", out, variant="multi-2", seed=seed) for out, seed in zip(folders, (0, 0, 1), strict=True)]
    one, two, other = (path.read_bytes() for path in paths)
    assert one == two
    assert one != other
    manifests = [path.with_suffix(".json").read_text() for path in paths]
    assert manifests[0] == manifests[1]
    manifest = json.loads(manifests[0])
    assert manifest["sha256"] == hashlib.sha256(one).hexdigest()
    assert manifest["moves"] == list(VARIANTS["multi-2"])
    assert (manifest["seed"], manifest["angles"], manifest["variant"]) == (0, "quarter", "multi-2")
    assert manifest["arrays"]["train_images"] == {"shape": [60, 28, 28], "dtype": "uint8"}
    first = manifest["sources"][0]
    assert first["sha256"] == hashlib.sha256((data_folder / first["file"]).read_bytes()).hexdigest()
    # Building again is no fault, and changes nothing.
    assert build("gmnist", folders[0], variant="multi-2").read_bytes() == one


def test_fashion_and_colour_free_names(data_folder):
    fake_data.write_mnist(data_folder, folder="FashionMNIST/raw")
    assert build("gfashion_mnist", data_folder, variant="hflip", angles="any").name == "gfashion_mnist-hflip-any.npz"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "gmist", "variant": "none"}, "'gmist' cannot be built.*did you mean 'gmnist'"),
        ({"name": "gmnist"}, "gmnist needs a variant: none, rot90, multi-3"),
        ({"name": "gmnist", "variant": "multi-6"}, "unknown variant 'multi-6'.*did you mean 'multi-"),
        ({"name": "rotmnist-rebuilt", "variant": "none"}, "variant is 'none', but rotmnist-rebuilt has none"),
        ({"name": "gmnist", "variant": "none", "seed": -1}, "seed is -1; it must be"),
        ({"name": "gfashion_mnist", "variant": "none"}, "data set 'fashion_mnist' was not found"),
    ],
)
def test_what_cannot_be_built_is_refused_and_leaves_nothing(data_folder, arguments, message):
    fake_data.write_mnist(data_folder)
    out = data_folder / "out"
    with pytest.raises(DataError, match=message):
        build(out=out, **arguments)
    assert not out.exists()


def test_another_build_is_not_replaced(data_folder):
    fake_data.write_mnist(data_folder)
    path = build("gmnist", data_folder, variant="hflip", seed=0)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"gmnist-hflip.npz exists and is another build"):
        build("gmnist", data_folder, variant="hflip", seed=1)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(DataError, match=r"or without its manifest"):
        build("gmnist", data_folder, variant="hflip", seed=0)
    assert path.read_bytes() == before


@pytest.mark.parametrize("limit", [0, 60_000])
def test_a_full_disk_leaves_nothing_half_written(data_folder, limit):
    fake_data.write_mnist(data_folder)
    out = data_folder / "out"
    out.mkdir()
    message = "out/gmnist-hflip.npz cannot be written: File too large; make room"
    with files_no_longer_than(limit), pytest.raises(DataError, match=message):
        build("gmnist", out, variant="hflip")
    assert not any(out.iterdir())


def test_a_disk_that_fills_up_after_the_images_leaves_no_half_manifest(data_folder, monkeypatch):
    fake_data.write_mnist(data_folder)
    full, synced = OSError(28, "No space left on device"), os.fsync
    calls = []

    def third_fails(number):  # after the images and their folder
        calls.append(number)
        if len(calls) == 3:
            raise full
        synced(number)

    monkeypatch.setattr(os, "fsync", third_fails)
    with pytest.raises(DataError, match=r"gmnist-hflip.json cannot be written: No space left on device; make room"):
        build("gmnist", data_folder / "out", variant="hflip")
    assert [path.name for path in (data_folder / "out").iterdir()] == ["gmnist-hflip.npz"]


def test_a_folder_that_cannot_be_made_is_refused(data_folder):
    fake_data.write_mnist(data_folder)
    (data_folder / "file").write_text("")
    with pytest.raises(DataError, match=r"folder .*file/out cannot be made"):
        build("gmnist", data_folder / "file/out", variant="hflip")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gmnist", "gfashion_mnist"])
def test_real_benchmarks_equal_what_is_built(name, tmp_path):
    if "AEN_DATA" not in os.environ:
        pytest.skip("AEN_DATA is not set")
    path = build(name, tmp_path, variant="multi-3")
    sizes = {"train": 4000, "validation": 1000, "test": 1000}
    assert same(tensors(DataSpec(f"{name}-multi-3", **sizes)), tensors(DataSpec(str(path), split="random", **sizes)))
    assert find_source(str(path)).images == (60_000, 10_000)
