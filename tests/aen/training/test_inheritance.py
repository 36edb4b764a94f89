"""Going on from a parent's weights: the same function, the same state, and slices that make up one training."""

import json
from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aen.children import ChildSpec, DenseSpec, EquiNASChild, EquiNASSpec, GCNNSpec, TrainingSpec, build_child
from aen.errors import SpecError, StoreError
from aen.nn.module import TiedModule
from aen.training import load_child, save_weights, train_child
from aen.training.autograd import fit
from aen.training.inheritance import inherit
from aen.training.optimisers import state_by_name, weight_optimiser
from aen.training.recalibration import norms
from aen.training.weights import Progress, load_parent

ADAM = TrainingSpec(epochs=1, batch_size=4, learning_rate=1e-2)
MOMENTUM = replace(ADAM, optimiser="sgd", momentum=0.9)
SMALL = {"side": 8, "width": 1, "kernel_size": 3, "dense": 8, "classes": 3}
SPEC = EquiNASSpec(**SMALL, training=ADAM)
STATIC = {"groups": ("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1")}
MIXED = {"mixed": ("C1", "C4", "D4"), "skip": True, "alpha_learning_rate": 0.05}
MODES = {
    "static": STATIC,
    "published": STATIC | {"published": True},
    "mixed": MIXED,
    "halves": MIXED | {"alpha_data": "halves", "temperature": 0.5},
    "penalty": {"mixed": ("C1", "D4"), "weighting": "sum", "keep_norm": False, "penalty": 1e-2},
}
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def data(data_of):
    return data_of(SPEC)


def in_file(spec, folder, training=None):
    """Keep a child that no seed has drawn, after two steps of its training."""
    spec = replace(spec, training=training or spec.training)
    child = build_child(spec)
    x = cases.images(8, 1, 8, 8, seed=5, dtype=torch.float32)
    fitted = fit(child, spec, x, torch.arange(8) % 3)
    with torch.no_grad():  # let no norm keep its start, or signals of the untrained layers die out
        for number, norm in enumerate(norms(child)):
            norm.weight.copy_(cases.images(*norm.weight.shape, seed=number).abs() + 0.5)
    save_weights(child, folder / f"{spec.key}.safetensors", fitted.progress)
    return child, fitted.progress


def inherited(spec, parent, folder, images=None):
    with torch.no_grad():
        return inherit(replace(spec, parent=parent.spec.key), folder, images, "cpu")


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, state in one.items():
        assert state.keys() == other[name].keys()
        assert all(torch.equal(value, other[name][key]) for key, value in state.items()), name


# Slices


def train_slices(spec, data, folder, slices, epochs):
    """Train slice after slice, each from the file of the one before; return the last one's evaluation."""
    parent = None
    for _ in range(slices):
        own = replace(spec, training=replace(spec.training, epochs=epochs), parent=parent)
        found = train_child(own, data, weights_folder=folder, parents_folder=folder, debug=True)
        parent = own.key
    return found


def assert_slices_are_one(spec, data, folder, slices, epochs, whole):
    """So many slices and one training of so many epochs as a whole end the same, bit for bit."""
    last = train_slices(spec, data, folder / "slices", slices, epochs)
    one = train_child(
        replace(spec, training=replace(spec.training, epochs=whole)), data, weights_folder=folder / "whole"
    )
    (child, progress), (other, theirs) = (
        load_parent(evaluation.key, folder / name) for name, evaluation in (("slices", last), ("whole", one))
    )
    assert progress.batches == theirs.batches
    same_state(progress.optimiser, theirs.optimiser)
    names = {name for name, _ in child.named_parameters()}
    for name, value in other.state_dict().items():
        # The number of batches that a norm has seen says nothing: statistics are taken anew after each slice.
        assert name.endswith("num_batches_tracked") or torch.equal(child.state_dict()[name], value), name
    assert theirs.optimiser.keys() == names
    figures = ("train_loss", "validation_loss", "validation_accuracy", "record")
    assert [getattr(last, name) for name in figures] == [getattr(one, name) for name in figures]
    return child, build_child(child.spec)


@pytest.mark.parametrize(
    ("mode", "training"),
    [*((mode, ADAM) for mode in MODES), ("mixed", MOMENTUM)],
    ids=lambda value: value if isinstance(value, str) else value.optimiser,
)
def test_slices_are_one_training_bit_for_bit(mode, training, data, tmp_path):
    spec = EquiNASSpec(**SMALL, **MODES[mode], training=training)
    child, start = assert_slices_are_one(spec, data, tmp_path, 2, 1 / 2, 1)
    pairs = zip(child.parameters(), start.parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("n", "slices", "epochs", "batches"),
    [
        (18, 5, 1 / 5, 5),  # five batches, the last one smaller
        pytest.param(22, 2, 1 / 2, 6, marks=pytest.mark.slow),
        (22, 4, 1 / 4, 6),  # one and a half, three, four and a half, six: no batch is won or lost
        (18, 3, 1 / 2, 8),  # seven and a half are eight
        (18, 2, 1.5, 15),  # over the end of an epoch
        (18, 2, 0.01, 2),  # one batch is the least
    ],
)
def test_slices_that_do_not_divide_an_epoch_are_one_training_of_as_many_batches(
    n, slices, epochs, batches, data_of, tmp_path
):
    spec = replace(SPEC, training=MOMENTUM)
    child, _ = assert_slices_are_one(spec, data_of(spec, n), tmp_path, slices, epochs, batches / -(-n // 4))
    assert load_parent(child.spec.key, tmp_path / "slices")[1].batches == batches


def test_slices_with_halves_of_other_sizes_are_one_training(data_of, tmp_path):
    # 21 images are 10 for the weights and 11 for alpha, which have no batch in common.
    spec = EquiNASSpec(**SMALL, **MODES["halves"], training=ADAM)
    child, _ = assert_slices_are_one(spec, data_of(spec, 21), tmp_path, 3, 0.5, 4 / 3)
    assert load_parent(child.spec.key, tmp_path / "slices")[1].batches == 4


@given(n=st.integers(4, 30), size=st.integers(2, 7), slices=st.integers(1, 4), data_seed=st.integers(0, 99))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slices_are_one_training(n, size, slices, data_seed, data_of, tmp_path_factory):
    # One image alone is normed by the running statistics, which each slice takes anew.
    n += n % size == 1
    batches = -(-n // size)
    spec = replace(SPEC, seed=data_seed, training=replace(ADAM, batch_size=size))
    whole = max(slices, batches) / batches  # a slice has a batch at least
    assert_slices_are_one(spec, data_of(spec, n), tmp_path_factory.mktemp("slices"), slices, 1 / slices, whole)


def test_the_same_progress_can_be_gone_on_from_twice(data):
    images, labels = data.train.images, data.train.labels
    child = build_child(SPEC)
    progress = fit(child, SPEC, images, labels).progress
    state = {name: {key: value.clone() for key, value in kept.items()} for name, kept in progress.optimiser.items()}
    weights = {name: value.clone() for name, value in child.state_dict().items()}
    ends = []
    for _ in range(2):
        child.load_state_dict(weights)
        fit(child, SPEC, images, labels, progress)
        same_state(progress.optimiser, state)
        ends.append([parameter.detach().clone() for parameter in child.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


# The same function


def subgroups(name):
    return [h for h, g in cases.PAIRS if g == name]


@st.composite
def shrinking(draw, first=None):
    """Groups of eight convolutions and the dense layer, each one within the one before and within those of `first`."""
    found, before = [], "D4"
    for place in range(9):
        above = subgroups(first[place]) if first else cases.EXACT
        before = draw(st.sampled_from([name for name in subgroups(before) if name in above]))
        found.append(before)
    return tuple(found)


@given(chain=st.data(), kind=st.sampled_from([ADAM, MOMENTUM]), drawn=st.booleans())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_relaxed_along_any_chain_it_is_the_same_function(chain, kind, drawn, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    groups = chain.draw(shrinking())
    spec = replace(SPEC.with_layer_groups(groups), drawn_as="D4" if drawn else "")
    parent, progress = in_file(spec, folder, kind)
    expected = parent(data.train.images).detach()
    for step in range(3):
        groups = chain.draw(shrinking(groups))
        smaller = replace(spec.with_layer_groups(groups), seed=step, training=kind, drawn_as="")
        child, progress = inherited(smaller, parent, folder, data.train.images)
        assert (child.spec, child.training) == (replace(smaller, parent=parent.spec.key), False)
        assert child.spec.layer_groups == groups == tuple(child.layers[place].group.name for place in child.places)
        cases.assert_near(child(data.train.images), expected, 1e-5)
        save_weights(child, folder / f"{child.spec.key}.safetensors", progress)
        parent = child
    assert progress.batches == 2


@every_mode
def test_what_stays_as_it_is_is_the_same_function_to_the_bit(mode, data, tmp_path):
    spec = EquiNASSpec(**SMALL, **MODES[mode], training=ADAM)
    parent, progress = in_file(spec, tmp_path)
    x = data.train.images
    child, carried = inherited(replace(spec, seed=4, training=replace(ADAM, epochs=3)), parent, tmp_path, x)
    assert torch.equal(child(x), parent(x))
    assert carried.batches == progress.batches == (1 if mode == "halves" else 2)
    same_state(carried.optimiser, progress.optimiser)
    assert carried.optimiser.keys() == {name for name, _ in child.named_parameters()}


def test_a_mixed_child_is_discretised_and_keeps_no_state(data, tmp_path):
    spec = EquiNASSpec(**SMALL, **MIXED, training=ADAM)
    parent, _ = in_file(spec, tmp_path)
    groups = parent.discretise().spec.layer_groups
    assert len(set(groups)) > 1 or groups[0] != "D4"  # alpha has moved
    child, progress = inherited(spec.with_layer_groups(groups), parent, tmp_path, data.train.images)
    assert (progress.batches, progress.optimiser) == (2, {})
    x = data.train.images
    assert torch.equal(child(x), parent.discretise()(x))
    assert not torch.allclose(child(x), parent(x), rtol=1e-3)  # so debug has not looked
    # Further relaxed at once; and refused what alpha has not chosen.
    smaller, _ = inherited(spec.with_layer_groups(("C1",) * 9), parent, tmp_path, x)
    cases.assert_near(smaller(x), child(x), 1e-5)
    with pytest.raises(SpecError, match=r"layer \d would have the group D4, but its weights are tied by \w+"):
        inherited(spec.with_layer_groups(("D4",) * 9), parent, tmp_path)


def test_another_temperature_is_another_function(data, tmp_path):
    spec = EquiNASSpec(**SMALL, **MIXED, training=ADAM)
    parent, progress = in_file(spec, tmp_path)
    child, carried = inherited(replace(spec, temperature=0.01), parent, tmp_path, data.train.images)
    assert {layer.mixture.temperature for layer in child.mixed_layers()} == {0.01}
    assert not torch.allclose(child(data.train.images), parent(data.train.images), rtol=1e-3)
    assert all(torch.equal(one, other) for one, other in zip(child.alphas(), parent.alphas(), strict=True))
    same_state(carried.optimiser, progress.optimiser)


# The optimiser's state


@given(groups=shrinking(), kind=st.sampled_from([ADAM, MOMENTUM]))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_of_the_full_weights_stays(groups, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    parent, progress = in_file(SPEC, folder, kind)
    child, carried = inherited(replace(SPEC.with_layer_groups(groups), training=kind), parent, folder)
    assert carried.optimiser.keys() == progress.optimiser.keys() == {name for name, _ in child.named_parameters()}
    compared = 0
    for number, (ours, theirs) in enumerate(zip(child.layers, parent.layers, strict=True)):
        for name, _ in ours.named_parameters() if isinstance(ours, TiedModule) else ():
            if name not in ours.tables():
                continue  # the dense layer's bias
            before, after = (p.optimiser[f"layers.layers.{number}.{name}"] for p in (progress, carried))
            assert after.keys() == before.keys()
            for key, value in after.items():
                if key == "step":
                    assert torch.equal(value, before[key])
                    continue
                # Of one position of the full weights: a free value's gradient is the sum over those that it fills.
                power = 2 if key == "exp_avg_sq" else 1
                table, other = ours.tables()[name], theirs.tables()[name]
                full = other.expand(before[key].reshape(-1) / other.sizes() ** power)
                cases.assert_near(table.expand(value.reshape(-1) / table.sizes() ** power), full, 1e-6)
                compared += 1
    assert compared == (2 if kind is ADAM else 1) * 25  # eight convolutions with norms of two each, and the dense layer
    for name, state in carried.optimiser.items():
        if name.startswith("head."):
            same_state({name: state}, {name: progress.optimiser[name]})


def test_the_state_is_that_of_relaxing_layer_by_layer(tmp_path):
    parent, progress = in_file(SPEC, tmp_path)
    groups = ("D4", "D4", "C4", "C4", "C2", "C2", "C2", "C1", "C1")
    child, carried = inherited(SPEC.with_layer_groups(groups), parent, tmp_path)
    optimiser = weight_optimiser(parent, ADAM)
    for name, parameter in parent.named_parameters():
        optimiser.state[parameter] = dict(progress.optimiser[name])
    step = parent
    for layer in reversed(range(9)):
        step = step.relaxed(layer, groups[layer], optimiser)
    same_state(carried.optimiser, state_by_name(step, optimiser))
    assert all(torch.equal(one, other) for one, other in zip(child.parameters(), step.parameters(), strict=True))


@pytest.mark.parametrize("options", [STATIC, MIXED], ids=["static", "mixed"])
def test_another_kind_of_optimiser_starts_fresh(options, data, tmp_path):
    spec = EquiNASSpec(**SMALL, **options, training=ADAM)
    parent, _ = in_file(spec, tmp_path)
    child, progress = inherited(replace(spec, training=MOMENTUM), parent, tmp_path)
    assert (progress.batches, progress.optimiser) == (2, {})
    fitted = fit(child, child.spec, data.train.images, data.train.labels, progress)
    assert fitted.progress.batches == 2 + 6
    weights = {name: state.keys() for name, state in fitted.progress.optimiser.items() if not name.endswith("alpha")}
    assert set(map(frozenset, weights.values())) == {frozenset({"momentum_buffer"})}


def test_a_momentum_that_is_new_starts_fresh_too(tmp_path):
    parent, progress = in_file(SPEC, tmp_path, replace(MOMENTUM, momentum=0.0))
    assert progress.optimiser == {}
    child, carried = inherited(replace(SPEC, training=MOMENTUM), parent, tmp_path)
    assert (carried.batches, carried.optimiser) == (2, {})
    assert fit(child, child.spec, torch.zeros(4, 1, 8, 8), torch.zeros(4).long(), carried).progress.optimiser


# Parents that cannot be


@pytest.fixture
def kept(tmp_path):
    in_file(SPEC, tmp_path)
    return tmp_path / f"{SPEC.key}.safetensors"


def child_of(key=SPEC.key, **changes):
    return replace(SPEC, parent=key, **changes)


def refused(spec, folder, error, match):
    with torch.no_grad(), pytest.raises(error, match=match):
        inherit(spec, folder, None, "cpu")


def test_a_missing_parent(kept):
    kept.unlink()
    refused(child_of(), kept.parent, StoreError, rf"weights .*{SPEC.key}\.safetensors are missing; train the child")
    refused(child_of(), kept.parent / "nowhere", StoreError, "are missing")


def test_no_folder(data, kept):
    refused(child_of(), None, SpecError, r"parent is '[0-9a-f]{24}'; inheriting needs the key of a parent and a folder")
    refused(SPEC, kept.parent, SpecError, r"parent is None; inheriting needs the key of a parent")
    with pytest.raises(SpecError, match="and a folder of weights"):
        train_child(child_of(), data)


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda _: b"", lambda b: b"\xff" * len(b)]
)
def test_a_torn_file(kept, damage):
    kept.write_bytes(damage(kept.read_bytes()))
    refused(child_of(), kept.parent, StoreError, "are damaged or belong to another child")


def test_the_file_of_another_key(kept):
    other = "0123456789abcdef01234567"
    kept.rename(kept.with_name(f"{other}.safetensors"))
    refused(child_of(other), kept.parent, StoreError, rf"belong to another child: key {SPEC.key}, not {other}")


def test_a_file_whose_key_is_not_that_of_its_spec(kept):
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(kept, framework="pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    forged = metadata | {"spec": json.dumps(replace(SPEC, seed=9).to_json())}
    save_file(state, kept, metadata=forged)
    refused(child_of(), kept.parent, StoreError, "belong to another child")
    for name in ("spec", "batches"):
        save_file(state, kept, metadata=metadata | {name: "?"})
        refused(child_of(), kept.parent, StoreError, "are damaged or belong to another child")
    save_file({name: value for name, value in state.items() if "head" not in name}, kept, metadata=metadata)
    refused(child_of(), kept.parent, StoreError, r"are damaged or belong to another child: (?s:.*)head")


def test_weights_that_were_kept_to_look_at_only(kept):
    child = build_child(SPEC)
    save_weights(child, kept)
    refused(child_of(), kept.parent, StoreError, r"were not kept for going on with: they lack the spec\. Train again")


def test_weights_that_were_kept_for_going_on_can_be_looked_at(kept):
    ours, (theirs, _) = load_child(SPEC, kept), load_parent(SPEC.key, kept.parent)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 2}, "width is 2, but the parent's is 1; a child that inherits weights may only differ in its group"),
        ({"kernel_size": 5}, "kernel_size is 5, but the parent's is 3"),
        ({"dense": 9}, "dense is 9, but the parent's is 8"),
        ({"classes": 4}, "classes is 4, but the parent's is 3"),
        ({"side": 9}, "side is 9, but the parent's is 8"),
        ({"poolings": ()}, r"poolings is \(\), but the parent's is \(7,\)"),
        ({"published": True, "head_group": ""}, "published is True, but the parent's is False"),
        (
            {"mixed": ("C1", "D4"), "groups": (), "head_group": ""},
            r"groups is \(\), but the parent's is \('D4', 'D4', ",
        ),
    ],
    ids=str,
)
def test_a_child_that_differs_in_more_than_its_groups(kept, changes, message):
    refused(child_of(**changes), kept.parent, SpecError, message)


def test_mixed_children_that_differ(tmp_path):
    spec = EquiNASSpec(**SMALL, **MIXED, training=ADAM)
    parent, _ = in_file(spec, tmp_path)
    for changes, message in (
        ({"mixed": ("C1", "D4")}, r"mixed is \('D4', 'C1'\), but the parent's is \('D4', 'C4', 'C1'\)"),
        ({"skip": False}, "skip is False, but the parent's is True"),
        ({"keep_norm": False}, "keep_norm is False, but the parent's is True"),
        ({"weighting": "sum"}, "weighting is 'sum', but the parent's is 'softmax'"),
    ):
        with pytest.raises(SpecError, match=message):
            inherited(replace(spec, **changes), parent, tmp_path)


@given(groups=shrinking(), wanted=shrinking())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_groups_that_grow(groups, wanted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grow")
    growing = [
        layer for layer, (old, new) in enumerate(zip(groups, wanted, strict=True)) if (new, old) not in cases.PAIRS
    ]
    parent, _ = in_file(SPEC.with_layer_groups(groups), folder)
    if not growing:
        inherited(SPEC.with_layer_groups(wanted), parent, folder)
        return
    last = growing[-1]
    message = (
        rf"layer {last} would have the group {wanted[last]}, but its weights are tied by {groups[last]}; a layer is"
    )
    with pytest.raises(SpecError, match=message):
        inherited(SPEC.with_layer_groups(wanted), parent, folder)


@pytest.mark.parametrize("kind", [DenseSpec, GCNNSpec])
def test_kinds_that_do_not_inherit(kind, kept):
    with pytest.raises(SpecError, match=rf"parent is '.*', but a {kind.kind} child is always trained from nothing"):
        kind(parent=SPEC.key)
    with pytest.raises(SpecError, match=rf"a {kind.kind} child cannot go on from the weights of a equinas child"):
        build_child(SPEC).heir(kind())
    # Nor can they be a parent, whatever file there is.
    message = rf"a equinas child cannot go on from the weights of a {kind.kind} child"
    parent = build_child(kind(grids=(8, 4)) if kind is DenseSpec else kind(side=8, padding="same"))
    with pytest.raises(SpecError, match=message):
        parent.heir(SPEC)
    save_weights(parent, kept.with_name(f"{parent.spec.key}.safetensors"), Progress(1))
    refused(child_of(parent.spec.key), kept.parent, SpecError, message)


def test_no_optimiser_of_another_child(kept):
    child = load_child(SPEC, kept)
    foreign = weight_optimiser(build_child(SPEC), ADAM)
    with pytest.raises(SpecError, match="optimiser does not hold the layer's parameters"):
        child.heir(SPEC.with_layer_groups(("C1",) * 9), foreign)


# The check


@pytest.mark.parametrize("relaxed", [False, True])
def test_debug_notices_a_child_that_is_not_its_parent(data, kept, monkeypatch, relaxed):
    heir = EquiNASChild.heir

    def tampered(self, spec, optimiser=None):
        child = heir(self, spec, optimiser)
        with torch.no_grad():
            child.head[-1].weight[0, 0] += 0.01
        return child

    monkeypatch.setattr(EquiNASChild, "heir", tampered)
    spec = child_of(groups=("D4",) * 7 + ("C4",), head_group="C2") if relaxed else child_of()
    with pytest.raises(SpecError, match=r"debug: D4.*, child of D4: before training the logits differ by .*a fault in"):
        train_child(spec, data, parents_folder=kept.parent, debug=True)
    assert train_child(spec, data, parents_folder=kept.parent).status == "ok"


def test_debug_notices_logits_that_are_no_numbers(data, kept, monkeypatch):
    heir = EquiNASChild.heir

    def broken(self, spec, optimiser=None):
        child = heir(self, spec, optimiser)
        with torch.no_grad():
            child.head[-1].bias[0] = torch.nan
        return child

    monkeypatch.setattr(EquiNASChild, "heir", broken)
    with pytest.raises(SpecError, match="differ by nan of their size"):
        train_child(child_of(), data, parents_folder=kept.parent, debug=True)


def test_debug_changes_no_result(data, kept):
    found = [train_child(child_of(), data, parents_folder=kept.parent, debug=debug) for debug in (False, True)]
    assert replace(found[0], seconds=0) == replace(found[1], seconds=0)


# Specs


def test_json_and_key_know_the_parent():
    spec = child_of()
    again = ChildSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert (again, again.key) == (spec, spec.key)
    assert len({SPEC.key, spec.key, child_of("0" * 24).key}) == 3
    assert spec.class_key == SPEC.class_key
    assert "parent" not in SPEC.to_json()
    assert replace(spec, parent=None).key == SPEC.key
