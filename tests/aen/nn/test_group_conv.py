"""Group convolutions against filter banks that are built element by element, and against torch's own moves."""

import copy
import io
import itertools
import pickle

import helpers.planar_cases as cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aen.errors import GroupError, SpecError
from aen.groups import Orbits
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.module import EquivarianceWarning

KINDS = ["lifting", "group"]
GEOMETRIES = [(1, 0, 1), (1, 2, 1), (2, 0, 1), (2, 1, 1), (3, 1, 2), (1, 0, 2)]
few_pairs = pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
every_pair = pytest.mark.parametrize(("subgroup", "group"), cases.PAIRS)
every_kind = pytest.mark.parametrize("kind", KINDS)


def conv_of(subgroup, group, kind="group", kernel_size=3, *, seed=0, fields=2, **options):
    """A layer tied by a subgroup between channels that are laid out for a group."""
    small, large = PlanarGroup.of(subgroup), PlanarGroup.of(group)
    in_type = FieldType(small, large, 3 if kind == "lifting" else 2, "trivial" if kind == "lifting" else "regular")
    layer = LiftingConv2d if kind == "lifting" else GroupConv2d
    out_type = FieldType(small, large, fields)
    return layer(in_type, out_type, kernel_size, generator=cases.source(seed), **options)


def untied(layer, seed=3):
    """The same layer with an ordinary filter bank in place of the tied one."""
    free = torch.rand(layer.expanded_weight().shape, generator=cases.source(seed), dtype=torch.float64) - 0.5
    layer.expanded_weight = lambda: free
    return layer.double()


def side_for(kernel_size, stride, padding, dilation):
    """The least side from 9 up that leaves no rest."""
    reach = dilation * (kernel_size - 1) + 1
    return next(side for side in range(max(9, reach), 99) if (side + 2 * padding - reach) % stride == 0)


@every_kind
@every_pair
def test_equivariance_for_every_kernel(subgroup, group, kind):
    for kernel_size in range(1, 6):
        layer = conv_of(subgroup, group, kind, kernel_size).double()
        assert layer.group.name == subgroup
        cases.assert_equivariant(layer, side=7)


@every_kind
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda given: "stride{}-padding{}-dilation{}".format(*given))
@pytest.mark.parametrize(("subgroup", "group"), [("D4", "D4"), ("D1v", "D2")])
def test_equivariance_for_every_geometry(subgroup, group, geometry, kind):
    geometry = dict(zip(("stride", "padding", "dilation"), geometry, strict=True))
    for kernel_size in (2, 3, 5):
        layer = conv_of(subgroup, group, kind, kernel_size, **geometry).double()
        cases.assert_equivariant(layer, side=side_for(kernel_size, **geometry))


@every_kind
@pytest.mark.parametrize("group", cases.EXACT[1:])
def test_equivariance_by_torch_s_own_moves(group, kind):
    layer = conv_of(group, group, kind).double()
    elements = [cases.corners(element) for element in layer.group.elements]
    n = len(elements)
    x = cases.images(2, layer.in_type.channels, 6, 6)
    y = layer(x)
    for g, element in zip(elements, layer.group.elements, strict=True):
        places = [elements.index(cases.after(g, h)) for h in elements]
        there = [o * n + place for o in range(2) for place in places]
        turned, expected = torch.empty_like(x), torch.empty_like(y)
        turned[:, there if kind == "group" else range(3)] = cases.moved(x, element)
        expected[:, there] = cases.moved(y, element)
        cases.assert_near(layer(turned), expected, 1e-12)


@every_kind
@few_pairs
def test_an_untied_layer_fails_the_check(subgroup, group, kind):
    errors = untied(conv_of(subgroup, group, kind)).check_equivariance(side=7)
    assert len(errors) == PlanarGroup.of(subgroup).order - 1
    assert min(errors.values(), default=1.0) > 0.1, errors


@every_kind
@pytest.mark.parametrize(("subgroup", "group"), [pair for pair in cases.FEW_PAIRS if pair[0] != pair[1]])
def test_a_layer_fails_the_check_for_a_larger_group(subgroup, group, kind):
    layer = conv_of(subgroup, group, kind).double()
    own = {element.name for element in layer.group.elements}
    layer.in_type, layer.out_type = layer.in_type.regroup(group), layer.out_type.regroup(group)
    for name, error in layer.check_equivariance(side=7).items():
        assert (error < 1e-12) if name in own else (error > 0.1), (name, error)


@every_kind
@every_pair
def test_filter_bank_is_the_formula(subgroup, group, kind):
    """F[(out, g), (in, h)] = g . W[out, in, g^-1 h], and the same for a subgroup and its cosets' first elements."""
    kernel_size = 2 if subgroup in {"C2", "D2d"} else 3
    layer = conv_of(subgroup, group, kind, kernel_size).double()
    small, large = PlanarGroup.of(subgroup).elements, PlanarGroup.of(group).elements
    place = {cases.corners(element): i for i, element in enumerate(large)}
    n = len(large)
    times = {(a, b): place[cases.after(cases.corners(a), cases.corners(b))] for a, b in itertools.product(small, large)}
    firsts = [t for i, t in enumerate(large) if i == min(times[h, t] for h in small)]
    weight = layer.weight.detach()
    assert weight.shape == (2 * len(firsts), layer.in_type.channels, kernel_size, kernel_size)
    expected = torch.full(layer.expanded_weight().shape, torch.nan, dtype=torch.float64)
    for (o, (j, t)), h in itertools.product(itertools.product(range(2), list(enumerate(firsts))), small):
        out, field = o * n + times[h, t], o * len(firsts) + j
        if kind == "lifting":
            expected[out] = cases.moved(weight[field], h)
            continue
        for i, b in itertools.product(range(2), large):
            expected[out, i * n + times[h, b]] = cases.moved(weight[field, i * n + large.index(b)], h)
    assert torch.equal(layer.expanded_weight(), expected)
    bias = torch.empty(2 * n, dtype=torch.float64)
    for o, (j, t), h in itertools.product(range(2), list(enumerate(firsts)), small):
        bias[o * n + times[h, t]] = layer.bias[o * len(firsts) + j].detach()
    assert torch.equal(layer.expanded_bias(), bias)


@every_kind
@every_pair
def test_positions_are_tied_by_the_orbits_of_the_joint_action(subgroup, group, kind):
    kernel_size = 4 if subgroup in {"C2", "D2d"} else 3
    layer = conv_of(subgroup, group, kind, kernel_size)
    large = [cases.corners(element) for element in PlanarGroup.of(group).elements]
    elements = {cases.corners(element): element for element in PlanarGroup.of(group).elements}
    pixels = torch.arange(kernel_size**2).view(kernel_size, kernel_size)
    orbits = Orbits.discrete(layer.expanded_weight().numel())
    for g in cases.GENERATORS[subgroup]:
        there = np.array([large.index(cases.after(g, h)) for h in large])
        a = (np.arange(2)[:, None] * len(large) + there).reshape(-1)
        b = a if kind == "group" else np.arange(3)
        x = np.argsort(cases.moved(pixels, elements[g]).reshape(-1).numpy())
        joint = (a[:, None, None] * len(b) + b[:, None]) * kernel_size**2 + x
        orbits = orbits.join(joint.reshape(-1))
    values = torch.arange(float(layer.weight.numel()))
    found = layer.tables()["weight"].expand(values).numpy()
    assert orbits.count == len(values)
    assert len({*zip(found.tolist(), orbits.labels.tolist(), strict=True)}) == orbits.count


@pytest.mark.parametrize(
    ("subgroup", "group"), [("C1", "D1"), ("D4", "D4"), ("D2", "D4"), ("C4", "C4"), ("D1d", "D2d")]
)
def test_gradient_of_the_expansion(subgroup, group):
    layer = conv_of(subgroup, group, kernel_size=2, fields=1).double()
    free = torch.rand(layer.weight.numel(), generator=cases.source(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.weight_table, (free,))
    factors = cases.images(*layer.expanded_weight().shape)
    (found,) = torch.autograd.grad((layer.expanded_weight() * factors).sum(), (layer.weight,))
    # By the chain rule on an expansion that torch differentiates itself.
    labels = layer.weight_table.expand(torch.arange(float(layer.weight.numel()))).long()
    weight = layer.weight.detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad((weight.reshape(-1)[labels].view(factors.shape) * factors).sum(), (weight,))
    cases.assert_near(found, expected, 1e-13)


@every_kind
@pytest.mark.parametrize(("group", "stride", "side"), [("C2", 2, 8), ("D1", 2, 8), ("C4", 3, 10), ("D4", 2, 12)])
def test_a_stride_with_a_rest_warns_and_breaks_the_group(group, stride, side, kind):
    layer = conv_of(group, group, kind, stride=stride).double()
    rest = (side - 3) % stride
    message = rf"stride {stride} leaves a rest of {rest} on side {side} .*not equivariant to {group}"
    with pytest.warns(EquivarianceWarning, match=message):
        errors = layer.check_equivariance(side=side)
    # The last rows and columns are not seen: only a mirroring along the diagonal keeps those.
    assert min(error for name, error in errors.items() if name != "r90 hflip") > 0.1, errors
    layer(cases.images(1, layer.in_type.channels, side, side))  # said once
    with pytest.warns(EquivarianceWarning, match=f"on side {side + stride}"):
        layer(cases.images(1, layer.in_type.channels, side + stride, side + stride))
    conv_of("C1", group, kind, stride=stride).double()(cases.images(1, layer.in_type.channels, side, side))


@given(
    pair=st.sampled_from([pair for pair in cases.PAIRS if pair[0] in {"C1", "C2", "D1", "D2"}]),
    kernel_size=st.integers(1, 4),
    sides=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore::aen.nn.module.EquivarianceWarning")
def test_output_shape(pair, kernel_size, sides, stride, padding, dilation, kind):
    layer = conv_of(*pair, kind, kernel_size, stride=stride, padding=padding, dilation=dilation)
    shape = (2, layer.in_type.channels, *sides)
    assert layer.evaluate_output_shape(shape) == tuple(layer(torch.zeros(shape)).shape)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), (2, 2), (4, 2)])
def test_same_padding_keeps_the_sides(kernel_size, dilation):
    layer = conv_of("D4", "D4", kernel_size=kernel_size, padding="same", dilation=dilation).double()
    assert layer.evaluate_output_shape((2, 16, 9, 9)) == (2, 16, 9, 9)
    assert layer(cases.images(2, 16, 9, 9)).shape == (2, 16, 9, 9)
    cases.assert_equivariant(layer, side=9)


def assert_plain(module):
    """Nothing in it is of the package."""
    for part in module.modules():
        assert type(part).__module__.startswith("torch.nn.modules."), type(part)
        assert all(type(value) in {torch.Tensor, nn.Parameter} for value in part.state_dict().values())


@every_kind
@few_pairs
def test_export(subgroup, group, kind):
    bias = subgroup != "C4"
    layer = conv_of(subgroup, group, kind, bias=bias, stride=2, padding=2, dilation=2)
    plain = layer.export()
    assert type(plain) is nn.Conv2d
    assert_plain(plain)
    assert (plain.bias is None) == (not bias)
    x = cases.images(3, layer.in_type.channels, 9, 9, dtype=torch.float32)
    cases.assert_near(plain(x), layer(x), 1e-5)
    assert plain.training
    assert not layer.eval().export().training
    assert layer.double().export().weight.dtype == torch.float64
    with torch.no_grad():
        plain.weight.zero_()
    assert layer.expanded_weight().any()  # nothing is shared


def through_pickle(layer):
    return pickle.loads(pickle.dumps(layer))  # noqa: S301


def through_state_dict(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    window = layer.window
    options = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    fresh = type(layer)(layer.in_type, layer.out_type, layer.kernel_size, **options, generator=cases.source(9))
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


@every_kind
@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle, through_state_dict])
@pytest.mark.parametrize(("subgroup", "group"), [("C1", "C1"), ("C4", "D4"), ("D4", "D4")])
def test_copies_compute_the_same_and_share_nothing(copied, subgroup, group, kind):
    layer = conv_of(subgroup, group, kind, stride=2, padding=1)
    twin = copied(layer)
    x = cases.images(2, layer.in_type.channels, 9, 9, dtype=torch.float32)
    assert torch.equal(twin(x), layer(x))
    with torch.no_grad():
        twin.weight.zero_()
        twin.bias.zero_()
    assert not twin(x).any()
    assert layer(x).any()


def test_only_free_parameters_are_saved():
    layer = conv_of("D2", "D4")
    assert {name: tuple(v.shape) for name, v in layer.state_dict().items()} == {"weight": (4, 16, 3, 3), "bias": (4,)}


def test_two_layers_of_one_shape_do_not_share_what_can_move():
    one, other = conv_of("D4", "D4"), conv_of("D4", "D4", seed=1)
    assert one.weight_table is not other.weight_table
    assert not torch.equal(one.weight, other.weight)


def test_initial_values_come_from_the_given_source_alone():
    before = torch.get_rng_state()
    assert torch.equal(conv_of("C4", "D4", seed=1).weight, conv_of("C4", "D4", seed=1).weight)
    assert not torch.equal(conv_of("C4", "D4", seed=1).weight, conv_of("C4", "D4", seed=2).weight)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    layer = GroupConv2d(FieldType.regular("C4", 1), FieldType.regular("C4", 1), 3)
    torch.manual_seed(5)
    assert torch.equal(GroupConv2d(FieldType.regular("C4", 1), FieldType.regular("C4", 1), 3).weight, layer.weight)


@every_kind
def test_range_of_the_initial_values_is_torch_s(kind):
    layer = conv_of("D4", "D4", kind, 5, fields=30)
    bound = 1 / (layer.in_type.channels * 25) ** 0.5
    for values in (layer.weight, layer.bias):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.9 * bound
    ordinary = nn.Conv2d(layer.in_type.channels, 8, 5)
    assert 0.9 < layer.weight.std() / ordinary.weight.std() < 1.1


def test_c1_is_an_ordinary_convolution():
    layer = conv_of("C1", "C1", padding=1)
    plain = nn.Conv2d(2, 2, 3, padding=1)
    plain.load_state_dict(layer.state_dict())
    x = cases.images(2, 2, 5, 6, dtype=torch.float32)
    assert torch.equal(layer(x), plain(x))


def test_print_shows_the_types():
    assert "4 regular fields of C4 -> 4 regular fields of C4" in repr(conv_of("C4", "D4"))


def test_an_image_that_is_smaller_than_the_kernel_is_refused():
    with pytest.raises(
        SpecError, match=r"kernel_size is 5 with dilation 1 and padding 0; .*larger than an image of side 4"
    ):
        conv_of("D4", "D4", kernel_size=5)(torch.zeros(1, 16, 4, 4))
    with pytest.raises(SpecError, match=r"kernel_size is 3 with dilation 3 and padding 1; .*image of side 4"):
        conv_of("D4", "D4", dilation=3, padding=1).evaluate_output_shape((1, 16, 4, 4))


@pytest.mark.parametrize(("kernel_size", "dilation"), [(2, 1), (4, 1), (4, 3)])
def test_same_padding_of_an_even_kernel_is_refused(kernel_size, dilation):
    message = f"padding is 'same' with kernel_size {kernel_size} and dilation {dilation}.*Use an odd kernel_size"
    with pytest.raises(SpecError, match=message):
        conv_of("D4", "D4", kernel_size=kernel_size, padding="same", dilation=dilation)


@pytest.mark.parametrize("group", ["C4", "D1d", "D2d", "D4"])
def test_oblong_images_are_refused_by_quarter_turns(group):
    layer = conv_of(group, group)
    with pytest.raises(
        SpecError, match=f"images of 5x7 cannot be turned by the quarter turns of {group}; .*such as D2"
    ):
        layer(torch.zeros(1, layer.in_type.channels, 5, 7))


@pytest.mark.parametrize(("subgroup", "group"), [("D2", "D2"), ("D2", "D4"), ("C2", "C4"), ("D1v", "D4")])
def test_oblong_images_are_equivariant_under_half_turns(subgroup, group):
    layer = conv_of(subgroup, group).double()
    x = cases.images(1, layer.in_type.channels, 5, 7)
    for element in layer.group.elements:
        expected = layer.out_type.transform(layer(x), element)
        cases.assert_near(layer(layer.in_type.transform(x, element)), expected, 1e-12)


def test_types_that_do_not_go_together_are_refused():
    regular, trivial = FieldType.regular, FieldType.trivial
    with pytest.raises(
        SpecError, match=r"out_type has the group D4, which does not act on in_type, .*groups only shrink"
    ):
        GroupConv2d(regular("C4", 2), regular("D4", 1), 3)
    with pytest.raises(
        SpecError, match="C8 does not act exactly on pixels; use a subgroup of D4, or the escnn backend"
    ):
        LiftingConv2d(trivial("C8", 1), regular("C8", 2), 3)
    with pytest.raises(SpecError, match="out_type is 2 trivial fields of C4; a group convolution gives regular fields"):
        GroupConv2d(regular("C4", 2), trivial("C4", 2), 3)
    with pytest.raises(SpecError, match="in_type is 2 regular fields of C4; a lifting convolution takes"):
        LiftingConv2d(regular("C4", 2), regular("C4", 2), 3)
    with pytest.raises(GroupError, match="C4 is not a subgroup of D2"):
        conv_of("D2", "D2").regrouped(PlanarGroup.of("C4"))


@pytest.mark.parametrize("shape", [(1, 8, 5, 5), (16, 5, 5), (1, 16, 5)])
def test_other_channels_are_refused(shape):
    with pytest.raises(SpecError, match=r"x has shape .*; it must be \(batch, 16, height, width\): 2 regular fields"):
        conv_of("D4", "D4").evaluate_output_shape(shape)
    if len(shape) == 4:
        with pytest.raises(SpecError, match=r"x has shape \(1, 8, 5, 5\)"):
            conv_of("D4", "D4")(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("kernel_size", 0, 1), ("kernel_size", 2.5, 1), ("stride", 0, 1), ("padding", -1, 0), ("dilation", 0, 1)],
)
def test_sizes_that_cannot_be_are_refused(name, value, least):
    options = {"kernel_size": 3, name: value}
    with pytest.raises(SpecError, match=rf"{name} is {value}; it must be a whole number from {least} up"):
        conv_of("C4", "C4", **options)


def test_an_unknown_padding_is_refused():
    with pytest.raises(SpecError, match="padding is 'valid'; it must be a whole number from 0 up"):
        conv_of("C4", "C4", padding="valid")


def test_a_group_that_shrinks_in_a_layer_stays_equivariant():
    layer = GroupConv2d(FieldType.regular("D4", 1), FieldType.regular("C4", 2), 3, generator=cases.source()).double()
    assert layer.group.name == "C4"
    assert layer.in_type == FieldType.regular("D4", 1).regroup("C4")
    cases.assert_equivariant(layer)
