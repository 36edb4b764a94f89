"""Invariant dense layers that mix groups, against sums of layers that are computed apart."""

import helpers.planar_cases as cases
import pytest
import torch
from helpers.mixed_cases import GROUPS, every_list, kept, softmax, strengthen

from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.group_head import InvariantLinear
from aen.nn.mixed import MixedInvariantLinear, common_group
from aen.nn.morphism import relax


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


def test_mixed_head_without_a_bias():
    layer = strengthen(head_of(GROUPS, bias=False)).eval()
    assert "bias" not in dict(layer.named_parameters())
    x = cases.images(4, 16, 5, 5)
    cases.assert_near(layer(x), x.mean(dim=(2, 3)) @ layer.expanded_weight().t(), 1e-12)
    cases.assert_near(layer.export()(x), layer(x), 1e-12)
    with torch.no_grad():
        layer.alpha[1] = 1e3
    found = layer.discretise()
    assert (found.bias, found.weight.dtype, found.training) == (None, torch.float64, False)
    cases.assert_near(found(x), layer(x), 1e-12)


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


@pytest.mark.parametrize("place", range(len(GROUPS)))
def test_with_all_the_strength_on_one_group_the_head_is_that_group_s(place):
    layer = head_of(GROUPS, keep_norm=False).double()
    with torch.no_grad():
        layer.alpha.fill_(-1e4)
        layer.alpha[place] = 1e4
    alone = InvariantLinear(layer.in_type.regroup(GROUPS[place]), 3).double()
    with torch.no_grad():
        alone.weight.copy_(layer.mixture.values[place].view(alone.weight.shape))
        alone.bias.copy_(layer.bias)
    x = cases.images(2, 16, 7, 7)
    cases.assert_near(layer(x), alone(x), 1e-12)
