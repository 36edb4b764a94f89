"""The shapes in the signatures are checked while the tests run (tests/helpers/shape_checker.py)."""

import jaxtyping
import pytest
import torch

from aen.data import Split
from aen.groups import Orbits, PlanarGroup
from aen.nn import FreeHead, OrbitTable
from aen.nn.tying import orbit_mean_matrix


def test_a_wrong_number_of_dimensions_is_caught():
    with pytest.raises(jaxtyping.TypeCheckError, match="forward"):
        FreeHead(4, 3)(torch.zeros(2, 3, 16))


def test_a_wrong_dtype_is_caught():
    with pytest.raises(jaxtyping.TypeCheckError, match="forward"):
        OrbitTable(Orbits.discrete(4))(torch.zeros(4, dtype=torch.int64))


def test_shapes_that_disagree_are_caught():
    with pytest.raises(jaxtyping.TypeCheckError):
        Split(torch.zeros(3, 1, 8, 8), torch.zeros(2, dtype=torch.int64))


def test_right_shapes_pass():
    assert orbit_mean_matrix(Orbits.discrete(4)).shape == (4, 4)
    assert Split(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)).labels.shape == (2,)


def test_what_says_no_shape_is_called_as_it_is():
    assert not hasattr(PlanarGroup.__le__, "__wrapped__")
    assert hasattr(OrbitTable.forward, "__wrapped__")
