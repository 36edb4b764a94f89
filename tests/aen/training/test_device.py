"""Choosing a device, and predicting the memory that a training needs on it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec
from aen.data import DataSpec, load_dataset
from aen.training import choose_device, idle_gpus, training_bytes

DATA = DataSpec(train=100, validation=100, test=100)
CHILDREN = {
    "dense": DenseSpec(data=DATA, grids=(8, 16, 16)),
    "gcnn": GCNNSpec(data=DATA, side=8, padding="same", width=4),
    "equinas": EquiNASSpec(data=DATA, side=8, width=2),
}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with two GPUs, as far as torch says."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    return monkeypatch


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without a GPU")
def test_without_a_gpu_the_cpu_is_chosen() -> None:
    assert choose_device() == "cpu"


@pytest.mark.usefixtures("gpus")
def test_with_a_gpu_it_is_chosen() -> None:
    assert choose_device() == "cuda"


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("device", "said"),
    [("cpu", "2 GPUs of this machine stay idle"), ("cuda", "1 GPU of this machine stays idle"), ("cuda:1", "1 GPU of")],
)
def test_idle_gpus_are_counted(device: str, said: str) -> None:
    assert idle_gpus(device).startswith(said)


def test_no_gpu_is_idle_where_there_is_one_and_it_is_used(gpus: pytest.MonkeyPatch) -> None:
    gpus.setattr("torch.cuda.device_count", lambda: 1)
    assert idle_gpus("cuda") == ""


def test_a_card_that_torch_was_not_built_for_is_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.version.cuda", None)
    monkeypatch.setattr("aen.training.device._NVIDIA", tmp_path)
    assert idle_gpus("cpu") == ""
    (tmp_path / "0000:01:00.0").mkdir()
    assert "1 GPU of this machine cannot be used: this torch was built without CUDA" in idle_gpus("cpu")
    monkeypatch.setattr("torch.version.cuda", "13.0")  # it was hidden from this process
    assert idle_gpus("cpu") == ""


@pytest.mark.parametrize("kind", CHILDREN)
def test_memory_grows_with_the_batch_and_with_the_network(kind: str) -> None:
    spec, dataset = CHILDREN[kind], load_dataset(DATA)
    needed = training_bytes(spec, dataset)
    training = replace(spec.training, batch_size=10_000)
    assert training_bytes(replace(spec, training=training), dataset) > needed
    assert needed > sum(split.images.nbytes for split in (dataset.train, dataset.validation))
    wider: ChildSpec = replace(spec, grids=(8, 32, 32)) if isinstance(spec, DenseSpec) else replace(spec, width=16)
    assert training_bytes(wider, dataset) > needed


def test_memory_of_a_population_grows_with_its_size() -> None:
    dataset = load_dataset(DATA)
    one, many = (training_bytes(CHILDREN["dense"], dataset, population=size) for size in (1, 64))
    assert many > 2 * one


def test_what_convolutions_keep_is_counted() -> None:
    """Four convolutions of 4 fields on 8x8 images, and what the ReLUs keep, for each image of the batch."""
    spec = replace(CHILDREN["gcnn"], training=replace(CHILDREN["gcnn"].training, batch_size=1000))
    at_least = 1000 * 4 * 4 * (8 * 8 + 8 * 8 + 4 * 4 + 4 * 4)
    needed = training_bytes(spec, load_dataset(DATA))
    assert at_least < needed < 40 * at_least
