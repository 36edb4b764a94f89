"""What a symmetrised dense layer says of itself, and the ordinary layer that it becomes."""

import helpers.planar_cases as cases
import pytest
import torch
from helpers import tied_layers
from torch import nn

from aen.errors import SpecError
from aen.groups import Decomposition
from aen.nn import SymmetrizedLinear
from aen.nn.grid_type import GridType


def layer_of(case, **options):
    factors, in_grid, out_grid = tied_layers.CASES[case]
    return SymmetrizedLinear(in_grid, out_grid, Decomposition.of(factors), generator=cases.source(), **options)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", ""])
@pytest.mark.parametrize("case", tied_layers.CASES)
def test_export_computes_the_same(case, bias):
    layer = layer_of(case, bias=bias).eval()
    plain = layer.export()
    assert type(plain) is nn.Linear
    assert not plain.training
    assert (plain.bias is None) == (not bias)
    x = cases.images(2, 5, layer.in_features, dtype=torch.float32)
    cases.assert_near(plain(x), layer(x), 1e-5)
    cases.assert_near(layer.double().export()(x.double()), layer(x.double()), 1e-12)
    with torch.no_grad():
        plain.weight.zero_()
    assert layer.weight.any()
    assert layer.train().export().training


@pytest.mark.parametrize("case", tied_layers.CASES)
def test_output_shape(case):
    layer = layer_of(case)
    for shape in [(layer.in_features,), (3, layer.in_features), (2, 0, layer.in_features)]:
        assert layer.evaluate_output_shape(shape) == tuple(layer(torch.zeros(shape)).shape)


@pytest.mark.parametrize("shape", [(), (17,), (2, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(
        SpecError, match=r"its last dimension must be 16, the cells of a 4x4 grid. Flatten images first"
    ):
        layer_of("untied").evaluate_output_shape(shape)


@pytest.mark.parametrize("case", tied_layers.CASES)
def test_types_say_how_the_group_moves_input_and_output(case):
    layer = layer_of(case).double()
    _, in_grid, out_grid = tied_layers.CASES[case]
    assert layer.in_type == GridType(in_grid, layer.decomposition)
    assert layer.out_type == GridType(out_grid, layer.decomposition)
    assert (layer.in_type.features, layer.out_type.features) == (layer.in_features, layer.out_features)
    x = cases.images(3, layer.in_features)
    for generator in layer.decomposition.generators:
        expected = layer.out_type.transform(layer(x), generator)
        cases.assert_near(layer(layer.in_type.transform(x, generator)), expected, 1e-12)


def test_transform_moves_images_as_torch_does():
    grid = GridType(3, Decomposition.of(["rot90", "hflip"]))
    x = cases.images(2, 3, 3)
    rot90, hflip = grid.decomposition.generators
    assert torch.equal(grid.transform(x.flatten(1), rot90).view(2, 3, 3), torch.rot90(x, 1, (1, 2)))
    assert torch.equal(grid.transform(x.flatten(1), hflip).view(2, 3, 3), x.flip(2))
