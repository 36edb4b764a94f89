"""Dense children with a decomposition per layer: their specs, keys, classes and networks."""

import json
import pickle
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.children import ChildSpec, DenseSpec, TrainingSpec, build_child
from aen.data import DataSpec
from aen.errors import GroupError, SpecError
from aen.groups import Decomposition, Generator, class_key, layer_orbits

NONE = Decomposition()
TURNS = Decomposition.of(["rot90"])
DIHEDRAL = Decomposition.of(["rot90", "hflip"])
FLIP = Decomposition.of(["hflip"])
CHOICES = [NONE, TURNS, DIHEDRAL, FLIP, Decomposition.of(["rot90", "vflip"]), Decomposition.of(["swap_tb_left"])]
BASE = DenseSpec(grids=(8, 4, 4))
# Class key and key of specs, written down before there were layers.
KEYS = [
    (DenseSpec(), "d22262750946e845", "a6504e89af8ccbf158c08d9d"),
    (DenseSpec(decomposition=DIHEDRAL, seed=7), "30a6f79be34d21d2", "0e237a50e71ff6d0b7c5f32b"),
    (
        DenseSpec(grids=(8, 4, 4, 2), decomposition=Decomposition.of(["rot90 x| hflip", "hshift(1/2)"]), head="free"),
        "233605845fd09cc6",
        "adca6f62e5e33d9a933fb224",
    ),
    (
        DenseSpec(
            grids=(28, 20, 20),
            decomposition=Decomposition.of(["vshift(4)", "swap_tb_left"]),
            bias="scalar_after_relu",
            initialisation="published",
            training=TrainingSpec(epochs=3, learning_rate=1e-3),
        ),
        "90d11cc237f2d3e1",
        "49182a30fcb5d25b339204ed",
    ),
    (
        DenseSpec(data=DataSpec(train=400, moves=("rot90",)), grids=(8, 3), decomposition=TURNS, classes=4),
        "1fb0f2c92ac28bc0",
        "723170eae23deb06ca322f62",
    ),
]


@pytest.mark.parametrize(("spec", "class_key", "key"), KEYS)
def test_children_whose_layers_are_the_same_have_the_keys_they_always_had(spec, class_key, key):
    assert (spec.class_key, spec.key) == (class_key, key)
    layered = spec.with_layers([spec.decomposition] * (len(spec.grids) - 1))
    assert layered == spec
    assert (layered.class_key, layered.key) == (class_key, key)
    assert "layers" not in spec.to_json()
    assert spec.to_json()["decomposition"] == spec.decomposition.to_json()


@pytest.mark.parametrize("decomposition", CHOICES, ids=str)
def test_equal_layers_become_the_decomposition(decomposition):
    spec = BASE.with_layers([decomposition, decomposition])
    assert spec == BASE.with_decomposition(decomposition)
    assert spec.layers == ()
    assert spec.layer_decompositions == (decomposition, decomposition)
    assert spec.name == decomposition.name
    assert spec.group == decomposition.describe(BASE.grids).name


def test_different_layers_are_kept_and_named():
    spec = BASE.with_layers([DIHEDRAL, TURNS])
    assert spec.layers == spec.layer_decompositions == (DIHEDRAL, TURNS)
    assert spec.decomposition == NONE
    assert spec.name == "rot90 + hflip | rot90"
    assert spec.group == "D4 | C4"
    assert BASE.with_layers([NONE, FLIP]).name == "none | hflip"
    assert BASE.with_layers([NONE, FLIP]).group == "C1 | C2"


def test_classes_are_those_of_the_orbits_of_each_layer():
    """Two children are of one class just when each of their layers has the same orbits."""
    specs = [BASE.with_layers(layers) for layers in product(CHOICES, repeat=2)]
    orbits = [
        tuple(
            layer_orbits(layer.generators, *shape).labels.tobytes()
            for layer, shape in zip(spec.layer_decompositions, spec.layer_shapes, strict=True)
        )
        for spec in specs
    ]
    for a, ours in zip(specs, orbits, strict=True):
        for b, theirs in zip(specs, orbits, strict=True):
            assert (a.class_key == b.class_key) == (a.key == b.key) == (ours == theirs)


def test_layers_with_the_orbits_of_one_decomposition_are_of_its_class():
    mixed = BASE.with_layers([DIHEDRAL, Decomposition.of(["rot90 x| vflip"])])
    assert mixed.layers
    assert mixed.class_key == class_key(DIHEDRAL, BASE.grids)
    assert mixed.key == BASE.with_decomposition(DIHEDRAL).key


def test_key_tells_which_layer_has_what():
    keys = {BASE.with_layers(layers).key for layers in ([TURNS, NONE], [NONE, TURNS], [TURNS, TURNS], [NONE, NONE])}
    assert len(keys) == 4
    assert BASE.with_layers([TURNS, NONE]).key != BASE.with_layers([TURNS, NONE]).with_seed(1).key


def test_json_and_pickle_round_trips():
    mine = Generator.from_permutations("mine", [range(64), reversed(range(16))])
    layers = [Decomposition.of(["rot90 x| hflip", "mine"], {"mine": mine}), Decomposition.of(["hshift(1/2)"])]
    spec = replace(BASE.with_layers(layers), head="free", seed=3)
    assert spec.to_json()["decomposition"] == {"layers": [layer.to_json() for layer in layers]}
    for copy in (ChildSpec.from_json(json.loads(json.dumps(spec.to_json()))), pickle.loads(pickle.dumps(spec))):  # noqa: S301
        assert copy == spec
        assert hash(copy) == hash(spec)
        assert copy.key == spec.key


def test_what_goes_together_in_a_population_differs_in_layers_too():
    specs = [BASE.with_layers([TURNS, NONE]), BASE.with_decomposition(FLIP).with_seed(5), BASE]
    assert {spec.population_key for spec in specs} == {BASE}


def test_with_decomposition_and_with_layers_change_both():
    layered = replace(BASE, seed=4).with_decomposition(TURNS).with_layers([FLIP, TURNS])
    assert (layered.layers, layered.seed) == ((FLIP, TURNS), 4)
    assert layered.with_decomposition(FLIP) == replace(BASE, seed=4, decomposition=FLIP)


def test_a_layer_s_factors_need_fit_its_own_grids_only():
    quadrants = Decomposition.of(["quadrants"])
    spec = DenseSpec(grids=(8, 4, 5), layers=(quadrants, NONE))
    assert build_child(spec)(torch.zeros(2, 64)).shape == (2, 10)
    assert spec.shared_generators == ()
    with pytest.raises(GroupError, match="needs an even grid, not 5x5"):
        DenseSpec(grids=(8, 4, 5), layers=(NONE, quadrants))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (TURNS,)}, r"layers has 1 decompositions, but grids \[8, 4, 4\] make 2 layers; give one for each"),
        ({"layers": (TURNS, NONE, NONE)}, "layers has 3 decompositions"),
        ({"layers": ("rot90", "hflip")}, "layers has 'rot90'; write Decomposition.of"),
        (
            {"layers": (TURNS, NONE), "decomposition": FLIP},
            "decomposition is 'hflip' and layers is 'rot90 | none'; give one of them",
        ),
    ],
)
def test_bad_layers_are_refused(change, message):
    with pytest.raises(SpecError, match=message.replace("|", r"\|")):
        replace(BASE, **change)


@pytest.mark.parametrize(
    ("layers", "shared"),
    [
        ([DIHEDRAL, TURNS], ["rot90"]),
        ([NONE, TURNS], []),
        ([TURNS, FLIP], []),
        # Written with other generators, and yet the same: each keeps the other's orbits.
        ([DIHEDRAL, Decomposition.of(["rot90 x| vflip"])], ["rot90", "hflip", "vflip"]),
        ([DIHEDRAL, Decomposition.of(["rot180"])], ["rot180"]),
    ],
)
def test_the_child_is_equivariant_to_what_all_layers_have_in_common(layers, shared):
    spec = BASE.with_layers(layers)
    assert [g.name for g in spec.shared_generators] == shared
    child = build_child(spec).double()
    errors = child.check_equivariance(words=4)
    assert max(errors.values()) < 1e-12
    assert {*shared} <= set(errors)
    for number, layer in enumerate(layers, 1):
        assert {f"layer {number}: {g}" for g in layer.generators} <= set(errors)


def test_check_equivariance_finds_a_broken_layer():
    child = build_child(BASE.with_layers([TURNS, FLIP]))
    child.layers[1].decomposition = TURNS
    errors = child.check_equivariance()
    assert errors["layer 1: rot90"] < 1e-5
    assert errors["layer 2: rot90"] > 1e-2


def test_each_layer_has_its_own_parameters():
    child = build_child(replace(BASE.with_layers([TURNS, FLIP]), head="invariant"))
    first, second = child.tied_layers
    assert (first.weight.numel(), first.bias.numel()) == (64 * 16 // 4, 4)
    assert (second.weight.numel(), second.bias.numel()) == (16 * 16 // 2, 8)
    assert child.head.linear.in_features == 8  # the orbits of the last grid under the last layer's decomposition


@settings(max_examples=30)
@given(
    layers=st.tuples(st.sampled_from(CHOICES), st.sampled_from(CHOICES)),
    bias=st.sampled_from(["orbit", "scalar_after_relu"]),
)
def test_forward_is_that_of_the_expanded_layers(layers, bias):
    child = build_child(replace(BASE.with_layers(layers), head="free", bias=bias)).double()
    x = torch.randn(5, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        h = x
        for layer, decomposition, shape in zip(child.tied_layers, layers, BASE.layer_shapes, strict=True):
            labels = layer_orbits(decomposition.generators, *shape).labels
            weight = layer.orbit_values("weight")[torch.from_numpy(labels.astype("int64"))]
            h = torch.relu(h @ weight.view(layer.in_features, layer.out_features) + layer.expanded_bias())
        torch.testing.assert_close(child(x), child.head(h))


def test_the_grids_that_a_report_draws():
    rot90, hflip = Decomposition.of(["rot90"]), Decomposition.of(["hflip"])
    assert list(DenseSpec(grids=(8, 4, 4)).tied_grids) == []
    same = DenseSpec(grids=(8, 4, 4), decomposition=rot90)
    assert list(same.tied_grids) == [("tied 8x8", rot90, 8), ("tied 4x4", rot90, 4)]
    different = DenseSpec(grids=(8, 4, 4), layers=(rot90, hflip))
    assert list(different.tied_grids) == [
        ("layer 1, 8x8", rot90, 8),
        ("layer 1, 4x4", rot90, 4),
        ("layer 2, 4x4", hflip, 4),
    ]
    untied_first = DenseSpec(grids=(4, 4, 4), layers=(Decomposition(), hflip))
    assert [title for title, _, _ in untied_first.tied_grids] == ["layer 1, 4x4", "layer 2, 4x4"]
    assert not DenseSpec().group_name_is_unique
