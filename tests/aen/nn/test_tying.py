import numpy as np
import pytest
import torch

from aen.groups import Decomposition, Orbits, layer_orbits
from aen.nn import OrbitTable
from aen.nn.tying import orbit_mean_matrix

ORBITS = {
    "rot90": layer_orbits(Decomposition.of(["rot90"]).generators, 3, 4),
    "flips": layer_orbits(Decomposition.of(["hflip x vflip"]).generators, 4, 4),
    "swaps": layer_orbits(Decomposition.of(["swap_tb_left", "quadrants"]).generators, 4, 2),
    "untied": layer_orbits((), 2, 3),
    "one": Orbits(np.zeros(9, dtype=np.int32), 1),
}


@pytest.fixture(params=ORBITS)
def orbits(request):
    return ORBITS[request.param]


def values_of(orbits):
    source = torch.Generator().manual_seed(0)
    return torch.randn(orbits.count, generator=source, dtype=torch.float64, requires_grad=True)


def test_each_point_gets_the_value_of_its_orbit(orbits):
    values = values_of(orbits)
    expanded = OrbitTable(orbits)(values).tolist()
    assert expanded == [values.tolist()[label] for label in orbits.labels]


def test_gradient_is_that_of_plain_indexing(orbits):
    weights = torch.randn(len(orbits.labels), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, plain = values_of(orbits), values_of(orbits)
    (OrbitTable(orbits)(ours).square() * weights).sum().backward()
    (plain[torch.from_numpy(orbits.labels.astype(np.int64))].square() * weights).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-12, atol=1e-12)


def test_gradient_agrees_with_finite_differences(orbits):
    assert torch.autograd.gradcheck(OrbitTable(orbits), (values_of(orbits),))


def test_gradient_is_the_same_bit_for_bit():
    orbits = layer_orbits(Decomposition.of(["rot90", "hflip"]).generators, 8, 8)
    upstream = torch.randn(len(orbits.labels), generator=torch.Generator().manual_seed(2))
    grads = []
    for _ in range(2):
        values = torch.ones(orbits.count, requires_grad=True)
        OrbitTable(orbits)(values).backward(upstream)
        grads.append(values.grad)
    assert torch.equal(*grads)


def test_tables_are_not_saved():
    assert OrbitTable(ORBITS["rot90"]).state_dict() == {}


def test_orbit_mean():
    orbits = Orbits(np.array([0, 1, 0, 1, 1, 2, 0, 0, 2], dtype=np.int32), 3)
    x = torch.tensor([[1.0, 2, 3, 4, 6, 5, 7, 9, 7]])
    assert (x @ orbit_mean_matrix(orbits)).tolist() == [[5, 4, 6]]
