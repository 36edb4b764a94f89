"""The backbone of EquiNAS: what it computes, as published too, and what every child does."""

import copy
import pickle
import warnings
from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from helpers.equinas_cases import D4, MODES, SHRINKING, SMALL, data_of, every_mode, images, spec_of, used
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d

from aen.children import EquiNASChild, EquiNASSpec, TrainingSpec, build_child
from aen.data.dataset import load_dataset
from aen.data.spec import DataSpec
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import SpatialPool2d
from aen.nn.module import EquivarianceWarning
from aen.nn.tying import OrbitTable
from aen.training import load_child, train_child
from aen.training.autograd import fit

# What it computes


@pytest.mark.parametrize(
    ("side", "width", "n"), [(28, 2, 2), (64, 1, 2), (256, 1, 1), (12, 1, 2), (8, 1, 2), (27, 1, 2), (3, 1, 2)]
)
def test_the_default_child_is_invariant(side, width, n):
    spec = EquiNASSpec(side=side, width=width, channels=1 + (side == 64))
    # The largest would take long in double precision.
    dtype, limit = (torch.float64, 1e-10) if side < 100 else (torch.float32, 1e-4)
    child = used(build_child(spec).to(dtype), 8 if side < 100 else 2)
    x = images(child, n, dtype)
    with torch.no_grad():
        logits = child(x)
        assert n == 1 or (logits[0] - logits[1]).abs().max() > 1e-3 * logits.abs().max()
        for element in D4.elements[1:]:
            cases.assert_near(child(cases.moved(x, element)), logits, limit)
        # Shifts are no part of D4.
        assert cases.relative(child(x.roll(side // 3, -1)), logits) > 1e-3
    if side < 100:
        errors = child.check_invariance(x)
        assert errors.keys() == {element.name for element in D4.elements[1:]} == child.check_equivariance().keys()
        assert max(*errors.values(), *child.check_equivariance().values()) < limit


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
    rows = maps.mean(dim=(2, 3)) @ dense.expanded_weight().t()
    assert dense.bias is None
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


@pytest.mark.parametrize(
    "options", [{"groups": ("C1",) * 8}, pytest.param({"mixed": ("C1", "D4")}, marks=pytest.mark.slow)], ids=str
)
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
    tables, theirs_too = (
        [m.labels for m in module.modules() if isinstance(m, OrbitTable) and m.tied] for module in (child, twin)
    )
    assert tables
    assert all(one is other for one, other in zip(tables, theirs_too, strict=True))
    twin.train()
    twin(x).square().sum().backward()
    theirs.step()
    assert torch.equal(child(x), expected)
    assert not torch.equal(twin.eval()(x), expected)
    assert all(parameter.grad is None for parameter in child.parameters())
    assert twin.spec == child.spec
