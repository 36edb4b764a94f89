"""The backbone of EquiNAS: what it computes, how it is relaxed, mixed and trained, and what names it."""

import copy
import json
import math
import pickle
import warnings
from dataclasses import fields, replace
from itertools import pairwise

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy

from aen.children import ChildSpec, EquiNASChild, EquiNASSpec, TrainingSpec, build_child
from aen.data.dataset import Dataset, Split, load_dataset
from aen.data.spec import DataSpec
from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import SpatialPool2d
from aen.nn.mixed import MixedConv2d
from aen.nn.module import EquivarianceWarning
from aen.training import load_child, train_child
from aen.training.autograd import fit

D4 = PlanarGroup.of("D4")
SHRINKING = ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")
SIX = ("C1", "C2", "C4", "D1", "D2", "D4")
# Small, so that a child is made and asked in milliseconds.
SMALL = {"side": 14, "width": 1, "kernel_size": 3, "dense": 8}
MODES = {
    "static": {"groups": SHRINKING},
    "mixed": {"mixed": ("C1", "C4", "D4"), "skip": True},
    "summed": {"mixed": ("C1", "D4"), "weighting": "sum", "keep_norm": False},
    "published": {"groups": SHRINKING, "published": True},
    "published, mixed": {"mixed": ("C1", "D4"), "published": True},
}
every_mode = pytest.mark.parametrize("mode", MODES)


def spec_of(*groups, **options):
    return EquiNASSpec(groups=groups, **(SMALL | options))


def used(child, n=8):
    """In evaluation mode, with the statistics of some images: with those of the start, signals would die out."""
    norms = [m for m in child.modules() if isinstance(m, GroupBatchNorm2d | nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        cases.randomise(nn.ParameterList([norm.weight, norm.bias]))
        norm.momentum = 1.0
    with torch.no_grad():
        child.train()(images(child, n, next(child.parameters()).dtype))
    for norm in norms:
        norm.momentum = 0.1
    return child.eval()


def images(child, n=2, dtype=torch.float64):
    """Noise of different contrast: the means of equal noise differ by little, which batch norm would blow up."""
    contrast = torch.linspace(0.5, 2, n, dtype=dtype).view(-1, 1, 1, 1)
    return contrast * cases.images(n, child.spec.channels, child.spec.side, child.spec.side, dtype=dtype)


def data_of(spec, n=24):
    """Random images and labels."""

    def split(seed):
        labels = torch.randint(spec.classes, (n,), generator=cases.source(seed))
        return Split(cases.images(n, spec.channels, spec.side, spec.side, seed=seed, dtype=torch.float32), labels)

    return Dataset(spec.data, spec.classes, split(1), split(2))


# What it computes


@pytest.mark.parametrize(
    ("side", "width", "n"), [(28, 2, 2), (64, 1, 2), (256, 1, 1), (12, 1, 2), (8, 1, 2), (27, 1, 2), (3, 1, 2)]
)
def test_the_default_child_is_invariant(side, width, n):
    child = used(build_child(EquiNASSpec(side=side, width=width, channels=1 + (side == 64))), 8 if side < 100 else 2)
    x = images(child, n, torch.float32)
    with torch.no_grad():
        logits = child(x)
        assert n == 1 or (logits[0] - logits[1]).abs().max() > 1e-3 * logits.abs().max()
        for element in D4.elements[1:]:
            cases.assert_near(child(cases.moved(x, element)), logits, 1e-5)
        # Shifts are no part of D4.
        assert cases.relative(child(x.roll(side // 3, -1)), logits) > 1e-3
    if side < 100:
        errors = child.check_invariance(x)
        assert errors.keys() == {element.name for element in D4.elements[1:]} == child.check_equivariance().keys()
        assert max(*errors.values(), *child.check_equivariance().values()) < 1e-5


@pytest.mark.parametrize("group", cases.EXACT)
def test_equivariant_to_the_group_of_the_last_layer_and_to_no_larger_one(group):
    child = used(build_child(spec_of(*("D4",) * 4, *(group,) * 4))).double()
    errors = child.check_invariance(images(child), "D4")
    inside = {element.name for element in PlanarGroup.of(group).elements}
    for name, error in errors.items():
        assert (error < 1e-12) == (name in inside), (name, error)
    assert child.check_invariance(images(child)).keys() == inside - {"e"} == child.check_equivariance().keys()


def test_the_head_alone_may_have_a_smaller_group():
    child = used(build_child(spec_of(head_group="C2"))).double()
    assert max(child.check_equivariance().values()) < 1e-12
    assert len(child.check_equivariance()) == 7
    errors = child.check_invariance(images(child), "D4")
    assert [name for name, error in errors.items() if error < 1e-12] == ["r180"]


def test_a_mixed_child_is_invariant_to_what_its_groups_share():
    child = used(build_child(spec_of(mixed=("D2", "D4", "D1"), skip=True))).double()
    errors = child.check_invariance(images(child), "D4")
    assert [name for name, error in errors.items() if error < 1e-12] == ["hflip"]
    assert child.check_equivariance().keys() == {"hflip"}


def test_forward_agrees_with_plain_layers():
    child = used(build_child(spec_of(*SHRINKING))).double()
    x = maps = images(child)
    norms = [layer.export() for layer in child.layers if isinstance(layer, GroupBatchNorm2d)]
    assert child.spec.poolings == (5, 7)  # 14 -> 7 -> 4
    for number, norm in enumerate(norms):
        maps = norm(conv2d(maps, child.convolution(number).expanded_weight(), padding=1)).relu()
        if number == 4:
            maps = avg_pool2d(maps, 2)
        elif number == 6:
            maps = avg_pool2d(maps, 3, 2, 1)
    assert maps.shape == (2, 16, 4, 4)
    dense = child.layers[child.place(8)]
    rows = maps.mean(dim=(2, 3)) @ dense.expanded_weight().t() + dense.bias
    norm, elu, last = child.head
    assert (type(elu), last.in_features, last.out_features) == (nn.ELU, 8, 10)
    cases.assert_near(child(x), last(elu(norm(rows))), 1e-12)
    assert torch.equal(child(x), child.forward_prepared(child.prepare(x)))


def test_layers_are_found_by_number():
    child = build_child(spec_of(*SHRINKING))
    assert type(child) is EquiNASChild
    assert [type(child.convolution(i)) for i in range(8)] == [LiftingConv2d] + [GroupConv2d] * 7
    assert tuple(child.convolution(i).group.name for i in range(8)) == SHRINKING
    assert all(child.layers[child.place(i)] is child.convolution(i) for i in range(8))
    assert type(child.layers[child.place(8)]) is InvariantLinear
    assert child.place(8) == len(child.layers) - 1
    with pytest.raises(SpecError, match=r"layer is 9; the layers with a group are 0 to 8"):
        child.place(9)
    with pytest.raises(SpecError, match=r"layer is 8; the convolutions are 0 to 7"):
        child.convolution(8)
    with pytest.raises(SpecError, match=r"layer is 8; the layers with a group are 0 to 7"):
        build_child(spec_of(published=True)).place(8)
    assert child.alphas() == child.mixed_layers() == []


# As published


def test_the_published_child_is_not_equivariant_where_its_windows_leave_a_rest():
    child = build_child(EquiNASSpec(width=2, published=True)).double().eval()
    errors = child.check_equivariance()
    # On even sides the windows see the first row and column and the last ones less: only the diagonal mirroring that
    # exchanges rows and columns keeps that.
    assert errors.pop("r90 hflip") < 1e-12
    assert min(errors.values()) > 0.03
    # 7 -> 4 leaves no rest: the maps are equivariant then, but the dense layer reads every channel.
    fits = build_child(EquiNASSpec(width=2, published=True, side=7)).double().eval()
    assert fits.spec.poolings == (7,)
    assert max(fits.check_equivariance().values()) < 1e-12
    assert min(fits.check_invariance(images(fits)).values()) > 1e-8
    # Nor are they once the channels of a field have statistics of their own.
    assert min(used(fits).check_equivariance().values()) > 0.1
    assert min(used(child).check_equivariance().values()) > 0.1
    assert min(used(child).check_invariance(images(child)).values()) > 0.1


def test_the_published_layers():
    child = build_child(EquiNASSpec(width=1, published=True))
    assert [type(part).__name__ for part in child.head] == ["Flatten", "Linear", "DenseNorm", "ELU", "Linear"]
    pools = [layer for layer in child.layers if isinstance(layer, SpatialPool2d)]
    windows = [(pool.window.kernel_size, pool.window.stride, pool.window.padding, pool.kind) for pool in pools]
    assert windows == [(3, 2, 1, "mean")] * 3 + [(4, 4, 0, "mean")]
    assert child.layers.evaluate_output_shape((1, 1, 28, 28)) == (1, 16, 1, 1)
    norms = [module for module in child.layers.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [norm.num_features for norm in norms] == [8] * 4 + [16] * 4
    large = build_child(EquiNASSpec(width=1, side=72, poolings=(3, 5, 7), published=True))
    assert large.layers.evaluate_output_shape((1, 1, 72, 72)) == (1, 16, 2, 2)
    assert large(torch.zeros(2, 1, 72, 72)).shape == (2, 10)


def test_nothing_warns_of_what_the_spec_says():
    with warnings.catch_warnings():
        warnings.simplefilter("error", EquivarianceWarning)
        child = build_child(spec_of(published=True))
        for other in (child, pickle.loads(pickle.dumps(child)), copy.deepcopy(child), child.relaxed(7, "C4")):  # noqa: S301
            other(images(child, dtype=torch.float32))
    with pytest.warns(EquivarianceWarning, match="stride 2 leaves a rest of 1 on side 12"):
        SpatialPool2d(FieldType.regular("D4", 1), 3, stride=2, padding=1)(torch.zeros(1, 8, 12, 12))


# Relaxing


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
    child = build_child(spec_of(classes=3))
    x, labels = images(child, 6, torch.float32), torch.tensor([0, 1, 2, 0, 1, 2])

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
    cases.assert_near(full[1], full[0], 1e-6)
    # The two go their own ways, and the first one's optimiser still holds it.
    step(relaxed, own)
    assert all(torch.equal(child.state_dict()[name], values) for name, values in weights.items())
    step(child, optimiser)
    moved = [name for name, values in child.named_parameters() if not torch.equal(values, weights[name])]
    assert len(moved) == len(names)


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


@every_mode
def test_copies_share_tables_and_no_weights(mode):
    child = build_child(EquiNASSpec(**(SMALL | MODES[mode]))).eval()
    optimiser = torch.optim.Adam(child.parameters(), 0.1)
    twin, theirs = copy.deepcopy((child, optimiser))
    x = images(child, dtype=torch.float32)
    expected = child(x)
    assert torch.equal(twin(x), expected)
    assert [id(p) for p in theirs.param_groups[0]["params"]] == [id(p) for p in twin.parameters()]
    ours, copies = ({id(v) for v in module.state_dict(keep_vars=True).values()} for module in (child, twin))
    assert not ours & copies
    shared = {b.data_ptr() for b in child.buffers() if b.numel()} & {b.data_ptr() for b in twin.buffers() if b.numel()}
    assert shared
    twin.train()
    twin(x).square().sum().backward()
    theirs.step()
    assert torch.equal(child(x), expected)
    assert not torch.equal(twin.eval()(x), expected)
    assert all(parameter.grad is None for parameter in child.parameters())
    assert twin.spec == child.spec


# Mixed


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


# How far layers are from the largest group


def projected(full, out_type, in_type):
    """The mean of full weights ``[out, in, k, k]`` over the group of the square, moved by hand by each element."""
    total = torch.zeros_like(full)
    for element in D4.elements:
        moved = cases.moved(full, element)
        there = torch.empty_like(full)
        rows, columns = (torch.from_numpy(kind.permutation(element)) for kind in (out_type, in_type))
        there[rows[:, None], columns] = moved
        total += there
    return total / len(D4.elements)


def distances_by_hand(child):
    found = []
    for place in child.places:
        layer = child.layers[place]
        full = layer.expanded_weight().detach().double()
        full = full if full.dim() == 4 else full[..., None, None]
        nearest = projected(full, layer.out_type, layer.in_type)
        found.append(float((full - nearest).norm() / full.norm()))
    return found


@every_mode
def test_distances_agree_with_a_mean_by_hand(mode):
    child = cases.randomise(build_child(EquiNASSpec(**(SMALL | MODES[mode] | {"channels": 2}))))
    record = child.record()
    assert json.loads(json.dumps(record)) == record
    assert len(record["distance_to_base"]) == (8 if child.spec.published else 9)
    for found, expected in zip(record["distance_to_base"], distances_by_hand(child), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    assert ("alphas" in record) == (mode in {"mixed", "published, mixed"})
    if not child.spec.mixed:
        far = [group != "D4" for group in child.spec.layer_groups]
        assert [distance > 0.1 for distance in record["distance_to_base"]] == far


def test_the_mean_by_hand_is_a_projection():
    child = build_child(spec_of()).double()
    for place in child.places:
        layer = child.layers[place]
        full = layer.expanded_weight().detach()
        full = full if full.dim() == 4 else full[..., None, None]
        types = layer.out_type, layer.in_type
        cases.assert_near(projected(full, *types), full, 1e-12)
        once = projected(cases.images(*full.shape), *types)
        cases.assert_near(projected(once, *types), once, 1e-12)
        assert cases.relative(once, cases.images(*full.shape)) > 0.5


def test_distance_to_a_base_that_is_smaller():
    child = build_child(spec_of(*("C4",) * 4, *("C1",) * 4, base="C4"))
    assert [distance > 0.1 for distance in child.distances()] == [False] * 4 + [True] * 5


# Drawn as a larger group


@pytest.mark.parametrize("groups", [("C1",) * 8, SHRINKING, ("D2",) * 4 + ("C2",) * 4], ids=str)
def test_a_child_drawn_as_the_largest_group_is_that_group_s_child(groups):
    child, whole = build_child(spec_of(*groups, drawn_as="D4", seed=3)), build_child(spec_of(seed=3))
    assert tuple(layer.group.name for layer in map(child.convolution, range(8))) == groups
    assert child.parameter_count() == build_child(spec_of(*groups)).parameter_count() > whole.parameter_count()
    for one, other in zip(child.places, whole.places, strict=True):
        assert torch.equal(child.layers[one].expanded_weight(), whole.layers[other].expanded_weight())
    assert max(child.record()["distance_to_base"]) < 1e-6
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
    assert max(loaded.distances()) < 1e-6


def test_a_prior_is_for_the_largest_group():
    child = build_child(spec_of(mixed=("C1", "C4", "D4"), prior=True))
    share = 1 / (1 + 2 * math.exp(-2))
    for layer in child.mixed_layers():
        assert layer.mixture.strengths().tolist()[0] == pytest.approx(share, abs=1e-6)
    assert child.spec.key != spec_of(mixed=("C1", "C4", "D4")).key


# Training and what else every child does


@every_mode
def test_trained_twice_alike_to_the_bit(mode, tmp_path):
    spec = EquiNASSpec(**(SMALL | MODES[mode]), training=TrainingSpec(epochs=1, batch_size=8), classes=3)
    data = data_of(spec, 17)  # the last batch is one image
    first = train_child(spec, data, weights_folder=tmp_path / "a")
    second = train_child(spec, data, weights_folder=tmp_path / "b")
    assert first.status == "ok"
    assert replace(first, seconds=0) == replace(second, seconds=0)
    one, other = (load_child(spec, tmp_path / folder / first.weights) for folder in "ab")
    assert all(torch.equal(other.state_dict()[name], values) for name, values in one.state_dict().items())
    start = build_child(spec)
    assert first.parameters == start.parameter_count()
    assert all(not torch.equal(old, new) for old, new in zip(start.alphas(), one.alphas(), strict=True))


@pytest.mark.parametrize("options", [{"groups": ("C1",) * 8}, {"mixed": ("C1", "D4")}], ids=str)
def test_children_learn_digits(options):
    data = DataSpec(train=80, validation=1, test=1)
    training = TrainingSpec(epochs=5, batch_size=10, learning_rate=4e-3)
    spec = EquiNASSpec(data=data, training=training, **(SMALL | {"side": 8, "dense": 16} | options))
    assert spec.poolings == (7,)
    child, split = build_child(spec), load_dataset(data).train
    assert fit(child, spec, split.images, split.labels)
    # With a batch's own statistics: after so few steps the running ones are still behind the weights.
    with torch.no_grad():
        accuracy = (child.train()(split.images).argmax(dim=1) == split.labels).double().mean()
    assert accuracy > 0.8


@every_mode
def test_export(mode):
    child = cases.randomise(build_child(EquiNASSpec(**(SMALL | MODES[mode] | {"channels": 2})))).eval()
    x = images(child, dtype=torch.float32)
    plain = child.export()
    cases.assert_near(plain(x), child(x), 1e-5)
    assert not plain.training
    for part in plain.modules():
        assert type(part).__module__.startswith("torch.nn.modules."), type(part)
    assert not {id(p) for p in plain.parameters()} & {id(p) for p in child.parameters()}
    assert torch.equal(plain(x), pickle.loads(pickle.dumps(plain))(x))  # noqa: S301


@every_mode
def test_same_seed_same_weights(mode):
    before = torch.get_rng_state()
    specs = [EquiNASSpec(**(SMALL | MODES[mode]), seed=seed) for seed in (0, 0, 1)]
    one, same, other = (build_child(spec) for spec in specs)
    assert torch.equal(torch.get_rng_state(), before)
    for name, values in one.named_parameters():
        assert torch.equal(dict(same.named_parameters())[name], values), name
        drawn = values.ne(values.flatten()[0]).any()
        assert not drawn or not torch.equal(dict(other.named_parameters())[name], values), name


def test_one_image_is_a_batch_in_training_too():
    child = build_child(spec_of()).train()
    x = images(child, 1, torch.float32)
    child(x).sum().backward()
    assert child.head[0].running_mean.eq(0).all()
    child(images(child, 4, torch.float32))
    assert child.head[0].running_mean.any()


def test_larger_maps_are_measured_in_smaller_batches():
    sizes = [build_child(EquiNASSpec(side=side, width=2)).evaluation_batch for side in (28, 64, 256)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == [256, 256, 16]


# Specs


def test_what_is_left_out_is_filled_in():
    spec = EquiNASSpec()
    assert (spec.groups, spec.head_group, spec.dense) == (("D4",) * 8, "D4", 64)
    assert [EquiNASSpec(side=side).dense for side in (32, 64, 256)] == [64, 128, 128]
    assert spec.layer_channels == (128,) * 4 + (256,) * 4
    assert spec.layer_fields == (16,) * 4 + (32,) * 4
    assert (EquiNASSpec(published=True).head_group, EquiNASSpec(mixed=("D4",)).groups) == ("C1", ())
    assert spec.population_key is None
    assert spec.side_is == "side is"


@pytest.mark.parametrize(
    ("side", "poolings", "last"),
    [
        (28, (3, 5, 7), 4), (64, (3, 5, 6, 7), 4), (256, (2, 3, 4, 5, 6, 7), 4), (8, (7,), 4), (16, (5, 7), 4),
        (32, (3, 5, 7), 4), (128, (3, 4, 5, 6, 7), 4), (512, (1, 2, 3, 4, 5, 6, 7), 4), (4, (), 4), (5, (), 5),
        (20, (5, 7), 5), (7, (7,), 4),
    ],
)  # fmt: skip
def test_poolings_by_side(side, poolings, last):
    spec = EquiNASSpec(side=side, width=1)
    assert (spec.poolings, spec.sides[-1]) == (poolings, last)
    if side <= 64:
        child = build_child(spec)
        before = child.layers[child.place(8) - 1]
        shape = (1, 1, side, side)
        for layer in child.layers:
            shape = layer.evaluate_output_shape(shape)
            if layer is before:
                assert shape == (1, 16, last, last)


def test_baselines_of_equal_width():
    # As many channels, whatever the group, and so more parameters with a smaller one.
    static = {group: EquiNASSpec(base=group, width=128 // PlanarGroup.of(group).order) for group in ("C1", "C4", "D4")}
    within = {group: EquiNASSpec(groups=(group,) * 8) for group in static}
    counts = {}
    for group, spec in static.items():
        assert spec.layer_channels == within[group].layer_channels == (128,) * 4 + (256,) * 4
        order = PlanarGroup.of(group).order
        pairs = [(1, 128), *[(128, 128)] * 3, (128, 256), *[(256, 256)] * 3]
        filters = sum(25 * i * o // order for i, o in pairs)
        norms = 2 * sum(o // order for _, o in pairs)
        counts[group] = filters + norms + (256 // order + 1) * 64 + 2 * 64 + 65 * 10
        if group != "C1":  # C1's is seven million weights
            assert build_child(spec).parameter_count() == build_child(within[group]).parameter_count() == counts[group]
    assert counts["C1"] > 3.9 * counts["C4"] > 7.7 * counts["D4"]


OTHERS = {
    "data": DataSpec(name="mnist"),
    "classes": 7,
    "training": TrainingSpec(epochs=3),
    "seed": 5,
    "side": 11,
    "channels": 3,
    "groups": SHRINKING,
    "base": "C1",
    "width": 6,
    "kernel_size": 7,
    "dense": 16,
    "head_group": "C1",
    "mixed": ("C1",),
    "skip": True,
    "weighting": "sum",
    "keep_norm": False,
    "published": True,
    "poolings": (3,),
    "parent": "0123456789abcdef01234567",
    "alpha_learning_rate": 0.0,
    "alpha_data": "halves",
    "prior": True,
    "temperature": 0.5,
    "penalty": 1e-6,
    "drawn_as": "D4",
}
OF_MIXED = {"mixed", "skip", "weighting", "keep_norm", "alpha_learning_rate", "alpha_data", "prior", "temperature"}


def test_every_field_has_another_value():
    assert OTHERS.keys() == {field.name for field in fields(EquiNASSpec)}


@pytest.mark.parametrize("name", OTHERS)
def test_key_depends_on_every_field(name):
    start = {"mixed": ("C1", "D4")} if name in OF_MIXED | {"penalty"} else {}
    start |= {"weighting": "sum", "keep_norm": False} if name == "penalty" else {}
    spec, other = (EquiNASSpec(**(SMALL | start | changes)) for changes in ({}, {name: OTHERS[name]}))
    assert getattr(other, name) != getattr(spec, name)
    assert other.key != spec.key
    again = ChildSpec.from_json(json.loads(json.dumps(other.to_json())))
    assert type(again) is EquiNASSpec
    assert again == other
    assert (again.key, again.class_key, again.name) == (other.key, other.class_key, other.name)
    if name in {"groups", "head_group", "mixed", "base"}:
        assert other.class_key != spec.class_key
    elif name != "published":  # its head is free
        assert other.class_key == spec.class_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"groups": ["D4"] * 8, "head_group": "D4", "dense": 64, "poolings": [7, 5, 3], "base": "D4"}),
        ({"groups": ("D1v",) * 8}, {"groups": ("D1(1/2)",) * 8}),
        ({"mixed": ("C1", "D4")}, {"mixed": ["D4", "C1"], "groups": ("D4",) * 8, "head_group": "D4"}),
        ({"published": True}, {"published": 1, "head_group": "C1"}),
        ({"groups": ("C4",) * 8}, {"groups": ("C4",) * 8, "head_group": "C4"}),
    ],
    ids=str,
)
def test_key_does_not_depend_on_spelling(one, other):
    first, second = EquiNASSpec(**one), EquiNASSpec(**other)
    assert first == second
    assert (first.key, first.class_key) == (second.key, second.class_key)
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())


def test_names():
    assert (spec_of().name, spec_of().group) == ("D4", "D4")
    spec = spec_of(*("D4",) * 4, *("C4",) * 2, "C1", "C1")
    assert spec.name == spec.group == "D4 x4, C4 x2, C1 x2"
    assert spec_of(head_group="C2").name == "D4, head C2"
    assert spec_of(published=True).name == "D4, published"
    assert spec_of(mixed=("C1", "C4"), skip=True).name == "mixed over C4, C1, with skip"
    assert spec_of(mixed=("C1", "C4"), weighting="sum").group == "mixed over C4, C1"
    assert spec.with_seed(3).class_key == spec.class_key
    assert spec_of(mixed=SIX, skip=True).with_groups(spec.groups) == spec
    assert spec_of(head_group="C2").with_groups(SHRINKING, "C1").head_group == "C1"


# Messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"groups": ("D4", "C4", "D2", *["C1"] * 5)},
            r"groups\[2\] is D2, which is no subgroup of groups\[1\], C4: .* Use one of C1, C2, C4 there, or a larger",
        ),
        ({"groups": ("D4",) * 8, "base": "C4"}, r"groups\[0\] is D4, which is no subgroup of base, C4"),
        ({"head_group": "D4", "groups": ("C4",) * 8}, r"head_group is D4, which is no subgroup of groups\[7\], C4"),
        ({"groups": ("D4",) * 7}, r"groups is \[.*\]; name one for each of the 8 convolutions"),
        ({"groups": "D4"}, r"groups is 'D4'; give a tuple of 8 names, such as \('D4',\) \* 8"),
        ({"base": "D8"}, r"base is D8, which does not act exactly on pixels; use D4"),
        ({"mixed": ("C1", "D4"), "base": "C4"}, r"mixed\[1\] is D4, which is no subgroup of base, C4"),
        ({"mixed": ("C1", "C1")}, r"mixed is \['C1', 'C1'\]; name each group once"),
        ({"mixed": ("C1", "D4"), "groups": ("C1",) * 8}, r"groups is .*, but the child is mixed over"),
        ({"mixed": ("C1", "D4"), "head_group": "C1"}, r"leave groups and head_group out, or mixed"),
        ({"skip": True}, r"skip is True, which only mixed layers have; name groups in mixed, or leave skip out"),
        ({"keep_norm": False}, r"keep_norm is False, which only mixed layers have"),
        ({"prior": True}, r"prior is True, which only mixed layers have"),
        ({"temperature": 0.5}, r"temperature is 0.5, which only mixed layers have"),
        ({"alpha_data": "halve"}, r"unknown alpha_data 'halve' \(did you mean 'halves'\?\)"),
        *(({"mixed": ("C1", "D4"), name: value}, rf"{name} is {value}; it must be a finite number from .* up")
          for name in ("alpha_learning_rate", "temperature", "penalty") for value in (-1.0, math.nan, math.inf)),
        ({"mixed": ("C1", "D4"), "temperature": 0}, r"temperature is 0; it must be a finite number from 1e-06 up"),
        ({"mixed": ("C1", "D4"), "penalty": 1.0}, r"penalty is 1.0, which is for weighting='sum' and keep"),
        ({"mixed": ("C1", "D4"), "drawn_as": "D4"}, r"drawn_as is 'D4', but a mixed child draws each branch's weights"),
        ({"drawn_as": "C4"}, r"drawn_as is C4; weights are relaxed from a larger group: name D4 or one of its"),
        ({"base": "C4", "drawn_as": "D4"}, r"drawn_as is D4; .* name C4 or one of its subgroups that holds C4, the"),
        *(({"parent": value}, r"parent is .*; give the key of an evaluation, 24 hexadecimal digits")
          for value in ("../x", "/etc/passwd", "", "0" * 23, "0" * 25, "0" * 24 + "\n", "0" * 21 + "/..", "A" * 24, 7)),
        ({"weighting": "softmix"}, r"unknown weighting 'softmix' \(did you mean 'softmax'\?\)"),
        ({"published": True, "head_group": "D4"}, r"head_group is 'D4', but the published dense layer is not tied"),
        ({"published": True, "side": 3}, r"maps of 3x3 are 3x3; that is too small for the published last pooling, 4x4"),
        ({"published": True, "poolings": (1, 2, 3)}, r"maps of 14x14 are 2x2; that is too small for the published"),
        ({"poolings": (3, 3)}, r"poolings is \[3, 3\]; name convolutions from 1 to 8, each once"),
        ({"poolings": (0,)}, r"poolings is \[0\]; name convolutions from 1 to 8"),
        ({"side": 1023}, r"side is 1023, .* up to 7 poolings, which bring 512 down to 4; name the poolings"),
        ({"kernel_size": 4}, r"kernel_size is 4; padding keeps the side of odd kernels only"),
        *(({name: value}, rf"{name} is {value}; it must be a whole number from 1 up")
          for name in ("side", "channels", "width", "kernel_size", "dense") for value in (0, 2.5, math.nan)),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:40],
)  # fmt: skip
def test_messages(options, message):
    with pytest.raises(SpecError, match=message):
        EquiNASSpec(**(SMALL | options))


def test_groups_that_do_not_exist_are_refused():
    with pytest.raises(GroupError, match=r"unknown planar group 'D44' \(did you mean 'D4'\?\)"):
        spec_of(*("D44",) * 8)


def test_nothing_is_pooled_away():
    assert EquiNASSpec(side=8, poolings=(1, 2, 3)).sides[-1] == 1
    with pytest.raises(SpecError, match=r"poolings is \[1, 2, 3, 4\], but the maps of 8x8 images are a single cell"):
        EquiNASSpec(side=8, poolings=(1, 2, 3, 4))
