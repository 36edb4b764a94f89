"""EquiNASSpec: what is filled in, keys, names and messages."""

import json
import math
from dataclasses import fields

import pytest
from helpers.equinas_cases import SHRINKING, SIX, SMALL, spec_of

from aen.children import ChildSpec, EquiNASSpec, TrainingSpec, build_child
from aen.data.spec import DataSpec
from aen.errors import GroupError, SpecError
from aen.groups.planar import PlanarGroup


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
        counts[group] = filters + norms + 256 // order * 64 + 2 * 64 + 65 * 10
        if group != "C1":  # C1's is seven million weights
            assert build_child(spec).parameter_count() == build_child(within[group]).parameter_count() == counts[group]
    assert counts["C1"] > 3.9 * counts["C4"] > 7.7 * counts["D4"]


OTHERS = {
    "augment": "C4",
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
    "initialisation": "published",
    "alpha": ((0.5, -1.0),) * 9,
    "alpha_gradient": "permuted",
}
OF_MIXED = {"mixed", "skip", "weighting", "keep_norm", "alpha_learning_rate", "alpha_data", "prior", "temperature"}
OF_MIXED |= {"alpha", "alpha_gradient"}


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
    if name in {"groups", "head_group", "mixed", "base", "augment"}:
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
        ({"mixed": ("C1", "D4"), "drawn_as": "D4"}, r"drawn_as is 'D4'; a mixed child draws each branch's weights"),
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
