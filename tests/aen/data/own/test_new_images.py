"""Images for a trained network are prepared as those of its training were."""

import numpy as np
import pytest
import torch
from helpers.own_folders import pictures

from aen.data import Preprocessing, data_spec, find_source, from_arrays
from aen.data.own.new_images import network_input
from aen.errors import DataError

DRAW = np.random.default_rng(0)
SIGNALS = DRAW.normal(size=(20, 32)).astype(np.float32)
KINDS = {
    "bytes": (pictures(20), {}),
    "colour": (pictures(20, channels=3), {}),
    "colour to grey": (pictures(20, channels=3), {"channels": "grey"}),
    "grey to colour": (pictures(20), {"channels": "colour"}),
    "smaller": (pictures(20), {"size": 8}),
    "a rectangle": (pictures(20, size=(12, 16), channels=3), {"size": (6, 8), "channels": "grey"}),
    "16 bits": (pictures(20).astype(np.uint16) * 200, {}),
    "16 bits, wide": (DRAW.integers(2**16, size=(20, 5, 32)).astype(np.uint16), {"size": (5, 16)}),
    "floating point": (pictures(20) / 255, {}),
    "signals": (SIGNALS, {}),
    "signals of three channels": (DRAW.normal(size=(20, 3, 32)), {}),
    "lifted signals": (SIGNALS, {"lift_sign": True}),
    "lifted signals of three channels": (DRAW.normal(size=(20, 3, 32)), {"lift_sign": True}),
}


def trained_on(images, **rules):
    """Return data, stored images and preprocessing of a network trained on these images."""
    spec = data_spec(from_arrays(images, np.arange(len(images)) % 2), **rules)
    stored = find_source(spec.name, spec.rules).load().images
    return spec, stored, Preprocessing.of(stored)


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_the_training(kind):
    images, rules = KINDS[kind]
    spec, stored, preprocessing = trained_on(images, **rules)
    found = network_input(images, spec, stored.shape[1:], preprocessing, "x")
    assert torch.equal(found, preprocessing.apply(stored))
    assert torch.equal(network_input(images[3:4], spec, stored.shape[1:], preprocessing, "x"), found[3:4])


@pytest.mark.parametrize("kind", ["floating point", "16 bits", "signals"])
@pytest.mark.parametrize("level", ["least", "most", "zero"])
def test_a_dark_or_a_bright_image_is_none_of_another_scale(kind, level):
    images, rules = KINDS[kind]
    spec, stored, preprocessing = trained_on(images, **rules)
    value = {"least": images.min(), "most": images.max(), "zero": 0}[level]
    given = np.full_like(images[:1], value)
    assert network_input(given, spec, stored.shape[1:], preprocessing, "x").shape == stored[:1].shape


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("bytes", pictures(2) / 255, "x is of float64, but the network takes uint8"),
        ("bytes", pictures(2).astype(np.uint16), "x is of uint16, but the network takes uint8"),
        ("bytes", pictures(2).astype(int), "x is of int64, but the network takes uint8"),
        ("floating point", pictures(2).astype(int), "x is of int64, but the network takes floating-point numbers"),
        ("floating point", pictures(2).astype(np.uint16) * 200, "pixels from .* give images of the same scale"),
        ("floating point", np.float64(pictures(2)), "pixels from .* give images of the same scale"),
        ("16 bits", pictures(2) / 255, "pixels from .* give images of the same scale"),
        ("floating point", pictures(2), "x is of uint8, but the network takes floating-point numbers"),
        ("bytes", pictures(2, size=(8, 8)), r"images of 8x8x1 .rows x columns x channels., .* takes 12x12x1"),
        ("bytes", pictures(2, channels=3), "images of 12x12x3 .* takes 12x12x1"),
        ("signals", SIGNALS[:, :16], "images of 1x16x1 .* takes 1x32x1"),
        ("lifted signals", SIGNALS[:, :16], "images of 1x16x1 .* takes 1x32x1"),
        ("lifted signals", np.stack([SIGNALS, -SIGNALS], axis=1), "images of 2x32x1 .* takes 1x32x1"),
        ("lifted signals", np.float32(pictures(2)), "was trained on signals with data.lift_sign; give signals"),
        ("bytes", np.uint8(3), "x has the shape"),
    ],
)
def test_others_are_refused(kind, given, said):
    images, rules = KINDS[kind]
    spec, stored, preprocessing = trained_on(images, **rules)
    with pytest.raises(DataError, match=said):
        network_input(given, spec, stored.shape[1:], preprocessing, "x")
