import json
import math
import pickle
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import AenError, GroupError, SpecError
from aen.groups import Decomposition, Generator, class_key

BASE = DenseSpec(data=DataSpec(moves=("rot90",)), grids=(4, 2), decomposition=Decomposition.of(["rot90"]))
OTHER_DATA = {
    "name": "letters",
    "train": 601,
    "validation": 596,
    "test": 599,
    "split_seed": 1,
    "moves": ("rot90", "hflip"),
    "angles": "any",
    "moves_seed": 1,
    "all_training": True,
    "moved": 0.5,
}
# Of own data only.
IMPORT = {"split": "random", "size": 4, "channels": "grey", "skip_broken": True, "lift_sign": True}
OTHER_TRAINING = {"epochs": 31, "batch_size": 63, "learning_rate": 0.02, "precision": "bfloat16"}
SGD = {"optimiser": "sgd", "momentum": 0.9}  # which the dense child refuses
OTHER = {
    "grids": (4, 4),
    "classes": 11,
    "decomposition": Decomposition.of(["hflip"]),
    "head": "free",
    "bias": "scalar_after_relu",
    "initialisation": "published",
    "augment": Decomposition.of(["rot90"]),
    "seed": 1,
}


def variants():
    """The base spec with each single field changed, by the field's name."""
    yield from ((name, replace(BASE, **{name: value})) for name, value in OTHER.items())
    for name, value in OTHER_DATA.items():
        yield f"data.{name}", replace(BASE, data=replace(BASE.data, **{name: value}))
    for name, value in OTHER_TRAINING.items():
        yield f"training.{name}", replace(BASE, training=replace(BASE.training, **{name: value}))


def names_of(kind):
    return {f.name for f in fields(kind)}


def test_every_field_has_another_value_here():
    # For layers see test_layerwise_dense.py; a parent is refused.
    assert names_of(DenseSpec) == {*OTHER, "layers", "parent", "data", "training"}
    assert names_of(DataSpec) == {*OTHER_DATA, *IMPORT}
    assert names_of(TrainingSpec) == {*OTHER_TRAINING, *SGD, "curve"}  # for a curve see test_curve.py


def test_key_changes_with_every_field_of_own_data():
    own = replace(BASE, data=DataSpec("cells/all.npz"))
    keys = [own.key] + [replace(own, data=DataSpec("cells/all.npz", **{name: IMPORT[name]})).key for name in IMPORT]
    assert len(set(keys)) == len(keys)


def test_key_changes_with_every_single_field():
    keys = {"nothing": BASE.key} | {name: spec.key for name, spec in variants()}
    assert len(set(keys.values())) == len(keys)
    assert all(len(key) == 24 and set(key) <= set("0123456789abcdef") for key in keys.values())


@pytest.mark.parametrize("moves", [(), ("hflip", "quadrants")])
def test_angles_without_a_rotation_do_not_change_the_key(moves):
    one, other = (DenseSpec(data=DataSpec(moves=moves, angles=angles)) for angles in ("quarter", "any"))
    assert one == other
    assert one.key == other.key


def test_order_of_moves_matters():
    one, other = (replace(BASE, data=replace(BASE.data, moves=m)) for m in [("rot90", "hflip"), ("hflip", "rot90")])
    assert one.key != other.key


@pytest.mark.parametrize("spec", [BASE, *(spec for _, spec in variants())], ids=["base", *(n for n, _ in variants())])
def test_json_and_pickle_round_trips(spec):
    for copy in (ChildSpec.from_json(json.loads(json.dumps(spec.to_json()))), pickle.loads(pickle.dumps(spec))):  # noqa: S301
        assert copy == spec
        assert hash(copy) == hash(spec)
        assert copy.key == spec.key


@given(table=st.permutations(range(4)), seed=st.integers(0, 2**63 - 1), rate=st.floats(1e-300, 1e300))
@settings(max_examples=30)
def test_json_keeps_user_made_generators_and_numbers_exactly(table, seed, rate):
    mine = Generator.from_permutations("mine", [table])
    decomposition = Decomposition.of(["hflip", "rot90 x| mine", "mine"], {"mine": mine})
    # The product is only checked where it acts; on 2x2 it may be none.
    try:
        spec = DenseSpec(grids=(2, 2), decomposition=decomposition)
    except GroupError:
        spec = DenseSpec(grids=(2, 2), decomposition=Decomposition.of(["mine", "hflip"], {"mine": mine}))
    spec = replace(spec, seed=seed, training=TrainingSpec(learning_rate=rate))
    copy = DenseSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert copy == spec
    assert copy.key == spec.key


@pytest.mark.parametrize(
    "factors", [["rot90", "vflip"], ["vflip", "rot90"], ["rot90 x| hflip"], ["rot90", "hflip", "vflip"]]
)
def test_states_of_one_class_are_one_training(factors):
    spec = BASE.with_decomposition(Decomposition.of(["rot90", "hflip"]))
    same = BASE.with_decomposition(Decomposition.of(factors))
    assert same != spec
    assert same.key == spec.key
    assert same.class_key == spec.class_key == class_key(spec.decomposition, (4, 2))


def test_key_depends_on_the_tables_of_a_user_made_generator_and_not_on_its_name():
    def key(name, table):
        mine = Generator.from_permutations(name, [table])
        return DenseSpec(grids=(2, 2), decomposition=Decomposition.of([name], {name: mine})).key

    assert key("mine", [1, 0, 3, 2]) == key("other", [1, 0, 3, 2])
    assert key("mine", [1, 0, 3, 2]) != key("mine", [2, 3, 0, 1])
    hflip = DenseSpec(grids=(2, 2), decomposition=Decomposition.of(["hflip"])).key
    assert key("mine", [1, 0, 3, 2]) == hflip


def test_with_decomposition_and_with_seed_change_only_that():
    decomposition = Decomposition.of(["hflip"])
    assert BASE.with_decomposition(decomposition) == replace(BASE, decomposition=decomposition)
    assert BASE.with_seed(7) == replace(BASE, seed=7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "invariante"}, "unknown head 'invariante'.*did you mean 'invariant'"),
        ({"head": None}, "unknown head None"),
        ({"bias": "orbits"}, "unknown bias 'orbits'.*did you mean 'orbit'"),
        ({"initialisation": "fan-in"}, "unknown initialisation 'fan-in'.*did you mean 'fan_in'"),
        ({"grids": (4,)}, "make no layer"),
        ({"grids": ()}, "make no layer"),
    ],
)
def test_bad_field_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        replace(BASE, **change)


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_training_without_effort_is_refused(field, value):
    with pytest.raises(SpecError, match=f"training.{field} is {value}; it must be above 0"):
        TrainingSpec(**{field: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": "sdg"}, "unknown training.optimiser 'sdg'.*did you mean 'sgd'"),
        ({"optimiser": "sgd", "momentum": 1.0}, "training.momentum is 1.0; it must be 0 or more, and below 1"),
        ({"optimiser": "sgd", "momentum": -0.1}, "training.momentum is -0.1; it must be 0 or more"),
        ({"optimiser": "sgd", "momentum": math.nan}, "training.momentum is nan"),
        ({"momentum": 0.9}, "training.momentum is 0.9, which adam does not take; set it to 0"),
    ],
)
def test_bad_optimiser_is_refused(change, message):
    with pytest.raises(SpecError, match=message):
        TrainingSpec(**change)


def test_zero_momentum_is_one_number():
    assert {repr(TrainingSpec(momentum=m).momentum) for m in (0, 0.0, -0.0)} == {"0.0"}


def test_dense_child_knows_adam_only():
    with pytest.raises(SpecError, match=r"training\.optimiser is 'sgd', which the dense child .*; use 'adam'"):
        replace(BASE, training=TrainingSpec(**SGD))


# Written down before there were parents and parts of epochs.
KEYS = [
    (DenseSpec(), "a6504e89af8ccbf158c08d9d"),
    (GCNNSpec(), "7e17a9576b771242deeb95e0"),
    (GCNNSpec(training=TrainingSpec(epochs=5, **SGD)), "e218f9c8a112fa4d19086969"),
]


@pytest.mark.parametrize(("spec", "key"), KEYS)
def test_specs_without_a_parent_have_the_keys_they_always_had(spec, key):
    assert spec.parent is None
    assert spec.key == key
    assert "parent" not in spec.to_json()


# The keys that these had while there was a bias in front of their batch norms, and those that they have without it.
CHANGED = [
    (
        GCNNSpec(side=8, width=6, group="D2", padding="same", norm="batch", head="invariant", seed=3),
        "2fc95c7e8b44833f9b4a32d6",
        "a810a74559185b587d26a691",
    ),
    (GCNNSpec(norm="batch"), "37a84ecb7abbcf3a70459f86", "c116fc4c223151d492dac429"),
    (EquiNASSpec(), "d34b4b74a476a04e0f56f432", "ebc4261936380f1cf22a11a5"),
    (EquiNASSpec(published=True), "dec651496cd8abc26f310952", "5235d6b66e61ab00d44fdba8"),
]


@pytest.mark.parametrize(("spec", "before", "now"), CHANGED, ids=lambda value: getattr(value, "kind", ""))
def test_children_that_lost_a_dead_bias_have_other_keys_than_before(spec, before, now):
    assert spec.key == now != before
    assert (spec.key_version, DenseSpec().key_version, GCNNSpec().key_version) == ("child-5", "child-4", "child-4")


@pytest.mark.parametrize("kind", [DenseSpec, GCNNSpec])
@pytest.mark.parametrize("parent", ["0123456789abcdef01234567", "../x", 7])
def test_a_parent_is_refused_where_nothing_is_inherited(kind, parent):
    with pytest.raises(SpecError, match=rf"parent is .*, but a {kind.kind} child is always trained from nothing"):
        kind(parent=parent)
    with pytest.raises(SpecError, match="always trained from nothing"):
        ChildSpec.from_json(kind().to_json() | {"parent": parent})


def test_whole_epochs_are_one_number_and_parts_are_kept():
    assert [repr(TrainingSpec(epochs=epochs).epochs) for epochs in (3, 3.0, 0.2, 1.5)] == ["3", "3", "0.2", "1.5"]
    whole, same, part = (GCNNSpec(training=TrainingSpec(epochs=epochs)) for epochs in (3, 3.0, 2.9))
    assert whole.key == same.key != part.key
    again = ChildSpec.from_json(json.loads(json.dumps(part.to_json())))
    assert (again, again.key) == (part, part.key)
    with pytest.raises(SpecError, match=r"training.epochs is inf; it must be above 0, and finite"):
        TrainingSpec(epochs=math.inf)
    with pytest.raises(SpecError, match=r"training.epochs is 0.2; the dense child is trained for whole epochs"):
        DenseSpec(training=TrainingSpec(epochs=0.2))


def test_json_names_the_kind_and_an_unknown_one_is_refused():
    value = BASE.to_json()
    assert value["kind"] == "dense"
    with pytest.raises(SpecError, match=r"unknown kind of child 'dens' \(did you mean 'dense'\?\)"):
        ChildSpec.from_json(value | {"kind": "dens"})
    with pytest.raises(SpecError, match="unknown kind of child"):
        ChildSpec.from_json(value | {"kind": []})


def test_a_spec_without_a_kind_is_dense_as_all_were():
    value = BASE.to_json()
    del value["kind"]
    assert ChildSpec.from_json(value) == BASE


@pytest.mark.parametrize("grids", [(8, 0), (0, 4), (8, -4)])
def test_grid_without_cells_is_refused(grids):
    with pytest.raises(AenError, match=f"{min(grids)}"):
        DenseSpec(grids=grids)


def test_factor_that_does_not_fit_a_hidden_grid_is_refused():
    with pytest.raises(GroupError, match="needs an even grid, not 5x5"):
        DenseSpec(grids=(4, 5), decomposition=Decomposition.of(["quadrants"]))


@pytest.mark.parametrize("change", [{"classes": 10.0}, {"classes": "ten"}, {"seed": 1.5}, {"seed": True}], ids=str)
def test_numbers_that_are_not_whole_are_refused(change):
    (name,) = change
    with pytest.raises(SpecError, match=rf"{name} is .*; it must be a whole number"):
        DenseSpec(**change)


@pytest.mark.parametrize("kind", [DenseSpec, GCNNSpec, EquiNASSpec])
def test_json_may_leave_out_what_has_a_default(kind):
    assert kind.from_json({}) == kind()
    sides = {"grids": [4, 4]} if kind is DenseSpec else {"side": 16}
    given = {"data": {"name": "digits", "moves": ["rot90"]}, "training": {"epochs": 3}, "seed": 2} | sides
    found = kind.from_json(json.loads(json.dumps(given)))
    assert (found.data.moves, found.training.epochs, found.seed) == (("rot90",), 3, 2)
    assert found.key == kind.from_json(found.to_json()).key
    direct = kind(**(given | {name: tuple(side) for name, side in sides.items() if name == "grids"}))
    assert direct == found, "dictionaries are accepted by the constructor too"


def test_json_of_all_fields_by_dataclasses_is_read():
    """What Gymnasium makes of a spec in the arguments of a registered environment."""
    layers = (Decomposition.of(["rot90"]), Decomposition.of(["hflip x vflip"]))
    for spec in (BASE, DenseSpec(grids=(4, 4, 4), layers=layers), GCNNSpec(augmentations=("hflip",)), EquiNASSpec()):
        assert type(spec).from_json(json.loads(json.dumps(asdict(spec)))) == spec


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"grid": [4, 4]}, r"child of kind 'dense' has an unknown field 'grid' \(did you mean 'grids'\?\)"),
        ({"data": {"nam": "digits"}}, r"data has an unknown field 'nam' \(did you mean 'name'\?\)"),
        ({"training": {"epoch": 1}}, r"training has an unknown field 'epoch' \(did you mean 'epochs'\?\)"),
        ({"data": "digits"}, "data is 'digits' which cannot be read; give a dict such as to_json"),
        (
            {"data": {"name": 5}},
            "data.name is 5, of type int, but must be the name of a data set or the path",
        ),
        ({"training": {"epochs": "3"}}, "training.epochs is '3' but must be a number"),
        ({"grids": 4}, "child is {'grids': 4}, of type dict, which cannot be read"),
        ({"decomposition": 5}, "factors is 5, of type int, but must be a list"),
        ({"decomposition": [5]}, "factor is 5, of type int, but must be text such as 'rot90'"),
        ({"decomposition": {"rot90": True}}, "factors is .* but must be a list"),
        ([4, 4], r"child is \[4, 4\], of type list, which cannot be read"),
        (None, "child is None which cannot be read"),
        (GCNNSpec(), "child is a GCNNSpec, but a DenseSpec is expected"),
    ],
)
def test_what_cannot_be_read_is_named(value, message):
    with pytest.raises(AenError, match=message):
        DenseSpec.from_json(value)


def test_the_path_of_a_data_set_may_be_a_path():
    assert DataSpec(Path("folder") / "mine.npz") == DataSpec("folder/mine.npz")
    assert json.loads(json.dumps(DataSpec(Path("mine.npz")).to_json()))["name"] == "mine.npz"


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "momentum"])
@pytest.mark.parametrize("value", ["1", None, True, [1]])
def test_what_is_no_number_is_named(name, value):
    with pytest.raises(SpecError, match=rf"^training\.{name} is .* must be a number"):
        TrainingSpec(**{name: value})
