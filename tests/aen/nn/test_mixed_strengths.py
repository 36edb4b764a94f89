"""How strong the branches of a mixed layer are: one alone, by temperature, and after training."""

import math
from itertools import pairwise

import helpers.planar_cases as cases
import pytest
import torch
from helpers.mixed_cases import GROUPS, conv_of, softmax, step, strengthen
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d

from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d
from aen.nn.mixed import MixedConv2d


@pytest.mark.parametrize("place", range(len(GROUPS)))
@pytest.mark.parametrize("keep_norm", [False, True], ids=["", "keep_norm"])
@pytest.mark.parametrize("skip", [False, True], ids=["", "skip"])
def test_with_all_the_strength_on_one_group_it_is_that_group_s_layer(place, keep_norm, skip):
    layer = conv_of(GROUPS, padding="same", keep_norm=keep_norm, skip=skip)
    step(layer, 2, padded=True)
    with torch.no_grad():
        layer.alpha.fill_(-1e4)
        layer.alpha[place] = 1e4
    layer, group = layer.double(), layer.groups[place]
    alone = GroupConv2d(layer.in_type.regroup(group), layer.out_type.regroup(group), 3, padding="same").double()
    with torch.no_grad():
        alone.weight.copy_(layer.mixture.values[place].view(alone.weight.shape))
        alone.bias.copy_(layer.biases[place])
        if keep_norm:
            values = alone.weight
            values.mul_(float(layer.mixture.norms[place]) / float(torch.linalg.vector_norm(values)))
    x = cases.images(2, 16, 7, 7)
    cases.assert_near(layer.expanded_weight(), alone.expanded_weight(), 1e-12)
    cases.assert_near(layer(x), alone(x), 1e-12)


@given(
    alpha=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    temperature=st.floats(0.05, 20),
)
@settings(max_examples=20)
def test_temperature_divides_alpha(alpha, temperature):
    layer = conv_of(GROUPS, padding="same", skip=True, temperature=temperature).double()
    with torch.no_grad():
        layer.alpha.copy_(torch.tensor(alpha))
    cases.assert_near(layer.mixture.strengths(), softmax([number / temperature for number in alpha]), 1e-6)
    layer.mixture.temperature = 1.0
    cases.assert_near(layer.mixture.strengths(), softmax(alpha), 1e-6)


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
seeds = pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))])


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
