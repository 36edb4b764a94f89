"""Parents from whose weights no child can go on."""

import json
from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from helpers.inheritance_cases import (
    ADAM,
    MIXED,
    SMALL,
    SPEC,
    child_of,
    in_file,
    inherited,
    shrinking,
)
from hypothesis import HealthCheck, given, settings

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec, build_child
from aen.errors import SpecError, StoreError
from aen.training import load_child, save_weights, train_child
from aen.training.inheritance import inherit
from aen.training.optimisers import weight_optimiser
from aen.training.weights import Progress, load_parent


@pytest.fixture(scope="module")
def data(data_of):
    return data_of(SPEC)


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
    del metadata["sha256"]  # as in files of earlier versions, which have none
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
    refused(child_of(), kept.parent, StoreError, r"cannot be continued from: they lack the spec; train the child again")


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
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    with pytest.raises(SpecError, match=rf"a {kind.kind} child cannot continue from the weights of a equinas child"):
        build_child(SPEC).heir(kind())
    # Nor can they be a parent, whatever file there is.
    message = rf"a equinas child cannot continue from the weights of a {kind.kind} child"
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
