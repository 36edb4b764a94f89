"""Bases of filters: how many there are, and that without band limit they are all that commute with the group."""

import pytest
import torch

from aen.nn.steerable import parameters_per_pair
from aen.nn.steerable.filters import filter_basis

ORDERS = {"C1": 1, "C2": 2, "C4": 4, "C8": 8, "C16": 16, "D1": 2, "D2": 4, "D4": 8, "D8": 16}
SLOW = {"D8"}


def groups(names):
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


@pytest.mark.parametrize("group", groups(ORDERS))
def test_a_band_limited_filter_has_six_numbers_for_each_element(group):
    assert parameters_per_pair(group, 3) == (6, 6 * ORDERS[group])


def test_so2_has_fewer_numbers_than_its_channels_would_take():
    assert parameters_per_pair("SO2", 3) == (6, 24)


@pytest.mark.parametrize("group", groups(["C1", "C2", "C4", "D1", "D2", "D4"]))
def test_without_band_limit_there_are_as_many_as_in_a_group_convolution(group):
    for kernel_size in (1, 3):
        cells = kernel_size**2
        counts = parameters_per_pair(group, kernel_size, band_limited=False)
        # One number for each cell and, inside, each element: nothing more commutes, and all are independent.
        assert counts == (cells, cells * ORDERS[group])
        filters = filter_basis(group, "regular", "regular", kernel_size, band_limited=False).filters
        assert torch.linalg.matrix_rank(filters.flatten(1).double(), rtol=1e-5) == counts[1]


def test_larger_filters_have_more_numbers():
    assert parameters_per_pair("C4", 1) == (1, 4)
    assert 25 > parameters_per_pair("C4", 5)[0] > 9


def test_a_basis_is_built_once():
    assert filter_basis("C4", "trivial", "regular", 3) is filter_basis("C4", "trivial", "regular", 3)
