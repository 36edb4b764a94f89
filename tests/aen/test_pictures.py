import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups import Decomposition
from aen.pictures import orbit_picture

FACTORS = ("rot90", "transpose", "hflip", "vflip", "hshift(1)", "quadrants", "swap_lr", "swap_tb_left", "hflip x vflip")


@given(factors=st.lists(st.sampled_from(FACTORS), max_size=3, unique=True), side=st.sampled_from([2, 4, 6, 8]))
@settings(max_examples=40)
def test_cells_share_a_colour_exactly_inside_an_orbit(factors, side, point_orbits):
    decomposition = Decomposition.of(factors)
    labels = point_orbits([g.permutation(side).tolist() for g in decomposition.generators], side * side)
    colours = [tuple(colour) for colour in orbit_picture(decomposition, side).reshape(-1, 3).tolist()]
    pairs = set(zip(labels, colours, strict=True))
    assert len(pairs) == len(set(labels)) == len(set(colours))


@pytest.mark.parametrize("side", [1, 3, 28])
def test_picture_is_an_rgb_image(side):
    picture = orbit_picture(Decomposition.of(["rot90"]), side)
    assert picture.shape == (side, side, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_an_orbit_has_the_colour_of_its_first_cell():
    untied, tied = orbit_picture(Decomposition(), 4), orbit_picture(Decomposition.of(["hflip"]), 4)
    assert np.array_equal(tied[:, :2], untied[:, :2])
    assert np.array_equal(tied[:, 2:], untied[:, 1::-1])


def test_untied_grid_is_a_smooth_blend():
    picture = orbit_picture(Decomposition(), 5)
    np.testing.assert_allclose(picture[2, 2], picture[[0, 0, 4, 4], [0, 4, 0, 4]].mean(axis=0))
    np.testing.assert_allclose(np.diff(picture, n=2, axis=1), 0, atol=1e-12)
