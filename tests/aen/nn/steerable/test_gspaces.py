"""Groups on the plane: escnn's elements are the project's, and fields say how many channels they have."""

import numpy as np
import pytest
import torch

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.steerable import STEERABLE_GROUPS, Fields
from aen.nn.steerable.equivariance import turn_cells
from aen.nn.steerable.gspaces import check_group, group_elements, is_exact, planar_element

FINITE = [group for group in STEERABLE_GROUPS if group != "SO2"]


@pytest.mark.parametrize("group", FINITE)
def test_elements_are_those_of_the_planar_group(group):
    elements = [element.planar for element in group_elements(group)]
    assert sorted(map(PlanarGroup.of(group).index, elements)) == list(range(len(elements)))
    assert Fields(group, "regular", 3).channels == 3 * len(elements)


@pytest.mark.parametrize("group", FINITE)
def test_products_agree(group):
    elements = group_elements(group)
    for a in elements:
        for b in elements:
            assert planar_element(a.matrix @ b.matrix) == a.planar * b.planar
            product = next(e for e in elements if e.escnn == a.escnn @ b.escnn)
            assert product.planar == a.planar * b.planar


@pytest.mark.parametrize("group", [group for group in FINITE if is_exact(group)])
@pytest.mark.parametrize("side", [4, 5])
def test_cells_move_as_the_planar_element_moves_them(group, side):
    x = torch.arange(side * side, dtype=torch.float64).reshape(1, 1, side, side)
    for element in group_elements(group):
        turned, seen = turn_cells(x, element)
        expected = torch.rot90(x.flip(-1) if element.planar.flip else x, int(element.planar.turn * 4), (-2, -1))
        assert torch.equal(turned, expected)
        assert torch.equal(seen, torch.ones(side, side, dtype=torch.float64))
        place = np.argsort(element.planar.permutation(side))
        assert torch.equal(turned.flatten(), x.flatten()[torch.from_numpy(place)])


def test_so2_fields_hold_frequencies_up_to_two():
    assert Fields("SO2", "regular", 3).channels == 3 * 5
    assert Fields("SO2", "trivial", 3).channels == 3
    assert not is_exact("SO2")


@pytest.mark.parametrize("group", STEERABLE_GROUPS)
def test_the_mixing_of_channels_is_orthogonal(group):
    fields = Fields(group, "regular", 1)
    for element in group_elements(group):
        matrix = fields.matrix(element)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(fields.per_field), atol=1e-7)


def test_messages():
    with pytest.raises(SpecError, match=r"Unknown group 'SO\(2\)' of a steerable layer \(did you mean 'SO2'\?\)"):
        check_group("SO(2)")
    with pytest.raises(SpecError, match=r"Unknown group 'X' of a steerable layer \(choose from: C1, C16"):
        Fields("X", "regular", 1)
    with pytest.raises(SpecError, match="kind='irregular': a field is 'trivial' or 'regular'"):
        Fields("C4", "irregular", 1)
    for count in (0, -1, 1.5, True):
        with pytest.raises(SpecError, match=r"count=.*at least one field"):
            Fields("C4", "regular", count)
