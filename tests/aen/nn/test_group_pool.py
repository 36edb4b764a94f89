"""Pooling over space and over the group, pointwise functions, and layers in a row."""

import copy
import pickle

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.errors import GroupError, SpecError
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_pool import GroupPool, Pointwise, SpatialPool2d
from aen.nn.module import EquivarianceWarning
from aen.nn.sequential import EquivariantSequential

every_pair = pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
every_kind = pytest.mark.parametrize("kind", ["mean", "max"])


def fields_of(subgroup, group, fields=2):
    return FieldType.regular(group, fields).regroup(subgroup)


@every_kind
@every_pair
def test_equivariance_of_pooling_over_space(subgroup, group, kind):
    for kernel_size, stride, padding, side in [(2, None, 0, 8), (3, 2, 1, 7), (3, 1, 0, 6), (2, 2, 1, 6)]:
        layer = SpatialPool2d(fields_of(subgroup, group), kernel_size, stride=stride, padding=padding, kind=kind)
        layer.register_parameter("like", nn.Parameter(torch.zeros((), dtype=torch.float64)))
        cases.assert_equivariant(layer, side=side)


@every_kind
def test_pooling_over_space_is_torch_s(kind):
    layer = SpatialPool2d(fields_of("C4", "D4"), 3, stride=2, padding=1, kind=kind)
    x = cases.images(2, 16, 9, 9)
    expected = nn.MaxPool2d(3, 2, 1) if kind == "max" else nn.AvgPool2d(3, 2, 1)
    assert torch.equal(layer(x), expected(x))
    assert type(layer.export()) is type(expected)
    assert torch.equal(layer.export()(x), expected(x))
    assert layer.evaluate_output_shape((2, 16, 9, 9)) == tuple(layer(x).shape)


@every_kind
def test_pooling_that_leaves_a_rest_warns_and_breaks_the_group(kind):
    layer = SpatialPool2d(fields_of("D4", "D4"), 2, kind=kind)
    layer.register_parameter("like", nn.Parameter(torch.zeros((), dtype=torch.float64)))
    with pytest.warns(EquivarianceWarning, match=r"stride 2 leaves a rest of 1 on side 7 .*not equivariant to D4"):
        errors = layer.check_equivariance(side=7)
    assert min(error for name, error in errors.items() if name != "r90 hflip") > 0.1, errors
    assert max(layer.check_equivariance(side=8).values()) < 1e-12
    assert SpatialPool2d(fields_of("C1", "D4"), 2, kind=kind)(cases.images(1, 16, 7, 7)).shape == (1, 16, 3, 3)


@every_kind
@every_pair
def test_equivariance_of_pooling_over_the_group(subgroup, group, kind):
    layer = GroupPool(fields_of(subgroup, group), kind)
    layer.register_parameter("like", nn.Parameter(torch.zeros((), dtype=torch.float64)))
    cases.assert_equivariant(layer, side=6)
    x = cases.images(2, layer.in_type.channels, 1, 1)
    for element in layer.group.elements:  # on vectors it is invariant
        cases.assert_near(layer(layer.in_type.transform(x[..., 0, 0], element)), layer(x)[..., 0, 0], 1e-12)


@every_kind
@every_pair
def test_pooling_over_the_group_takes_each_field_apart(subgroup, group, kind):
    layer = GroupPool(fields_of(subgroup, group), kind)
    x = cases.images(2, layer.in_type.channels, 4, 4)
    fields = layer.in_type.field_channels().tolist()
    pick = (lambda a: a.max(dim=1).values) if kind == "max" else (lambda a: a.sum(dim=1) / a.shape[1])
    expected = torch.stack([pick(x[:, channels]) for channels in fields], dim=1)
    cases.assert_near(layer(x), expected, 1e-14)
    assert layer.evaluate_output_shape((2, layer.in_type.channels, 4, 4)) == tuple(expected.shape)
    assert layer.out_type == FieldType.trivial(subgroup, len(fields))
    cases.assert_near(layer.export()(x.float()), expected.float(), 1e-5)
    for part in layer.export().modules():
        assert type(part).__module__.startswith("torch.nn.modules.")


def test_export_follows_the_type_that_it_is_given():
    # Fields that do not lie side by side are brought together by a convolution of ones and zeros.
    plain = GroupPool(fields_of("D2", "D4")).export()
    assert [type(part).__name__ for part in plain] == ["Conv2d", "Unflatten", "AvgPool3d", "Flatten"]
    assert not any(parameter.requires_grad for parameter in plain.parameters())
    plain = GroupPool(fields_of("C4", "D4"), "max").export()
    assert [type(part).__name__ for part in plain] == ["Unflatten", "MaxPool3d", "Flatten"]


@every_pair
def test_pointwise_functions_are_equivariant(subgroup, group):
    layer = Pointwise(fields_of(subgroup, group), nn.PReLU()).double()
    cases.assert_equivariant(layer, side=6)
    x = cases.images(2, layer.in_type.channels, 4, 4)
    assert torch.equal(layer.export()(x), layer(x))
    assert layer.evaluate_output_shape(tuple(x.shape)) == tuple(x.shape)


@pytest.mark.parametrize("make", [lambda t: SpatialPool2d(t, 3, stride=2, padding=1, kind="mean"), GroupPool])
def test_copies_and_regrouping(make):
    layer = make(fields_of("D2", "D4"))
    x = cases.images(2, 16, 9, 9)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert torch.equal(twin(x), layer(x))
    assert layer.state_dict() == {}
    smaller = layer.regrouped(fields_of("C2", "D4").group)
    assert smaller.in_type == fields_of("C2", "D4")
    assert torch.equal(smaller(x), make(fields_of("C2", "D4"))(x))


def test_messages():
    with pytest.raises(SpecError, match=r"unknown kind 'avg' .*mean"):
        SpatialPool2d(fields_of("C4", "C4"), 2, kind="avg")
    with pytest.raises(SpecError, match=r"unknown kind 'maxi' \(did you mean 'max'\?\)"):
        GroupPool(fields_of("C4", "C4"), "maxi")
    with pytest.raises(SpecError, match="stride is 0; it must be a whole number from 1 up"):
        SpatialPool2d(fields_of("C4", "C4"), 2, stride=0)
    with pytest.raises(SpecError, match=r"kernel_size is 3 .*larger than an image of side 2.*fewer poolings"):
        SpatialPool2d(fields_of("C4", "C4"), 3)(torch.zeros(1, 8, 2, 2))
    with pytest.raises(SpecError, match="second dimension must be 8"):
        GroupPool(fields_of("C4", "C4"))(torch.zeros(1, 4, 2, 2))
    with pytest.raises(GroupError, match="C4 is not a subgroup of D2"):
        GroupPool(fields_of("D2", "D2")).regrouped(fields_of("C4", "C4").group)


def network(*groups):
    here = FieldType.trivial(groups[0], 1)
    layers = []
    for number, group in enumerate(groups):
        out = FieldType.regular(groups[0], 2).regroup(group)
        kind = GroupConv2d if number else LiftingConv2d
        layers += [kind(here, out, 3, generator=cases.source(number)), Pointwise(out, nn.ReLU())]
        here = out
    return EquivariantSequential(*layers)


@pytest.mark.parametrize("groups", [("D4", "D4"), ("D4", "C4", "C2"), ("D4", "D2"), ("C4", "C1")])
def test_layers_in_a_row(groups):
    layers = network(*groups).double()
    assert layers.group.name == groups[-1]
    cases.assert_equivariant(layers, side=10)
    x = cases.images(2, 1, 10, 10)
    assert layers.evaluate_output_shape((2, 1, 10, 10)) == tuple(layers(x).shape)
    cases.assert_near(layers.export()(x), layers(x), 1e-12)
    assert len(layers) == 2 * len(groups)
    assert [type(layer).__name__ for layer in layers][:2] == [type(layers[0]).__name__, "Pointwise"]
    for part in layers.export().modules():
        assert type(part).__module__.startswith("torch.nn.modules.")
    twin = pickle.loads(pickle.dumps(layers))  # noqa: S301
    assert torch.equal(twin(x), layers(x))


def test_layers_that_do_not_fit_are_refused():
    c4, d4 = FieldType.regular("C4", 2), FieldType.regular("D4", 1)
    relu = nn.ReLU()
    with pytest.raises(SpecError, match="a sequence needs at least one layer"):
        EquivariantSequential()
    with pytest.raises(
        SpecError, match="layer 1, Pointwise, takes 1 regular fields of D4, but the one before it gives"
    ):
        EquivariantSequential(Pointwise(c4, relu), Pointwise(d4, relu))
    smaller = d4.regroup("C4")
    with pytest.raises(SpecError, match=r"layer 2, Pointwise, takes .*groups only shrink"):
        EquivariantSequential(Pointwise(d4, relu), Pointwise(smaller, relu), Pointwise(d4, relu))
