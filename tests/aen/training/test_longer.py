"""train_longer: any kind of child, cosine schedule, early stopping, augmentation, and bit-for-bit resuming."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec
from aen.children.training_spec import TrainingSpec
from aen.data import Dataset, DataSpec, load_dataset, load_test_split
from aen.errors import SpecError, StoreError
from aen.groups import Decomposition
from aen.training import Epoch, LongTraining, train_longer

DATA = DataSpec("digits", train=100, validation=60, test=60)
SMALL = {"side": 8, "width": 1, "kernel_size": 3, "dense": 8}
KINDS: dict[str, ChildSpec] = {
    "dense": DenseSpec(grids=(8, 6), decomposition=Decomposition.of(["hflip"]), head="free"),
    "gcnn": GCNNSpec(side=8, group="D1", padding="same", norm="batch", width=2, augmentations=("rotation",)),
    "equinas": EquiNASSpec(base="D1", **SMALL),  # type: ignore[arg-type]
    "mixed": EquiNASSpec(base="D1", mixed=("D1", "C1"), **SMALL),  # type: ignore[arg-type]
}
SPECS = {name: replace(spec, data=DATA, training=TrainingSpec(epochs=4, batch_size=32)) for name, spec in KINDS.items()}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset(DATA)


def _same(one: LongTraining, other: LongTraining) -> bool:
    theirs = other.child.state_dict()
    return one.curve == other.curve and all(torch.equal(v, theirs[k]) for k, v in one.child.state_dict().items())


class _StopError(Exception):
    pass


def _stop_after(number: int) -> object:
    def stop(epoch: Epoch) -> None:
        if epoch.number == number:
            raise _StopError

    return stop


@pytest.mark.parametrize("kind", SPECS)
def test_an_interrupted_training_ends_with_the_same_weights(kind: str, data: Dataset, tmp_path: Path) -> None:
    spec, file = SPECS[kind], tmp_path / "checkpoint.safetensors"
    augment = bool(spec.symmetries)
    whole = train_longer(spec, data, augment=augment)
    with pytest.raises(_StopError):
        train_longer(spec, data, augment=augment, checkpoint=file, on_epoch=_stop_after(2))  # type: ignore[arg-type]
    seen: list[Epoch] = []
    resumed = train_longer(spec, data, augment=augment, checkpoint=file, on_epoch=seen.append)
    assert _same(whole, resumed)
    assert seen == list(whole.curve), "epochs before the resume are reported, too"
    assert list(tmp_path.iterdir()) == [file]


_SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from aen.data import load_dataset
from aen.training import train_longer, save_weights
sys.path.insert(0, {folder!r})
from test_longer import DATA, SPECS
from dataclasses import replace
spec = replace(SPECS["dense"], training=replace(SPECS["dense"].training, epochs=400))
trained = train_longer(spec, load_dataset(DATA), checkpoint=Path(sys.argv[1]) if sys.argv[1] else None)
save_weights(trained.child, Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_training_that_is_killed_at_any_moment_ends_with_the_same_weights(tmp_path: Path) -> None:
    code = _SCRIPT.format(path=sys.path, folder=str(Path(__file__).parent))
    checkpoint = tmp_path / "checkpoint.safetensors"

    def start(file: Path | str, out: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", code, str(file), str(out)], env=os.environ)

    assert start("", tmp_path / "whole").wait() == 0
    for wait in (0.1, 0.35):
        process = start(checkpoint, tmp_path / "resumed")
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed before its end"
    assert start(checkpoint, tmp_path / "resumed").wait() == 0
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()


def test_the_learning_rate_falls_along_half_a_cosine(data: Dataset) -> None:
    spec = SPECS["dense"]
    rates = [epoch.learning_rate for epoch in train_longer(spec, data).curve]
    steps = 4 * math.ceil(100 / 32)
    wanted = [0.01 * (1 + math.cos(math.pi * (4 * e - 1) / steps)) / 2 for e in (1, 2, 3, 4)]
    assert rates == pytest.approx(wanted)


def test_the_weights_are_those_of_the_best_epoch(data: Dataset) -> None:
    spec = replace(SPECS["dense"], training=TrainingSpec(epochs=12, learning_rate=0.05))
    trained = train_longer(spec, data)
    best = max(trained.curve, key=lambda e: (e.validation_accuracy, -e.validation_loss))
    predicted = trained.child(data.validation.images).argmax(dim=1)
    assert trained.best == best
    assert float((predicted == data.validation.labels).double().mean()) == pytest.approx(best.validation_accuracy)


def test_training_stops_after_its_patience(data: Dataset) -> None:
    # With such steps the loss grows, so that no epoch is better than one of the first.
    spec = replace(SPECS["dense"], training=TrainingSpec(epochs=60, learning_rate=1e-7))
    trained = train_longer(spec, data, patience=1)
    assert trained.stopped in ("patience", "epochs")
    if trained.stopped == "patience":
        assert len(trained.curve) == trained.best.number + 1
    patient = train_longer(replace(spec, training=replace(spec.training, epochs=3)), data)
    assert (patient.stopped, len(patient.curve)) == ("epochs", 3)


def test_augmentation_by_the_symmetry_changes_the_training(data: Dataset) -> None:
    spec = SPECS["dense"]
    assert train_longer(spec, data, augment=True).curve != train_longer(spec, data).curve


def test_a_network_without_symmetry_is_not_augmented(data: Dataset) -> None:
    spec = DenseSpec(grids=(8, 6), data=DATA, training=TrainingSpec(epochs=2))
    with pytest.raises(SpecError, match="no symmetry"):
        train_longer(spec, data, augment=True)


def test_alpha_of_a_mixed_child_stays(data: Dataset) -> None:
    trained = train_longer(SPECS["mixed"], data).child.architecture()
    assert trained is not None
    assert all(bool((own == own[0]).all()) for own in trained.parameters)


def test_a_training_starts_from_given_weights(data: Dataset) -> None:
    spec = SPECS["dense"]
    first = train_longer(spec, data)
    second = train_longer(spec, data, start=first.child)
    assert second.curve[0].train_loss < first.curve[0].train_loss


def test_a_checkpoint_of_another_training_is_refused(data: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "c"
    train_longer(SPECS["dense"], data, checkpoint=file)
    before = file.read_bytes()
    other = replace(SPECS["dense"], seed=5)
    with pytest.raises(StoreError, match=r"another training: spec\.seed is 0 there, 5 here"):
        train_longer(other, data, checkpoint=file)
    file.write_bytes(before[:100])
    with pytest.raises(StoreError, match="damaged"):
        train_longer(SPECS["dense"], data, checkpoint=file)


def test_all_training_images_leave_validation_and_test_as_they_are() -> None:
    every = replace(DATA, all_training=True)
    small, large = load_dataset(DATA), load_dataset(every)
    assert len(large.train.labels) == 1797 - 60 - 60
    assert torch.equal(large.validation.labels, small.validation.labels)
    assert torch.equal(load_test_split(every).labels, load_test_split(DATA).labels)
    rows = {tuple(image.flatten().round(decimals=3).tolist()) for image in large.train.images}
    held = [large.validation.images, load_test_split(every).images]
    assert not any(tuple(i.flatten().round(decimals=3).tolist()) in rows for part in held for i in part)


def test_the_new_field_changes_no_key() -> None:
    assert "all_training" not in DATA.to_json()
    every = replace(DATA, all_training=True)
    assert DataSpec.from_json(every.to_json()) == every
    assert replace(SPECS["dense"], data=every).key != SPECS["dense"].key
