"""The invariant dense layer, against sums over fields."""

import copy
import pickle

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.group_head import InvariantLinear

every_pair = pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)


def head_of(subgroup, group, seed=0):
    in_type = FieldType.regular(group, 3).regroup(subgroup)
    return InvariantLinear(in_type, 5, generator=cases.source(seed)).double()


@every_pair
def test_invariance(subgroup, group):
    layer = head_of(subgroup, group)
    cases.assert_equivariant(layer, side=6)
    assert (layer.out_type.kind, layer.out_type.channels) == ("trivial", 5)
    x = cases.images(2, layer.in_type.channels, 6, 6)
    for element in layer.group.elements:
        cases.assert_near(layer(layer.in_type.transform(x, element)), layer(x), 1e-12)


@pytest.mark.parametrize(("subgroup", "group"), [("C2", "C4"), ("D1", "D4"), ("D2", "D4"), ("C4", "D4")])
def test_it_does_not_hide_what_a_larger_group_would(subgroup, group):
    layer = head_of(subgroup, group)
    x = cases.images(2, layer.in_type.channels, 6, 6)
    others = [element for element in layer.in_type.base.elements if element not in layer.group]
    assert min(cases.relative(layer(layer.in_type.transform(x, e)), layer(x)) for e in others) > 1e-3


@every_pair
def test_it_is_the_formula(subgroup, group):
    layer = head_of(subgroup, group)
    x = cases.images(2, layer.in_type.channels, 6, 4)
    expected = layer.bias.detach().expand(2, 5).clone()
    for field, channels in enumerate(layer.in_type.field_channels().tolist()):
        for channel in channels:
            expected += x[:, channel].mean(dim=(1, 2))[:, None] * layer.weight.detach()[:, field]
    cases.assert_near(layer(x), expected, 1e-12)
    cases.assert_near(layer(x.mean(dim=(2, 3))), expected, 1e-12)


@every_pair
def test_export(subgroup, group):
    layer = head_of(subgroup, group).float().eval()
    x = cases.images(2, layer.in_type.channels, 6, 6, dtype=torch.float32)
    plain = layer.export()
    cases.assert_near(plain(x), layer(x), 1e-5)
    assert not plain.training
    assert [type(part) for part in plain] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    assert layer.evaluate_output_shape(tuple(x.shape)) == tuple(plain(x).shape)


@pytest.mark.parametrize(("subgroup", "group"), [("D2", "D4"), ("C4", "C4")])
def test_gradient_and_copies(subgroup, group):
    layer = head_of(subgroup, group)
    free = layer.weight.detach().reshape(-1).requires_grad_()
    assert torch.autograd.gradcheck(layer.weight_table, (free,))
    x = cases.images(2, layer.in_type.channels, 6, 6)
    fresh = head_of(subgroup, group, seed=1)
    assert not torch.equal(fresh(x), layer(x))
    fresh.load_state_dict(layer.state_dict())
    for twin in (fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert torch.equal(twin(x), layer(x))
    assert torch.equal(head_of(subgroup, group).weight, layer.weight)


@pytest.mark.parametrize(("subgroup", "group"), [("D2", "D4"), ("C4", "C4")])
def test_without_a_bias(subgroup, group):
    layer = head_of(subgroup, group)
    without = InvariantLinear(layer.in_type, 5, bias=False, generator=cases.source()).double()
    assert torch.equal(without.weight, layer.weight)  # the bias is drawn after the weight
    assert dict(without.named_parameters()).keys() == {"weight"}
    x = cases.images(2, layer.in_type.channels, 6, 6)
    cases.assert_near(without(x) + layer.bias, layer(x), 1e-12)
    plain = without.export()
    assert plain[-1].bias is None
    cases.assert_near(plain(x), without(x), 1e-12)


def test_messages():
    layer = head_of("D4", "D4")
    with pytest.raises(SpecError, match="second dimension must be 24: 3 regular fields of D4"):
        layer(torch.zeros(2, 16, 3, 3))
    with pytest.raises(SpecError, match=r"it must be \(batch, 24, height, width\)"):
        layer.evaluate_output_shape((2, 24))
    with pytest.raises(SpecError, match="a feature map of 0 trivial fields has no channels"):
        InvariantLinear(layer.in_type, 0)
