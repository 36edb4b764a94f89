"""EquiNAS children of which a layer is relaxed, and the optimiser that goes on with them."""

import copy

import helpers.planar_cases as cases
import pytest
import torch
from helpers.equinas_cases import images, spec_of, used
from torch.nn.functional import cross_entropy

from aen.children import EquiNASSpec, build_child
from aen.errors import GroupError, SpecError

CHAINS = {
    "one by one": [*((i, "C1") for i in range(8, -1, -1))],
    "the head follows": [*((i, "C1") for i in range(7, -1, -1))],
    "in steps": [
        (8, "D2"), (7, "D2"), (6, "D2"), (7, "D1v"), (5, "D2"), (8, "C1"), (7, "C1"), (6, "C2"), (6, "C1"), (5, "C1"),
        (4, "C4"), (4, "C1"), (3, "D2d"), (3, "D1a"), (2, "D1a"), (3, "C1"), (2, "C1"), (1, "D1"), (0, "D2"), (1, "C1"),
        (0, "C1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("chain", "published"),
    [
        *((chain, False) for chain in CHAINS),
        ("one by one", True),
        *(pytest.param(chain, True, marks=pytest.mark.slow) for chain in ("the head follows", "in steps")),
    ],
)
def test_relaxing_keeps_the_function(chain, published):
    child = build_child(EquiNASSpec(width=1, side=16, published=published)).double()
    first = child = used(child)
    x, expected, channels = images(child), child(images(child)), child.spec.layer_channels
    for layer, group in CHAINS[chain]:
        if published and layer == 8:
            continue
        before = child
        child = child.relaxed(layer, group)
        assert ((*child.spec.groups, child.spec.head_group)[layer], child.training) == (group, False)
        if layer < 8:
            assert child.convolution(layer).group.name == group
        assert child.spec.layer_channels == channels
        assert child.parameter_count() > before.parameter_count()
        cases.assert_near(child(x), expected, 1e-12)
        # The same as one that is built from its spec and given the weights.
        built = build_child(child.spec).double().eval()
        built.load_state_dict(child.state_dict())
        assert torch.equal(built(x), child(x))
        assert [layer.group for layer in built.layers] == [layer.group for layer in child.layers]
    assert child.spec.groups == ("C1",) * 8
    assert child.spec.head_group == "C1"
    assert child.spec.key == first.spec.with_groups(("C1",) * 8).key
    assert torch.equal(first(x), expected)


def test_the_head_keeps_what_it_has_in_common_with_the_last_convolution():
    child = build_child(spec_of(head_group="C4"))
    assert child.relaxed(7, "D2").spec.head_group == "C2"
    assert child.relaxed(7, "C4").spec.head_group == "C4"
    assert child.relaxed(8, "C2").spec.head_group == "C2"
    behind = build_child(spec_of(*("D4",) * 7, "C2"))
    assert (behind.relaxed(6, "D2").spec.head_group, behind.relaxed(6, "D2").spec.groups[6:]) == ("C2", ("D2", "C2"))


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_the_optimiser_goes_along(kind):
    child = build_child(spec_of(classes=3)).double()  # so that gradients stand out from rounding
    x, labels = images(child, 6), torch.tensor([0, 1, 2, 0, 1, 2])

    def optimiser_of(parameters):
        if kind == "adam":
            return torch.optim.Adam(parameters, 1e-2)
        return torch.optim.SGD(parameters, 0.05, momentum=0.9)

    def step(child, optimiser):
        optimiser.zero_grad()
        cross_entropy(child.train()(x), labels).backward()
        optimiser.step()

    optimiser = optimiser_of(child.parameters())
    for _ in range(3):
        step(child, optimiser)
    weights = copy.deepcopy(child.state_dict())
    own = copy.deepcopy(optimiser, {id(p): p for p in child.parameters()})
    relaxed = child.relaxed(7, "C4", own)
    names = {id(parameter): name for name, parameter in relaxed.named_parameters()}
    assert [names[id(p)] for p in own.param_groups[0]["params"]] == list(names.values())
    assert {names[id(p)] for p in own.state} == set(names.values())
    changed = 0
    for (name, new), old in zip(relaxed.named_parameters(), child.parameters(), strict=True):
        assert own.state[new].keys() == optimiser.state[old].keys()
        for key, value in own.state[new].items():
            if value.dim() and new.shape == old.shape:
                assert torch.equal(value, optimiser.state[old][key]), (name, key)
            assert value.dim() == 0 or value.shape == new.shape
        changed += new.shape != old.shape
    assert changed == 4  # the last convolution, its norm's two, and the dense layer
    # A momentum of the free values, spread over the full weights.
    key = "exp_avg" if kind == "adam" else "momentum_buffer"
    full = []
    for other, theirs in ((child, optimiser), (relaxed, own)):
        layer = other.convolution(7)
        table = layer.weight_table
        full.append(table.expand(theirs.state[layer.weight][key].reshape(-1) / table.sizes()))
    cases.assert_near(full[1], full[0], 1e-12)
    # The two go their own ways, and the first one's optimiser still holds it.
    step(relaxed, own)
    assert all(torch.equal(child.state_dict()[name], values) for name, values in weights.items())
    step(child, optimiser)
    steps = {name: cases.relative(values, weights[name]) for name, values in child.named_parameters()}
    assert min(steps.values()) > 1e-6, steps


def test_what_cannot_be_relaxed():
    child = build_child(spec_of())
    with pytest.raises(SpecError, match=r"layer 4 has the group D4, .* no subgroup of C4.*Relax layer 4 to a subgroup"):
        child.relaxed(3, "C4")
    assert child.relaxed(3, "D4").spec == child.spec
    smaller = child.relaxed(7, "C4")
    with pytest.raises(
        SpecError, match=r"group is D2, which is no subgroup of C4, the group of layer 7; .* C1, C2, C4"
    ):
        smaller.relaxed(7, "D2")
    with pytest.raises(SpecError, match=r"layer is 9; the layers with a group are 0 to 8"):
        child.relaxed(9, "C1")
    with pytest.raises(GroupError, match=r"unknown planar group 'C3'"):
        child.relaxed(7, "C3")
    with pytest.raises(SpecError, match=r"mixed over D4, C1 cannot be relaxed; discretise it first"):
        build_child(spec_of(mixed=("C1", "D4"))).relaxed(7, "C1")
    foreign = torch.optim.SGD(smaller.parameters(), 0.1)
    held = list(foreign.param_groups[0]["params"])
    with pytest.raises(SpecError, match=r"optimiser does not hold the child's parameters; make it from"):
        child.relaxed(7, "C1", foreign)
    assert all(a is b for a, b in zip(held, foreign.param_groups[0]["params"], strict=True))
