"""[G]-mixed convolutions against sums of convolutions that are computed apart."""

import copy
import math
import pickle

import helpers.planar_cases as cases
import pytest
import torch
from helpers.mixed_cases import GROUPS, conv_of, every_list, kept, softmax, step, strengthen
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d
from aen.nn.group_pool import Pointwise
from aen.nn.mixed import MixedConv2d, common_group
from aen.nn.module import EquivarianceWarning


def branch_of(layer, place):
    """The group convolution of a branch, made by itself."""
    group, window = layer.groups[place], layer.window
    branch = GroupConv2d(
        layer.in_type.regroup(group),
        layer.out_type.regroup(group),
        window.kernel_size,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        bias=layer.biases is not None,
    ).double()
    with torch.no_grad():
        branch.weight.copy_(kept(layer, place).view(branch.weight.shape))
        if layer.biases is not None:
            branch.bias.copy_(layer.biases[place])
    return branch


def expected_output(layer, x):
    count = len(layer.groups)
    skip = layer.mixture.skip
    p = [1.0] * (count + skip) if layer.alpha is None else softmax(layer.alpha.tolist())
    assert len(p) == count + skip
    total = sum(p[place] * branch_of(layer, place)(x) for place in range(count))
    return total + p[-1] * x if skip else total


@given(
    groups=st.lists(st.sampled_from(cases.EXACT), min_size=1, max_size=5, unique=True),
    kind=st.sampled_from(["regular", "trivial"]),
    geometry=st.sampled_from([(3, 1, 0, 1), (2, 1, 1, 1), (3, 2, 1, 1), (5, 1, "same", 1), (3, 1, "same", 2)]),
    bias=st.booleans(),
    keep_norm=st.booleans(),
    weighting=st.sampled_from(["softmax", "sum"]),
    skip=st.booleans(),
)
@settings(max_examples=40)
def test_it_is_the_sum_of_its_branches(groups, kind, geometry, bias, keep_norm, weighting, skip):
    kernel_size, stride, padding, dilation = geometry
    layer = conv_of(
        groups,
        kind=kind,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=bias,
        keep_norm=keep_norm,
        weighting=weighting,
        skip=skip and padding == "same" and kind == "regular",
    )
    strengthen(layer)
    x = cases.images(2, layer.in_type.channels, 7, 7)
    cases.assert_near(layer(x), expected_output(layer, x), 1e-12)
    cases.assert_near(layer.export()(x), layer(x), 1e-12)
    assert type(layer.export()) is nn.Conv2d
    assert layer.evaluate_output_shape(tuple(x.shape)) == tuple(layer(x).shape)
    cases.assert_equivariant(layer, side=7)


@every_list
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_there_is_one_convolution(monkeypatch, groups, skip):
    calls = []

    def counted(*arguments):
        calls.append(tuple(arguments[1].shape))
        return conv2d(*arguments)

    layer = conv_of(groups, padding="same", skip=skip)
    monkeypatch.setattr("aen.nn.filter_bank.conv2d", counted)
    layer(cases.images(2, 16, 7, 7, dtype=torch.float32))
    assert calls == [(16, 16, 3, 3)]


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@every_list
def test_equivariance_to_what_all_groups_share(groups, skip):
    layer = strengthen(conv_of(groups, padding="same", skip=skip))
    sets = [cases.as_set(PlanarGroup.of(group).elements) for group in groups]
    assert cases.as_set(layer.group.elements) == frozenset.intersection(*sets)
    cases.assert_equivariant(layer, side=7)
    shared = layer.group
    layer.in_type, layer.out_type = layer.in_type.regroup("D4"), layer.out_type.regroup("D4")
    errors = layer.check_equivariance(side=7)
    for element in PlanarGroup.of("D4").elements[1:]:
        error = errors[element.name]
        assert (error < 1e-12) == (element in shared), (element.name, error)


@pytest.mark.parametrize(
    ("groups", "shared"), [(["D4"], "D4"), (["C4", "D2"], "C2"), (["D1", "D1v"], "C1"), (["D2", "D2d", "C4"], "C2")]
)
def test_common_group(groups, shared):
    assert common_group([PlanarGroup.of(group) for group in groups]).name == shared


def test_every_branch_starts_as_strong():
    layer = conv_of(GROUPS, fields=8)
    cases.assert_near(layer.mixture.strengths(), torch.full((5,), 0.2), 1e-6)
    banks = [
        table.expand(values.detach()) for table, values in zip(layer.mixture.tables, layer.mixture.values, strict=True)
    ]
    norms = [float(torch.linalg.vector_norm(bank)) for bank in banks]
    assert max(norms) < 1.1 * min(norms), norms
    assert [len(values) for values in layer.mixture.values] == [len(banks[0]) // order for order in (8, 4, 4, 2, 1)]


@every_list
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
def test_gradients(groups, skip, keep_norm):
    layer = strengthen(conv_of(groups, fields=2, kernel_size=1, skip=skip, keep_norm=keep_norm))
    parameters = dict(layer.named_parameters())
    x = cases.images(1, 16, 1, 1)

    def function(*values):
        return torch.func.functional_call(layer, dict(zip(parameters, values, strict=True)), (x,))[:, ::5]

    def of_alpha(alpha):
        return torch.func.functional_call(layer, {"mixture.alpha": alpha}, (x,))

    assert torch.autograd.gradcheck(of_alpha, (layer.alpha,))
    assert torch.autograd.gradcheck(function, tuple(parameters.values()), fast_mode=True)
    assert layer.alpha.shape == (len(groups) + skip,)


def test_norms_are_kept_while_the_values_are_trained():
    layer = conv_of(GROUPS)
    norms = [float(torch.linalg.vector_norm(values.detach())) for values in layer.mixture.values]
    drawn = [values.detach().clone() for values in layer.mixture.values]
    step(layer)
    for place, norm in enumerate(norms):
        values = layer.mixture.values[place].detach()
        assert not torch.equal(values, drawn[place])
        assert abs(float(torch.linalg.vector_norm(values)) / norm - 1) > 1e-5  # the parameter itself may grow
        assert abs(float(torch.linalg.vector_norm(layer.mixture.branch(place).detach())) / norm - 1) < 1e-5
    cases.assert_near(layer.mixture.norms, norms, 1e-6)
    assert layer.alpha.detach().std() > 0


def test_without_keep_norm_the_values_count_as_they_are():
    layer = conv_of(GROUPS, keep_norm=False)
    step(layer)
    assert all(torch.equal(layer.mixture.branch(place), values) for place, values in enumerate(layer.mixture.values))


@pytest.mark.parametrize("place", range(len(GROUPS)))
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_discretise_takes_the_strongest_branch(place, skip):
    layer = strengthen(conv_of(GROUPS, padding="same", dilation=2, skip=skip)).eval()
    with torch.no_grad():
        layer.alpha[place] = layer.alpha.max() + 1
    found = layer.discretise()
    assert type(found) is GroupConv2d
    assert (found.group.name, found.training) == (GROUPS[place], False)
    assert (found.window.dilation, found.window.padding, found.window.stride) == (2, 2, 1)
    x = cases.images(2, 16, 7, 7)
    cases.assert_near(found(x), branch_of(layer, place)(x), 1e-12)
    cases.assert_equivariant(found, side=7)
    # With all the weight on that branch the mixture is that branch.
    with torch.no_grad():
        layer.alpha[place] = 1e3
    cases.assert_near(layer(x), found(x), 1e-12)


def test_discretise_may_leave_nothing_but_the_skip():
    layer = strengthen(conv_of(GROUPS, padding="same", skip=True))
    with torch.no_grad():
        layer.alpha[-1] = 1e3
    x = cases.images(2, 16, 7, 7)
    found = layer.discretise()
    assert type(found) is Pointwise
    assert torch.equal(found(x), x)
    cases.assert_near(layer(x), x, 1e-12)


def test_the_first_of_equals_is_the_strongest():
    assert conv_of(["C2", "D4", "C4"]).discretise().group.name == "C2"


def test_discretised_layers_keep_bias_none():
    assert conv_of(["C4"], bias=False).discretise().bias is None
    assert conv_of(["C4"], bias=False).expanded_bias() is None


def test_penalty_is_the_sum_of_squares():
    layer = conv_of(["D4", "C4", "C1"], weighting="sum", keep_norm=False).double()
    assert layer.alpha is None
    found = layer.penalty({"C4": 0.5, PlanarGroup.of("C1"): 3.0})
    squares = [sum(value**2 for value in values.tolist()) for values in layer.mixture.values]
    assert float(found.detach()) == pytest.approx(0.5 * squares[1] + 3 * squares[2], rel=1e-12)
    found.backward()
    cases.assert_near(layer.mixture.values[2].grad, 6 * layer.mixture.values[2], 1e-12)
    assert layer.mixture.values[0].grad is None
    assert float(layer.penalty({})) == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])  # noqa: S301
def test_copies(copied):
    layer = strengthen(conv_of(GROUPS, padding="same", skip=True))
    x = cases.images(2, 16, 7, 7)
    assert torch.equal(copied(layer)(x), layer(x))
    fresh = conv_of(GROUPS, padding="same", skip=True, seed=9).double()
    fresh.load_state_dict(layer.state_dict())  # the kept norms, too
    assert torch.equal(fresh(x), layer(x))
    before = torch.get_rng_state()
    assert torch.equal(conv_of(GROUPS).expanded_weight(), conv_of(GROUPS).expanded_weight())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_skip_does_not_change_the_values():
    layer = conv_of(["C1"], padding="same", skip=True, weighting="sum", keep_norm=False, base="C1")
    drawn = layer.mixture.values[0].detach().clone()
    for _ in range(2):
        layer(cases.images(1, 2, 5, 5, dtype=torch.float32))
    assert torch.equal(layer.mixture.values[0], drawn)


def test_a_stride_with_a_rest_warns():
    layer = strengthen(conv_of(["D4", "C4"], stride=2))
    with pytest.warns(EquivarianceWarning, match=r"leaves a rest of 1 on side 8 .*not equivariant to C4"):
        errors = layer.check_equivariance(side=8)
    assert min(errors.values()) > 0.1


def test_groups_that_cannot_be_are_refused():
    with pytest.raises(
        SpecError, match=r"groups is \['C4', 'D2'\]; .* subgroup of C4, .*: D2 is not. Choose from C1, C2"
    ):
        conv_of(["C4", "D2"], base="C4")
    with pytest.raises(SpecError, match=r"groups is \[\]; every one must be a subgroup of D4"):
        conv_of([])
    with pytest.raises(SpecError, match=r"groups is \['C4', 'C4'\]; name one branch or more, each once"):
        conv_of(["C4", "C4"])
    with pytest.raises(GroupError, match=r"unknown planar group 'C44' \(did you mean 'C4'"):
        conv_of(["C44"])
    with pytest.raises(GroupError, match="D2 is not a subgroup of C4"):
        MixedConv2d(FieldType.regular("C4", 2), FieldType.regular("D4", 1), ["D2"], 3)


@pytest.mark.parametrize(
    "options",
    [{"padding": 0}, {"padding": 1, "kernel_size": 2}, {"padding": "same", "fields": 3}, {"padding": 1, "stride": 2}],
)
def test_a_skip_that_does_not_fit_is_refused(options):
    message = r"skip lets 4 regular fields of C4 through, 16 channels, where .*, (16|24) channels, are given; .*odd"
    with pytest.raises(SpecError, match=message):
        conv_of(["C4"], skip=True, **options)


def test_a_skip_between_channels_of_another_kind_is_refused():
    # As many channels, but the group moves those of the one and not those of the other.
    in_type, out_type = FieldType.trivial("D1", 4), FieldType.regular("D1", 2)
    with pytest.raises(SpecError, match=r"skip lets 4 trivial fields of D1 through, .*that D1 moves alike"):
        MixedConv2d(in_type, out_type, ["D1"], 3, padding="same", skip=True)
    layer = MixedConv2d(in_type, out_type, ["C1"], 3, padding="same", skip=True, generator=cases.source())
    assert layer(cases.images(1, 4, 5, 5, dtype=torch.float32)).shape == (1, 4, 5, 5)


def test_other_messages():
    with pytest.raises(SpecError, match=r"unknown weighting 'softmin' \(did you mean 'softmax'\?\)"):
        conv_of(["C4"], weighting="softmin")
    with pytest.raises(SpecError, match="this mixture has no alpha to choose by: it was made with weighting='sum'"):
        conv_of(["C4"], weighting="sum").discretise()
    with pytest.raises(SpecError, match=r"a penalty on norms that are kept does nothing; .*keep_norm=False"):
        conv_of(["C4"]).penalty({"C4": 1.0})
    free = conv_of(["D4", "C4"], keep_norm=False)
    with pytest.raises(SpecError, match="penalty names the branch 'D2'"):
        free.penalty({"D2": 1.0})
    for factor in (-1.0, math.nan, math.inf):
        with pytest.raises(SpecError, match=rf"penalty\['C4'\] is {factor}; it must be a number from 0 up"):
            free.penalty({"C4": factor})
    with pytest.raises(SpecError, match="padding is 'same' with kernel_size 2"):
        conv_of(["C4"], kernel_size=2, padding="same")
    with pytest.raises(SpecError, match=r"x has shape \(1, 8, 5, 5\)"):
        free(torch.zeros(1, 8, 5, 5))
