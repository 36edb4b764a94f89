"""EquiNAS children whose initial weights are those of a larger group."""

import helpers.planar_cases as cases
import pytest
import torch
from helpers.equinas_cases import SHRINKING, images, spec_of

from aen.children import build_child
from aen.nn.group_norm import GroupBatchNorm2d
from aen.training.autograd import fit


@pytest.mark.parametrize("groups", [("C1",) * 8, SHRINKING, ("D2",) * 4 + ("C2",) * 4], ids=str)
def test_a_child_drawn_as_the_largest_group_is_that_group_s_child(groups):
    child, whole = build_child(spec_of(*groups, drawn_as="D4", seed=3)), build_child(spec_of(seed=3))
    assert tuple(layer.group.name for layer in map(child.convolution, range(8))) == groups
    assert child.parameter_count() == build_child(spec_of(*groups)).parameter_count() > whole.parameter_count()
    for one, other in zip(child.places, whole.places, strict=True):
        assert torch.equal(child.layers[one].expanded_weight(), whole.layers[other].expanded_weight())
    assert max(child.double().record()["distance_to_base"]) < 1e-12
    assert max(build_child(spec_of(*groups)).record()["distance_to_base"]) > 0.1


def test_a_child_drawn_as_the_largest_group_is_invariant_before_it_is_trained():
    child, whole = (build_child(spec).double().eval() for spec in (spec_of(*("C1",) * 8, drawn_as="D4"), spec_of()))
    for one in (child, whole):  # statistics with which signals do not die out, the same for all fields of a layer
        for norm in (m for m in one.modules() if isinstance(m, GroupBatchNorm2d)):
            norm.running_var.fill_(0.01)
        one.head[0].running_var.fill_(0.01)
    x = images(child)
    cases.assert_near(child(x), whole(x), 1e-12)
    assert cases.relative(child(x[:1]), child(x[1:])) > 1e-3
    assert max(child.check_invariance(x, "D4").values()) < 1e-12
    assert max(child.distances()) < 1e-12
    trained = fit(child, child.spec, images(child, 8), torch.arange(8))
    assert trained.finite
    assert min(child.distances()) > 1e-3


def test_drawn_as_goes_through_the_spec():
    spec = spec_of(*SHRINKING, drawn_as="D4")
    assert spec.drawn_as == "D4"
    assert spec_of(*("D1v",) * 8, drawn_as="D1(1/2)").drawn_as == "D1v"
    assert build_child(spec_of(*("C2",) * 8, drawn_as="C4")).distances()[0] > 0.1
    loaded = build_child(spec)
    loaded.load_state_dict(build_child(spec).state_dict())
    assert max(loaded.double().distances()) < 1e-12
