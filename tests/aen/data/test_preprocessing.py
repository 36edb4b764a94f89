"""Preprocessing: the mean and deviation of the training images, and how pixels become a network's input."""

import json
from pathlib import Path

import pytest
import torch

from aen.data import DataSpec, Preprocessing, load_dataset, load_test_split, preprocessing_of
from aen.errors import DataError


def _standardised_before(images: torch.Tensor, train: int) -> torch.Tensor:
    """The arithmetic of earlier versions, whose results must stay the same bit for bit."""
    if images.dtype != torch.uint8:
        mean, deviation = images[:train].mean(), images[:train].std().clamp_min(1e-6)
        return (images - mean) / deviation
    counts = torch.bincount(images[:train].reshape(-1), minlength=256).double()
    levels = torch.arange(256, dtype=torch.float64)
    average = (counts * levels).sum() / counts.sum()
    variance = (counts * (levels - average) ** 2).sum() / (counts.sum() - 1).clamp_min(1)
    spread = (variance.sqrt() / 255).clamp_min(1e-6)
    return images.float().div_(255).sub_(float(average / 255)).div_(float(spread))


def _images(kind: torch.dtype) -> torch.Tensor:
    drawn = torch.rand(2000, 1, 6, 6, generator=torch.Generator().manual_seed(3)) * 200
    return drawn.to(kind)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_values_are_bit_for_bit_those_of_earlier_versions(kind: torch.dtype) -> None:
    images = _images(kind)
    before = images.clone()
    found = Preprocessing.of(images[:15]).apply(images)
    assert torch.equal(found, _standardised_before(images, 15))
    assert torch.equal(images, before), "the images given stay as they are"


def test_many_values_are_scaled_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    images = _images(torch.uint8)
    preprocessing = Preprocessing.of(images)
    few = preprocessing.apply(images)
    monkeypatch.setattr("aen.data.preprocessing._LARGE", 1)
    assert torch.equal(preprocessing.apply(images), few)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_training_images_get_mean_0_and_deviation_1(kind: torch.dtype) -> None:
    images = _images(kind)
    found = Preprocessing.of(images).apply(images)
    assert abs(float(found.mean())) < 1e-4
    assert abs(float(found.std()) - 1) < 1e-3


def test_images_of_one_colour_are_not_divided_by_zero() -> None:
    images = torch.full((3, 1, 2, 2), 7, dtype=torch.uint8)
    assert torch.isfinite(Preprocessing.of(images).apply(images)).all()


def test_a_data_set_is_loaded_with_the_preprocessing_of_its_training_images() -> None:
    spec = DataSpec("digits", train=100, validation=50, test=50)
    found = preprocessing_of(spec)
    assert found.scale == 1.0, "digits are float32"
    stored = load_dataset(spec).train.images * found.deviation + found.mean
    assert torch.allclose(16 * stored, (16 * stored).round(), atol=1e-3), "digits are multiples of 1/16"
    assert abs(float(stored.max()) - 1) < 1e-4
    assert load_test_split(spec).images.shape[0] == 50


def test_json_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    found = Preprocessing.of(_images(torch.uint8))
    file = tmp_path / "preprocessing.json"
    file.write_text(json.dumps(found.to_json()), encoding="utf-8")
    assert Preprocessing.from_json(json.loads(file.read_text(encoding="utf-8"))) == found


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([1, 2], "cannot be read"),
        ({"mean": 0.1}, "lacks the field 'deviation'"),
        ({"mean": 0.1, "deviation": 1, "std": 2}, "unknown field 'std'"),
        ({"mean": "0.1", "deviation": 1}, "mean is '0.1' but must be a finite number"),
        ({"mean": float("nan"), "deviation": 1}, "must be a finite number"),
        ({"mean": 0.1, "deviation": 0}, "deviation is 0; it must be above 0"),
        ({"mean": 0.1, "deviation": 1, "scale": -255}, "scale is -255; it must be above 0"),
    ],
)
def test_damaged_values_are_named(value: object, why: str) -> None:
    with pytest.raises(DataError, match=why):
        Preprocessing.from_json(value)  # type: ignore[arg-type]
