"""[G]-mixed layers against sums of layers that are computed apart."""

import copy
import math
import pickle
from itertools import pairwise

import helpers.planar_cases as cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from aen.errors import GroupError, SpecError
from aen.groups import Decomposition
from aen.groups.planar import PlanarGroup
from aen.nn import SymmetrizedLinear
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_pool import Pointwise
from aen.nn.mixed import MixedConv2d, MixedInvariantLinear, MixedSymmetrizedLinear, common_group
from aen.nn.module import EquivarianceWarning
from aen.nn.morphism import relax

GROUPS = ["D4", "C4", "D2", "C2", "C1"]
LISTS = [["D4"], ["C1", "D4"], ["C4", "D2"], ["D1", "D1v", "C2"], GROUPS]
every_list = pytest.mark.parametrize("groups", LISTS, ids="+".join)


def conv_of(groups, base="D4", kind="regular", *, seed=0, fields=2, kernel_size=3, **options):
    in_type = FieldType.regular(base, 2) if kind == "regular" else FieldType.trivial(base, 3)
    out_type = FieldType.regular(base, fields)
    return MixedConv2d(in_type, out_type, groups, kernel_size, generator=cases.source(seed), **options)


def strengthen(layer, seed=4):
    """Let the branches be of different strengths, and their values no longer have the norm that they started with."""
    draw = cases.source(seed)
    with torch.no_grad():
        if layer.alpha is not None:
            layer.alpha.normal_(generator=draw)
        for values in layer.mixture.values:
            values.mul_(0.5 + torch.rand(values.shape, generator=draw))
    return layer.double()


def softmax(numbers):
    powers = [math.exp(number) for number in numbers]
    return [power / sum(powers) for power in powers]


def kept(layer, place):
    """A branch's values as they count."""
    values = layer.mixture.values[place].detach()
    norm = float(layer.mixture.norms[place]) / math.sqrt(sum(value**2 for value in values.tolist()))
    return values * norm if layer.mixture.keep_norm else values


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
@settings(max_examples=40, deadline=None)
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
    assert torch.equal(layer.mixture.strengths(), torch.full((5,), 0.2))
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


def step(layer, steps=5, *, padded=False):
    x = cases.images(4, 16, 5, 5, dtype=torch.float32)
    target = x if padded else x[:, :, 1:-1, 1:-1]
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(steps):
        loss = (layer(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


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


# The invariant dense layer


def head_of(groups, seed=0, **options):
    return MixedInvariantLinear(FieldType.regular("D4", 2), 3, groups, generator=cases.source(seed), **options)


@every_list
@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
def test_mixed_head_is_the_sum_of_its_branches(groups, keep_norm):
    layer = strengthen(head_of(groups, keep_norm=keep_norm))
    x, p = cases.images(4, 16, 5, 5), softmax(layer.alpha.tolist())
    expected = layer.bias.detach().expand(4, 3).clone()
    for place, group in enumerate(groups):
        fields = FieldType.regular("D4", 2).regroup(group).field_channels().tolist()
        weight = kept(layer, place).view(3, len(fields))
        sums = torch.stack([x.mean(dim=(2, 3))[:, channels].sum(dim=1) for channels in fields], dim=1)
        expected += p[place] * sums @ weight.T
    cases.assert_near(layer(x), expected, 1e-12)
    cases.assert_near(layer(x.mean(dim=(2, 3))), expected, 1e-12)
    cases.assert_near(layer.export()(x), expected, 1e-12)
    assert layer.evaluate_output_shape((4, 16, 5, 5)) == (4, 3)
    cases.assert_equivariant(layer, side=5)
    assert layer.group == common_group(layer.groups)
    assert torch.autograd.gradcheck(
        lambda alpha: torch.func.functional_call(layer, {"mixture.alpha": alpha}, (x,)), (layer.alpha,)
    )


@pytest.mark.parametrize("place", range(len(GROUPS)))
def test_mixed_head_is_discretised_to_its_strongest_branch(place):
    layer = strengthen(head_of(GROUPS)).eval()
    with torch.no_grad():
        layer.alpha[place] = 1e3
    found = layer.discretise()
    assert type(found) is InvariantLinear
    assert (found.group.name, found.training) == (GROUPS[place], False)
    assert torch.equal(found.weight.reshape(-1), layer.mixture.branch(place))
    x = cases.images(4, 16, 5, 5)
    cases.assert_near(found(x), layer(x), 1e-12)
    cases.assert_near(relax(found, "C1")(x), layer(x), 1e-12)


def test_mixed_head_penalty_and_messages():
    layer = head_of(["D4", "C1"], keep_norm=False, weighting="sum").double()
    squares = sum(value**2 for value in layer.mixture.values[1].tolist())
    assert float(layer.penalty({"C1": 0.25}).detach()) == pytest.approx(squares / 4, rel=1e-12)
    with pytest.raises(SpecError, match="keep_norm=False"):
        head_of(["D4"]).penalty({"D4": 1.0})
    with pytest.raises(SpecError, match=r"every one must be a subgroup of D4, .*: C8 is not"):
        head_of(["C8"])
    with pytest.raises(SpecError, match="each once"):
        head_of(["C1", "C1"])


# How strong the branches are


@pytest.mark.parametrize("place", range(len(GROUPS)))
@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_with_all_the_strength_on_one_group_it_is_that_group_s_layer(place, keep_norm, skip):
    layer = conv_of(GROUPS, padding="same", keep_norm=keep_norm, skip=skip)
    step(layer, 2, padded=True)
    with torch.no_grad():
        layer.alpha.fill_(-1e4)
        layer.alpha[place] = 1e4
    group = layer.groups[place]
    alone = GroupConv2d(layer.in_type.regroup(group), layer.out_type.regroup(group), 3, padding="same")
    with torch.no_grad():
        alone.weight.copy_(layer.mixture.values[place].view(alone.weight.shape))
        alone.bias.copy_(layer.biases[place])
        if keep_norm:
            values = alone.weight
            values.mul_(float(layer.mixture.norms[place]) / float(torch.linalg.vector_norm(values.double())))
    x = cases.images(2, 16, 7, 7, dtype=torch.float32)
    if keep_norm:
        cases.assert_near(layer(x), alone(x), 1e-6)
    else:
        assert torch.equal(layer.expanded_weight(), alone.expanded_weight())
        assert torch.equal(layer(x), alone(x))


@pytest.mark.parametrize("place", range(len(GROUPS)))
def test_with_all_the_strength_on_one_group_the_head_is_that_group_s(place):
    layer = head_of(GROUPS, keep_norm=False)
    with torch.no_grad():
        layer.alpha.fill_(-1e4)
        layer.alpha[place] = 1e4
    alone = InvariantLinear(layer.in_type.regroup(GROUPS[place]), 3)
    with torch.no_grad():
        alone.weight.copy_(layer.mixture.values[place].view(alone.weight.shape))
        alone.bias.copy_(layer.bias)
    x = cases.images(2, 16, 7, 7, dtype=torch.float32)
    assert torch.equal(layer(x), alone(x))


@given(
    alpha=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    temperature=st.floats(0.05, 20),
)
@settings(max_examples=20, deadline=None)
def test_temperature_divides_alpha(alpha, temperature):
    layer = conv_of(GROUPS, padding="same", skip=True, temperature=temperature).double()
    with torch.no_grad():
        layer.alpha.copy_(torch.tensor(alpha))
    expected = torch.tensor(softmax([number / temperature for number in layer.alpha.tolist()]))
    cases.assert_near(layer.mixture.strengths(), expected, 1e-6)
    layer.mixture.temperature = 1.0
    cases.assert_near(layer.mixture.strengths(), torch.tensor(softmax(layer.alpha.tolist())), 1e-6)


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(SpecError, match=rf"temperature is {temperature}; it must be a number above 0"):
        conv_of(GROUPS, temperature=temperature)


@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
def test_alpha_alone_has_the_gradient_that_it_has_among_all(keep_norm, skip):
    layer = strengthen(conv_of(GROUPS, padding="same", keep_norm=keep_norm, skip=skip)).float()
    x = cases.images(2, 16, 7, 7, dtype=torch.float32)

    def of_alpha():
        return torch.autograd.grad(layer(x).sin().sum(), layer.alpha)[0]

    whole = of_alpha()
    for values in layer.mixture.values:
        values.requires_grad_(False)
    assert torch.equal(of_alpha(), whole)
    for values in layer.mixture.values:
        values.requires_grad_()
    layer.alpha.requires_grad_(False)
    ours = torch.autograd.grad(layer(x).sin().sum(), list(layer.mixture.values))
    layer.alpha.requires_grad_()
    theirs = torch.autograd.grad(layer(x).sin().sum(), list(layer.mixture.values))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


SIX = ("C1", "C2", "C4", "D1", "D2", "D4")
seeds = pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4))])


def shares_over_time(planted, seed, steps=160):
    """The strengths of the six groups, while weights and alpha are trained in turns to fit a planted filter.

    Each turn has a batch of its own, as in Algorithm 2 of EquiNAS. Norms are kept, so no branch of a share below 1
    can make a filter as large as its own by larger weights: the planted one is exactly as large as a branch's, which
    can be reached only with the whole share on branches that can express it.
    """
    source = cases.source(seed)
    fields = FieldType.regular("D4", 1)
    layer = MixedConv2d(fields, fields, SIX, 3, bias=False, generator=source)
    tied = fields.regroup(planted)
    target = GroupConv2d(tied, tied, 3, bias=False, generator=source).expanded_weight().detach()
    branches = zip(layer.mixture.tables, layer.mixture.values, strict=True)
    sizes = [torch.linalg.vector_norm(table.expand(values.detach())) for table, values in branches]
    target *= torch.stack(sizes).mean() / torch.linalg.vector_norm(target)
    optimisers = torch.optim.Adam(layer.mixture.values, 0.02), torch.optim.Adam([layer.alpha], 0.02)
    found = [layer.mixture.strengths().detach()]
    for number in range(1, steps + 1):
        for optimiser in optimisers:
            x = torch.randn(16, fields.channels, 5, 5, generator=source)
            loss = (layer(x) - conv2d(x, target)).square().mean()
            layer.zero_grad()
            loss.backward()
            optimiser.step()
        if number % (steps // 4) == 0:
            found.append(layer.mixture.strengths().detach())
    return [dict(zip(SIX, shares.tolist(), strict=True)) for shares in found]


@seeds
def test_groups_that_cannot_express_a_planted_filter_lose_their_share(seed):
    # A filter that turns by quarters is one of C4 and of its subgroups.
    found = shares_over_time("C4", seed)
    wrong = [sum(shares[group] for group in ("D1", "D2", "D4")) for shares in found]
    assert wrong[0] == pytest.approx(0.5)
    assert all(later < earlier for earlier, later in pairwise(wrong)), wrong
    assert wrong[-1] < 0.2
    assert min(found[-1][group] for group in ("C1", "C2", "C4")) > max(found[-1][g] for g in ("D1", "D2", "D4"))


@seeds
def test_every_group_but_the_smallest_loses_its_share_where_the_filter_is_free(seed):
    found = shares_over_time("C1", seed)
    for group in SIX[1:]:
        assert found[-1][group] < found[0][group] / 2, (group, found)
    assert found[-1]["C1"] > 0.75
    assert all(later["C1"] > earlier["C1"] for earlier, later in pairwise(found))


# The symmetrised dense layer

FACTORS = [["rot90", "hflip"], ["rot90"], ["swap_lr"], []]


def dense_of(factors=FACTORS, seed=0, **options):
    return MixedSymmetrizedLinear(4, 6, [Decomposition.of(f) for f in factors], generator=cases.source(seed), **options)


@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
@pytest.mark.parametrize("weighting", ["softmax", "sum"])
def test_mixed_dense_layer_is_the_sum_of_its_branches(weighting, keep_norm):
    layer = strengthen(dense_of(keep_norm=keep_norm, weighting=weighting))
    with torch.no_grad():
        layer.bias.copy_(cases.images(36))
    x = cases.images(2, 1, 16)
    p = softmax(layer.alpha.tolist()) if weighting == "softmax" else [1.0] * len(FACTORS)
    expected = layer.bias.detach().expand(2, 1, 36).clone()
    for place, factors in enumerate(FACTORS):
        branch = SymmetrizedLinear(4, 6, Decomposition.of(factors), bias=False).double()
        branch.load_state_dict({"weight": kept(layer, place)})
        expected += p[place] * branch(x).detach()
    cases.assert_near(layer(x), expected, 1e-12)
    if weighting == "softmax":
        assert torch.autograd.gradcheck(
            lambda alpha: torch.func.functional_call(layer, {"mixture.alpha": alpha}, (x,)), (layer.alpha,)
        )


def test_mixed_dense_layer_starts_with_the_branches_own_values():
    layer, source = dense_of(), cases.source()
    for values, factors in zip(layer.mixture.values, FACTORS, strict=True):
        branch = SymmetrizedLinear(4, 6, Decomposition.of(factors), generator=source)
        assert torch.equal(values, branch.state_dict()["weight"])


@pytest.mark.parametrize("place", range(len(FACTORS)))
def test_mixed_dense_layer_is_discretised_to_its_strongest_branch(place):
    layer = strengthen(dense_of()).eval()
    with torch.no_grad():
        layer.alpha[place] = 1e3
        layer.bias.copy_(cases.images(36))
    found = layer.discretise()
    assert type(found) is SymmetrizedLinear
    assert not found.training
    assert found.decomposition == Decomposition.of(FACTORS[place])
    cases.assert_near(found.expanded_weight(), layer.expanded_weight(), 1e-12)
    assert max(found.check_equivariance().values(), default=0.0) < 1e-12
    # The bias is the mean over each orbit of cells: as it was where nothing ties them, and every cell counts once.
    assert float((found.expanded_bias().sum() - layer.bias.sum()).detach()) == pytest.approx(0, abs=1e-12)
    if not FACTORS[place]:
        cases.assert_near(found.expanded_bias(), layer.bias, 1e-15)


def test_mixed_dense_layer_is_equivariant_to_what_all_branches_share():
    layer = strengthen(dense_of([["rot90", "hflip"], ["rot90"]]))
    weight = layer.expanded_weight().detach().numpy()
    for factor, shared in (("rot90", True), ("hflip", False)):
        (generator,) = Decomposition.of([factor]).generators
        p, q = generator.permutation(4), generator.permutation(6)
        assert np.allclose(weight[np.ix_(p, q)], weight, rtol=0, atol=1e-14) == shared, factor


def test_mixed_dense_layer_s_penalty_and_messages():
    layer = dense_of(keep_norm=False, weighting="sum").double()
    names = [Decomposition.of(factors).name for factors in FACTORS]
    squares = sum(value**2 for value in layer.mixture.values[1].tolist())
    assert float(layer.penalty({names[1]: 2.0}).detach()) == pytest.approx(2 * squares, rel=1e-12)
    with pytest.raises(SpecError, match="penalty names the branch 'rot180'"):
        layer.penalty({"rot180": 1.0})
    with pytest.raises(SpecError, match="keep_norm=False"):
        dense_of().penalty({names[0]: 1.0})
    with pytest.raises(SpecError, match="name one branch or more, each once"):
        dense_of([["rot90"], ["rot90"]])
    with pytest.raises(SpecError, match="name one branch or more"):
        dense_of([])


def test_the_dense_mixture_exports_and_says_its_shape():
    layer = MixedSymmetrizedLinear(4, 2, [Decomposition.of(["rot90"]), Decomposition.of(["hflip"])])
    x = torch.randn(3, 5, 16)
    assert layer.evaluate_output_shape((3, 5, 16)) == tuple(layer(x).shape) == (3, 5, 4)
    plain = layer.export()
    assert type(plain) is nn.Linear
    assert float((plain(x) - layer(x)).abs().max().detach()) < 1e-5
    with pytest.raises(SpecError, match=r"its last dimension must be 16, the cells of a 4x4 grid"):
        layer(torch.randn(3, 15))
