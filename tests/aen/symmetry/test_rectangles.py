import numpy as np
import pytest
import torch

import aen
from aen.data import lift_sign


@pytest.mark.parametrize(("rows", "columns"), [(6, 10), (1, 12), (10, 4)])
def test_generators_that_fit_rectangles_are_tested(rows: int, columns: int) -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(600) % 3
    images = draw.integers(0, 256, (3, rows, columns))[labels] + draw.normal(0, 60, (600, rows, columns))
    flipped = draw.random(600) < 0.5
    images[flipped] = images[flipped][:, :, ::-1]
    found = aen.symmetry_test(images, labels)
    assert not found.row("hflip").rejected
    assert found.row("swap_lr").rejected
    assert ("rot90" in found.skipped) == (rows > 1)  # what is for images is not in the list for signals
    assert ("reversal" if rows == 1 else "horizontal flips") in found.sentence()


@pytest.mark.parametrize("axis", [0, 1])
def test_nothing_that_exchanges_the_channels_of_signals_is_tested(axis: int) -> None:
    signals = np.expand_dims(np.random.default_rng(0).normal(size=(60, 4, 64)), 1)
    found = aen.symmetry_test(signals if axis else signals[:, 0], np.arange(60) % 2)
    assert [row.factor.name for row in found.rows] == ["hflip", "swap_lr", "hshift(1/4)", "hshift(1/8)"]
    assert found.sentence() == "The images themselves look the same after reversal and shifts by 1/8 of the length."
    assert "vflip" not in str(found)
    assert not found.skipped
    assert len(aen.symmetry_test(signals, np.arange(60) % 2, ["vflip", "rot180"]).rows) == 2


def test_the_sign_is_tested_on_lifted_signals_alone() -> None:
    signals = torch.from_numpy(np.random.default_rng(0).normal(size=(60, 1, 2, 64)))
    names = [row.factor.name for row in aen.symmetry_test(lift_sign(signals), np.arange(60) % 2).rows]
    assert "swap_tb" in names
    assert "hflip x swap_tb" in names
    assert "swap_tb" not in [row.factor.name for row in aen.symmetry_test(signals, np.arange(60) % 2).rows]


def test_factors_that_move_the_cells_alike_are_tested_once() -> None:
    images, labels = np.random.default_rng(0).normal(size=(40, 8, 8)), np.arange(40) % 2
    found = aen.symmetry_test(images, labels)
    assert {name: text for name, text in found.skipped.items() if "moves images" in text} == {
        "swap_lr": "swap_lr moves images of 8x8 as hshift(4) does.",
        "swap_tb": "swap_tb moves images of 8x8 as vshift(4) does.",
        "hshift(4) x vshift(4)": "hshift(4) x vshift(4) moves images of 8x8 as swap_lr x swap_tb does.",
    }
    names = [row.factor.name for row in found.rows]
    assert not set(names) & set(found.skipped)
    assert "Not tested: swap_lr moves images of 8x8 as hshift(4) does." in str(found)
    given = ["rot90", "hshift(4)", "swap_lr"]
    assert [row.factor.name for row in aen.symmetry_test(images, labels, given).rows] == given
    flat = aen.symmetry_test(np.random.default_rng(0).normal(size=(40, 1, 6)), labels)
    assert flat.skipped["rot180"] == flat.skipped["hflip x vflip"].replace("hflip x vflip", "rot180", 1)
    assert flat.skipped["rot180"] == "rot180 moves images of 1x6 as hflip does."
