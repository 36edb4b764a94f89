"""The relaxation morphism and its inverse, against averages that are taken element by element."""

import copy
import itertools

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import GroupPool, Pointwise, SpatialPool2d
from aen.nn.module import TiedModule
from aen.nn.morphism import carry_state, distance_to, project, relax, relax_network
from aen.nn.sequential import EquivariantSequential

few_pairs = pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
PROPER = [(h, g) for h, g in cases.PAIRS if h != g]
CHAINS = [
    (h, k, g)
    for (h, k), (k2, g) in itertools.product(PROPER, PROPER)
    if k == k2 and g not in {"D2d", "D2"} and k not in {"D1a", "D2d"}
]


def regular(base, group, fields=2):
    return FieldType.regular(base, fields).regroup(group)


# Each takes the group that ties it and the one for which its channels are laid out.
LAYERS = {
    "lifting": lambda group, base: LiftingConv2d(
        FieldType.trivial(base, 3).regroup(group), regular(base, group), 3, padding=1, generator=cases.source()
    ),
    "group": lambda group, base: GroupConv2d(
        regular(base, group), regular(base, group, 3), 2, stride=2, dilation=2, generator=cases.source()
    ),
    "no bias": lambda group, base: GroupConv2d(
        regular(base, group), regular(base, group), 3, bias=False, generator=cases.source()
    ),
    "norm": lambda group, base: cases.randomise(GroupBatchNorm2d(regular(base, group), eps=1e-3, momentum=0.2)),
    "head": lambda group, base: InvariantLinear(regular(base, group), 3, generator=cases.source()),
    "head, no bias": lambda group, base: InvariantLinear(regular(base, group), 3, bias=False, generator=cases.source()),
    "pool": lambda group, base: SpatialPool2d(regular(base, group), 3, stride=1, padding=1, kind="mean"),
    "pointwise": lambda group, base: Pointwise(regular(base, group), nn.PReLU()),
}
TIED = ["lifting", "group", "norm", "head"]
every_layer = pytest.mark.parametrize("kind", LAYERS)
every_tied_layer = pytest.mark.parametrize("kind", TIED)


def layer_of(kind, group, base):
    return LAYERS[kind](PlanarGroup.of(group), base).double().eval()


def full(layer, name="weight"):
    return layer.tables()[name].expand(getattr(layer, name).detach().reshape(-1))


def same_state(one, other, limit=0.0):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, values in one.state_dict().items():
        error = cases.relative(other.state_dict()[name], values)
        assert error <= limit, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize(
    ("subgroup", "group", "kind"),
    [(*pair, kind) for kind in LAYERS for pair in (cases.PAIRS if kind in {"group", "norm"} else cases.FEW_PAIRS)],
)
def test_a_relaxed_layer_computes_the_same(subgroup, group, kind):
    layer = layer_of(kind, group, group)
    before = copy.deepcopy(layer)
    relaxed = relax(layer, subgroup)
    assert type(relaxed) is type(layer)
    assert relaxed is not layer
    assert (relaxed.group.name, relaxed.in_type.group.name) == (subgroup, subgroup)
    assert (relaxed.in_type.base, relaxed.training) == (layer.in_type.base, False)
    x = cases.images(3, layer.in_type.channels, 5, 5)
    cases.assert_near(relaxed(x), layer(x), 1e-12)
    cases.assert_near(relax(layer.float(), subgroup)(x.float()), before(x), 1e-5)
    cases.assert_equivariant(relaxed.double(), 1e-6 if kind in {"pool", "pointwise"} else 1e-12, side=5)
    same_state(before, layer.double(), 1e-6)
    if isinstance(layer, TiedModule):
        index = layer.group.order // relaxed.group.order
        for name in layer.tables():
            assert getattr(relaxed, name).numel() == index * getattr(layer, name).numel(), name


@pytest.mark.parametrize("kind", ["lifting", "group"])
@few_pairs
def test_relaxed_filters_stand_where_the_cosets_begin(subgroup, group, kind):
    """W_H[(o, j), b] = F[(o, t_j), b]."""
    layer = layer_of(kind, group, group)
    bank, large = layer.expanded_weight(), PlanarGroup.of(group)
    firsts = [large.index(t) for t in large.representatives(PlanarGroup.of(subgroup))]
    rows = [o * large.order + first for o in range(layer.out_type.count) for first in firsts]
    assert torch.equal(relax(layer, subgroup).weight, bank[rows])


@every_tied_layer
def test_relaxing_in_steps_is_relaxing_at_once(kind):
    assert len(CHAINS) > 10
    for small, middle, large in CHAINS:
        layer = layer_of(kind, large, large)
        same_state(relax(layer, small), relax(relax(layer, middle), small))


@every_tied_layer
def test_projecting_in_steps_is_projecting_at_once(kind):
    for small, middle, large in CHAINS:
        layer = layer_of(kind, small, large)
        same_state(project(layer, large), project(project(layer, middle), large), 1e-14)


@every_layer
@few_pairs
def test_projection_undoes_relaxation(subgroup, group, kind):
    layer = layer_of(kind, group, group)
    back = project(relax(layer, subgroup), group)
    assert back.group == layer.group
    same_state(layer, back, 1e-15)
    same_state(layer, relax(layer, group))


def averaged(bank, out_type, in_type, group):
    """The mean over a group of ``g . F``, by moving images and channels as torch does."""
    places = {cases.corners(own): place for place, own in enumerate(out_type.base.elements)}
    corners = list(places)
    total = torch.zeros_like(bank)
    for element in group.elements:
        there = [places[cases.after(cases.corners(element), own)] for own in corners]
        a = [o * len(there) + place for o in range(out_type.count) for place in there]
        b = [o * len(there) + place for o in range(in_type.count) for place in there]
        moved = torch.empty_like(bank)
        rows = torch.tensor(a)[:, None]
        moved[rows, torch.tensor(b if in_type.kind == "regular" else range(in_type.count))] = cases.moved(bank, element)
        total += moved
    return total / group.order


@pytest.mark.parametrize("kind", ["lifting", "group"])
@few_pairs
def test_projection_is_the_mean_over_the_group(subgroup, group, kind):
    layer = layer_of(kind, subgroup, group)
    bank = layer.expanded_weight().detach()
    large = PlanarGroup.of(group)
    expected = averaged(bank, layer.out_type, layer.in_type, large)
    projected = project(layer, group)
    cases.assert_near(projected.expanded_weight(), expected, 1e-14)
    fields = regular(group, group, layer.out_type.count).field_channels().tolist()
    means = torch.stack([layer.expanded_bias()[channels].mean() for channels in fields])
    cases.assert_near(projected.bias, means, 1e-14)
    distance = float(torch.linalg.vector_norm(bank - expected) / torch.linalg.vector_norm(bank))
    assert abs(distance_to(layer, group) - distance) < 1e-14


@every_tied_layer
@few_pairs
def test_projection_is_the_nearest_tied_layer(subgroup, group, kind):
    layer = layer_of(kind, subgroup, group)
    projected = project(layer, group)
    same_state(projected, project(relax(projected, subgroup), group), 1e-14)  # a second time changes nothing
    for name in layer.tables():
        rest = full(layer, name) - full(projected, name)
        for seed in range(3):
            values = cases.images(getattr(projected, name).numel(), seed=seed)
            other = projected.tables()[name].expand(values)
            product = float(
                rest @ other / (torch.linalg.vector_norm(other) * torch.linalg.vector_norm(full(layer, name)))
            )
            assert abs(product) < 1e-14, (name, product)
        assert (float(torch.linalg.vector_norm(rest)) > 1e-3) == (subgroup != group), name


@pytest.mark.parametrize("kind", ["lifting", "group", "head"])
@pytest.mark.parametrize(("subgroup", "group"), [pair for pair in PROPER if pair in cases.FEW_PAIRS])
def test_distance(subgroup, group, kind):
    tied = relax(layer_of(kind, group, group), subgroup)
    assert distance_to(tied, group) < 1e-15
    assert distance_to(tied, subgroup) == 0
    noise, distances = cases.images(*tied.weight.shape), []
    for scale in (0.01, 0.1, 1):
        layer = copy.deepcopy(tied)
        with torch.no_grad():
            layer.weight += scale * noise * tied.weight.std()
        distances.append(distance_to(layer, group))
        with torch.no_grad():
            layer.weight *= 1e-3
        assert abs(distance_to(layer, group) - distances[-1]) < 1e-12  # it is relative
    assert distances == sorted(distances)
    assert 0 < distances[0] < 0.02
    assert 0.2 < distances[-1] < 1


def test_distance_of_what_has_no_symmetric_part_is_1():
    layer = layer_of("lifting", "C1", "D1")
    with torch.no_grad():
        layer.weight[1::2] = -layer.weight[::2].flip(-1)
    assert abs(distance_to(layer, "D1") - 1) < 1e-15
    with torch.no_grad():
        layer.weight.zero_()
    assert distance_to(layer, "D1") == 0


def test_types_dtypes_modes_and_sources_are_kept():
    before = torch.get_rng_state()
    layer = layer_of("norm", "D4", "D4").float()
    layer.num_batches_tracked.fill_(5)
    relaxed = relax(layer.train(), "D2")
    assert relaxed.training
    assert relaxed.weight.dtype == torch.float32
    assert (relaxed.eps, relaxed.momentum, int(relaxed.num_batches_tracked)) == (1e-3, 0.2, 5)
    conv = relax(layer_of("group", "D4", "D4").train(), "C4")
    assert conv.training
    assert conv.weight.dtype == torch.float64
    assert (conv.window.stride, conv.window.dilation, conv.window.padding) == (2, 2, 0)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in conv.parameters())
    assert torch.equal(torch.get_rng_state(), before)


# Networks


def network(group="D4", seed=0, *, padding=0):
    """Lifting, norm, ReLU, pooling, convolution, norm, ReLU, invariant dense layer: tied layers at 0, 1, 4, 5, 7."""
    maps = FieldType.regular(group, 2)
    layers = EquivariantSequential(
        LiftingConv2d(FieldType.trivial(group, 1), maps, 3, padding=padding, generator=cases.source(seed)),
        GroupBatchNorm2d(maps),
        Pointwise(maps, nn.ReLU()),
        SpatialPool2d(maps, 2, kind="max"),
        GroupConv2d(maps, maps, 3, generator=cases.source(seed + 1)),
        GroupBatchNorm2d(maps),
        Pointwise(maps, nn.ReLU()),
        InvariantLinear(maps, 3, generator=cases.source(seed + 2)),
    )
    for place in (1, 5):
        cases.randomise(layers[place], seed)
    return layers.eval()


@pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
@pytest.mark.parametrize(("subgroup", "group"), PROPER[::4])
def test_a_relaxed_network_computes_the_same(subgroup, group, dtype, limit):
    given = network(group).to(dtype)
    x = cases.images(3, 1, 10, 10, dtype=dtype)
    expected, now = given(x), given
    for at in (7, 4, 0):
        now = relax_network(now, at, subgroup)
        cases.assert_near(now(x), expected, limit)
        assert [layer.group.name for layer in now][at:] == [subgroup] * (8 - at)
        assert [layer.group.name for layer in now][:at] == [group] * at
        assert not now.training
        cases.assert_equivariant(now, limit=limit * 10, side=10)
    cases.assert_near(given(x), expected, 0)


def test_relaxing_a_network_step_by_step_down_a_chain():
    given = network().double()
    x = cases.images(3, 1, 10, 10)
    now = given
    for group, at in [("C4", 7), ("C4", 4), ("C2", 7), ("C4", 0), ("C2", 4), ("C1", 7), ("C2", 0), ("C1", 5)]:
        now = relax_network(now, at, group)
        cases.assert_near(now(x), given(x), 1e-12)
    assert [layer.group.name for layer in now] == ["C2", "C2", "C2", "C2", "C2", "C1", "C1", "C1"]


def test_a_relaxed_network_is_freer():
    given = network().double()
    now = relax_network(given, 7, "C4")
    with torch.no_grad():
        now[7].weight += cases.images(*now[7].weight.shape)
    errors = now.check_equivariance(side=10)
    assert max(errors.values()) < 1e-12
    now.out_type = now.out_type.regroup("C4")
    x = cases.images(3, 1, 10, 10)
    assert cases.relative(now(x.flip(-1)), now(x)) > 0.005
    cases.assert_near(given(x.flip(-1)), given(x), 1e-12)


def test_layers_that_are_not_touched_are_shared():
    given = network()
    one = relax_network(given, 7, "C4")
    two = relax_network(one, 4, "C4")
    assert [mine is theirs for mine, theirs in zip(one, given, strict=True)] == [True] * 7 + [False]
    assert [mine is theirs for mine, theirs in zip(two, one, strict=True)] == [True] * 4 + [False] * 3 + [True]


def test_a_later_convolution_is_not_relaxed_without_asking():
    given = relax_network(network(), 7, "C4")
    with pytest.raises(SpecError, match=r"layer 4, GroupConv2d, has the group D4, .*Relax layer 4 to C4 first"):
        relax_network(given, 0, "C4")
    assert given[4].group.name == "D4"


# Optimisers

OPTIMISERS = {
    "sgd with momentum": lambda values: torch.optim.SGD(values, lr=0.0, momentum=0.9),
    "plain sgd": lambda values: torch.optim.SGD(values, lr=0.0),
    "adam": lambda values: torch.optim.Adam(values, lr=0.0),
    "fused adam": lambda values: torch.optim.Adam(values, lr=0.0, fused=True),
    "amsgrad": lambda values: torch.optim.Adam(values, lr=0.0, amsgrad=True),
    "adamw": lambda values: torch.optim.AdamW(values, lr=0.0, weight_decay=0.1),
    "rmsprop": lambda values: torch.optim.RMSprop(values, lr=0.0, momentum=0.9, centered=True, eps=1e-30),
}
every_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS)


def old_places(layer, relaxed, name):
    """The old value from which each new value was taken, by expanding the numbers of the old ones."""
    numbers = torch.arange(float(getattr(layer, name).numel()))
    return relaxed.tables()[name].first(layer.tables()[name].expand(numbers)).long()


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize(("subgroup", "group"), cases.FEW_PAIRS)
def test_gradients_of_an_orbit_s_parts_add_up_to_the_orbit_s(subgroup, group, kind):
    layer = layer_of(kind, group, group)
    relaxed = relax(layer, subgroup)
    x = cases.images(3, layer.in_type.channels, 5, 5)
    for one in (layer, relaxed):
        one(x).sin().sum().backward()
    for name in layer.tables():
        if name.startswith("running"):
            continue
        old, new = getattr(layer, name).grad.reshape(-1), getattr(relaxed, name).grad.reshape(-1)
        cases.assert_near(torch.zeros_like(old).index_add(0, old_places(layer, relaxed, name), new), old, 1e-12)


def feed(layer, optimiser, gradients):
    """Let an optimiser see what gradients of the full weights make of those of the free values."""
    for step in gradients:
        for name, parameter in layer.named_parameters():
            table = layer.tables().get(name)
            found = step[name] if table is None else table.sums(step[name])
            parameter.grad = found.view(parameter.shape).clone()
        optimiser.step()


@every_optimiser
@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize(("subgroup", "group"), [("C1", "C2"), ("D2", "D4"), ("C4", "C4")])
def test_carried_state_is_that_of_one_who_was_there_from_the_start(subgroup, group, kind, optimiser):
    """Gradients that the group leaves as they are, seen by a tied layer and by one that was relaxed at the start."""
    layer = layer_of(kind, group, group)
    witness, relaxed = relax(layer, subgroup), relax(layer, subgroup)
    gradients = []
    for seed in range(3):
        step = {}
        for name, parameter in layer.named_parameters():
            table = layer.tables().get(name)
            values = cases.images(parameter.numel(), seed=seed)
            step[name] = values if table is None else table.expand(values)
        gradients.append(step)
    held, theirs = (OPTIMISERS[optimiser](one.parameters()) for one in (layer, witness))
    feed(layer, held, gradients)
    feed(witness, theirs, gradients)
    carry_state(held, layer, relaxed)
    assert held.param_groups[0]["params"] == list(relaxed.parameters())
    assert not set(map(id, held.state)) & set(map(id, layer.parameters()))
    for name, parameter in relaxed.named_parameters():
        found, expected = held.state[parameter], theirs.state[witness.get_parameter(name)]
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if isinstance(value, torch.Tensor):
                assert found[key].dtype == value.dtype
                cases.assert_near(found[key], value, 1e-12)
            else:
                assert found[key] == value
    if optimiser != "plain sgd":
        assert any(torch.is_tensor(value) and value.any() for state in held.state.values() for value in state.values())


def train(model, optimiser, steps=3):
    x, labels = cases.images(12, 1, 10, 10, dtype=torch.float32), torch.arange(12) % 3
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@every_optimiser
def test_training_goes_on_with_a_relaxed_network(optimiser):
    model = network("C4").train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.3)
    held = OPTIMISERS[optimiser](model.parameters())
    for group in held.param_groups:
        group["lr"] = 1e-3
    losses = train(model, held)
    assert losses[-1] < losses[0]
    x = cases.images(3, 1, 10, 10, dtype=torch.float32)
    before = model.eval()(x)
    for at in (7, 4, 0):
        model = relax_network(model, at, "C2", held)
    cases.assert_near(model(x), before, 1e-5)
    assert set(map(id, held.param_groups[0]["params"])) == set(map(id, model.parameters()))
    assert set(map(id, held.state)) <= set(map(id, model.parameters()))
    # Biases before a batch norm have no gradient.
    before = {name: value.detach().clone() for name, value in model.named_parameters() if value.dim() > 1}
    losses = train(model.train(), held)
    assert losses[-1] < losses[0]
    assert len(before) == 3
    assert not any(torch.equal(value, model.get_parameter(name)) for name, value in before.items())


def test_the_first_step_after_relaxing_is_the_step_of_the_tied_network():
    """Where the gradient is still the same for a whole orbit, [G:H] times as many values move by [G:H] times less."""
    x = cases.images(2, 3, 5, 5)
    layer = layer_of("lifting", "C4", "C4")
    x = sum(layer.in_type.transform(x, element) for element in layer.group.elements)
    relaxed = relax(layer, "C1")
    for one, rate in ((layer, 0.1), (relaxed, 0.4)):
        optimiser = torch.optim.SGD(one.parameters(), lr=rate)
        one(x).square().sum().backward()
        optimiser.step()
    cases.assert_near(relaxed.expanded_weight(), layer.expanded_weight(), 1e-12)


# Messages


def test_an_optimiser_with_other_state_is_refused():
    layer = layer_of("group", "C4", "C4")
    optimiser = torch.optim.Adagrad(layer.parameters(), lr=0.1)
    with pytest.raises(SpecError, match=r"Adagrad keeps 'sum', of which .*; use SGD, Adam, AdamW or RMSprop"):
        carry_state(optimiser, layer, relax(layer, "C2"))


def test_an_optimiser_of_others_is_refused():
    layer, other = layer_of("group", "C4", "C4"), layer_of("group", "C4", "C4")
    optimiser = torch.optim.SGD(other.parameters(), lr=0.1)
    with pytest.raises(SpecError, match="the optimiser does not hold the layer's parameters"):
        carry_state(optimiser, layer, relax(layer, "C2"))


@pytest.mark.parametrize(
    ("kind", "remedy"), [("max", "use a mean, in InvariantLinear"), ("mean", "leave it out and end")]
)
def test_pooling_over_the_group_cannot_be_relaxed(kind, remedy):
    maps = FieldType.regular("D4", 1)
    pool = GroupPool(maps, kind)
    message = rf"a {kind} over D4 cannot be relaxed to C4: {remedy}"
    with pytest.raises(SpecError, match=message):
        relax(pool, "C4")
    layers = EquivariantSequential(LiftingConv2d(FieldType.trivial("D4", 1), maps, 3), pool)
    with pytest.raises(SpecError, match=r"layer 1, GroupPool, has the group D4, .*Relax layer 1 to C4 first"):
        relax_network(layers, 0, "C4")


@every_layer
def test_relaxing_upwards_and_projecting_downwards_are_refused(kind):
    with pytest.raises(GroupError, match="D4 is not a subgroup of C4; those are C1, C2, C4"):
        relax(layer_of(kind, "C4", "D4"), "D4")
    with pytest.raises(GroupError, match="D2 is not a subgroup of C4"):
        relax(layer_of(kind, "C4", "D4"), "D2")
    with pytest.raises(GroupError, match="D4 is not a subgroup of C2"):
        project(layer_of(kind, "D4", "D4"), "C2")


@every_tied_layer
def test_channels_that_are_not_laid_out_for_a_group_cannot_be_projected(kind):
    with pytest.raises(GroupError, match="D4 is not a subgroup of C4"):
        project(layer_of(kind, "C4", "C4"), "D4")


def test_other_messages():
    with pytest.raises(SpecError, match="EquivariantSequential has no group to change; relax the layers in it"):
        relax(network(), "C4")
    for at in (2, 8, -1):
        with pytest.raises(SpecError, match=f"at is {at}; the layers with tied parameters are at 0, 1, 4, 5, 7"):
            relax_network(network(), at, "C4")
    with pytest.raises(SpecError, match=r"layer 7, InvariantLinear, has the group D4, which is no subgroup of C4"):
        relax_network(network(), 4, "C4")
    with pytest.raises(SpecError, match=r"layer 4, GroupConv2d, has the group D4, .*Relax layer 4 to C4 first"):
        relax_network(network(), 0, "C4")
    with pytest.raises(GroupError, match="C8 is not a subgroup of D4"):
        relax_network(network(), 7, "C8")
    with pytest.raises(GroupError, match="unknown planar group 'C5'"):
        relax_network(network(), 7, "C5")
