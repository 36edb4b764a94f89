"""Mixed EquiNAS children, their strengths, and what they are discretised to."""

import math
from dataclasses import replace
from itertools import pairwise

import helpers.planar_cases as cases
import pytest
import torch
from helpers.equinas_cases import D4, SIX, data_of, images, spec_of, used
from torch import nn

from aen.children import TrainingSpec, build_child
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.mixed import MixedConv2d
from aen.training import train_child


def test_strengths_of_a_mixed_child():
    child = build_child(spec_of(mixed=SIX, skip=True))
    assert child.spec.mixed == ("D4", "C4", "D2", "C2", "D1", "C1")
    assert [type(layer) for layer in child.mixed_layers()[:-1]] == [MixedConv2d] * 8
    assert len(child.mixed_layers()) == 9
    # The skip stands where channels stay: not in the first, nor where the width is doubled.
    assert [len(alpha) for alpha in child.alphas()] == [6, 7, 7, 7, 6, 7, 7, 7, 6]
    assert not any(alpha.any() for alpha in child.alphas())
    child(images(child, dtype=torch.float32)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in child.parameters())
    assert all(alpha.grad.any() for alpha in child.alphas())
    summed = build_child(spec_of(mixed=SIX, weighting="sum", keep_norm=False))
    assert summed.alphas() == []
    assert summed.mixed_layers()[3].penalty({"C1": 1e-6}) > 0


def set_strengths(child, wanted):
    """Make groups strong: for each layer names from the strongest on."""
    with torch.no_grad():
        for alpha, names in zip(child.alphas(), wanted, strict=True):
            alpha.zero_()
            for rank, name in enumerate(names):
                alpha[child.spec.mixed.index(name) if name else -1] = 1000 - 100 * rank


def test_a_discretised_child_computes_what_the_mixed_one_does_when_one_branch_is_all():
    child = used(build_child(spec_of(mixed=SIX))).double()
    for norm in (layer for layer in child.layers if isinstance(layer, GroupBatchNorm2d)):
        # As a discrete child's norms are: alike over a field, here of the largest group.
        members = torch.from_numpy(norm.in_type.regroup(D4).field_channels())
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values[members] = values[members].mean(1, keepdim=True).expand(members.shape)
    groups = ("D4", "D4", "D2", "D2", "D1", "D1", "C1", "C1")
    set_strengths(child, [[name] for name in (*groups, "C1")])
    plain = child.discretise()
    assert plain.spec == child.spec.with_groups(groups)
    assert (plain.spec.mixed, plain.training) == ((), False)
    cases.assert_near(plain(images(child)), child(images(child)), 1e-12)
    assert {id(p) for p in plain.parameters()}.isdisjoint({id(p) for p in child.parameters()})
    assert train_child(replace(plain.spec, training=TrainingSpec(epochs=1)), data_of(plain.spec)).status == "ok"


def test_discretised_groups_never_grow():
    child = build_child(spec_of(mixed=SIX, skip=True))
    assert child.discretise().spec.groups == ("D4",) * 8  # equally strong: the largest
    strong = ["D4", "C4", "D4", "D2", "D2", "D1", "C2", "D4"]
    set_strengths(child, [[name] for name in (*strong, "D4")])
    found = child.discretise().spec
    assert found.groups == ("D4", "C4", "C4", "C4", "C4", "C4", "C2", "C2")
    assert found.head_group == "C2"
    # Of those that may follow, the strongest.
    set_strengths(child, [["D2"], ["D4", "C4", "C1"], ["D2"], *[["D4"]] * 6])
    assert child.discretise().spec.groups[:3] == ("D2", "C1", "C1")
    # A skip's strength does not count.
    set_strengths(child, [["D4"], ["", "C4"], ["", "C2"], ["C1"], *[["C1"]] * 5])
    assert child.discretise().spec.groups[:4] == ("D4", "C4", "C2", "C1")
    assert child.discretise().spec.skip is False
    for seed in range(20):
        cases.randomise(nn.ParameterList(child.alphas()), seed=seed)
        groups = [PlanarGroup.of(name) for name in child.discretise().spec.groups]
        assert all(behind <= before for before, behind in pairwise(groups))


def test_what_cannot_be_discretised():
    with pytest.raises(SpecError, match=r"a child that is D4 cannot be discretised: its layers are not mixed"):
        build_child(spec_of()).discretise()
    with pytest.raises(SpecError, match=r"cannot be discretised: with weighting='sum' it has no alpha"):
        build_child(spec_of(mixed=("C1", "D4"), weighting="sum")).discretise()


def test_a_published_mixed_child_is_discretised_to_a_published_one():
    child = build_child(spec_of(mixed=("C1", "D4"), published=True)).eval()
    set_strengths(child, [["D4"]] * 4 + [["C1"]] * 4)
    plain = child.discretise()
    assert (plain.spec.published, plain.spec.group) == (True, "D4 x4, C1 x4")
    x = images(child, dtype=torch.float32)
    cases.assert_near(plain(x), child(x), 1e-5)


def test_a_prior_is_for_the_largest_group():
    child = build_child(spec_of(mixed=("C1", "C4", "D4"), prior=True))
    share = 1 / (1 + 2 * math.exp(-2))
    for layer in child.mixed_layers():
        assert layer.mixture.strengths().tolist()[0] == pytest.approx(share, abs=1e-6)
    assert child.spec.key != spec_of(mixed=("C1", "C4", "D4")).key
