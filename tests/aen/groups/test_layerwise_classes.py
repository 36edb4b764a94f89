"""Classes of children whose layers choose by themselves, and their names on disk."""

import json
from itertools import pairwise, product

import numpy as np
import pytest

from aen.errors import GroupError
from aen.groups import (
    Alphabet,
    Decomposition,
    class_cache,
    class_key,
    enumerate_classes,
    enumerate_layerwise_classes,
    layer_orbits,
    layerwise_class_key,
    layerwise_classes,
    load_classes,
    mask_to_bits,
)
from aen.groups import load_layerwise_classes as load

FACTORS = ["rot90", "hflip", "swap_lr"]
SIDES = (4, 2, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "classes"


@pytest.fixture
def walks(monkeypatch):
    """The enumerations that were really made."""
    made = []

    def counted(layers):
        made.append(layers)
        return enumerate_layerwise_classes(layers)

    monkeypatch.setattr(class_cache, "enumerate_layerwise_classes", counted)
    return made


def all_decompositions():
    return [Alphabet.of(FACTORS).decomposition(mask_to_bits(state, len(FACTORS))) for state in range(2 ** len(FACTORS))]


@pytest.mark.parametrize("sides", [(4, 4), SIDES, (2, 4, 4, 2)])
def test_the_names_are_those_of_all_choices(sides):
    """Every choice of a state per layer, one by one: as many different names, and the same, as the table has."""
    alphabet, shapes = Alphabet.of(FACTORS), list(pairwise(sides))
    table = enumerate_layerwise_classes([enumerate_classes(alphabet, shape) for shape in shapes])
    found = {layerwise_class_key(chosen, sides) for chosen in product(all_decompositions(), repeat=len(shapes))}
    assert len(table.keys) == len(set(table.keys)) == len(found)
    assert set(table.keys) == found
    for key, classes in zip(table.keys, product(*(layer.classes for layer in table.layers)), strict=True):
        chosen = [layer.decomposition(c) for layer, c in zip(table.layers, classes, strict=True)]
        assert key == layerwise_class_key(chosen, sides)


def test_a_name_stands_for_the_orbits_of_each_layer():
    names = {}
    for chosen in product(all_decompositions(), repeat=2):
        orbits = [layer_orbits(d.generators, i, o).labels for d, (i, o) in zip(chosen, pairwise(SIDES), strict=True)]
        names.setdefault(layerwise_class_key(chosen, SIDES), orbits)
        for ours, theirs in zip(orbits, names[layerwise_class_key(chosen, SIDES)], strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("decomposition", all_decompositions(), ids=str)
def test_layers_with_one_decomposition_have_its_name(decomposition):
    assert layerwise_class_key([decomposition] * 2, SIDES) == class_key(decomposition, SIDES)
    load_classes(Alphabet.of(FACTORS), SIDES)  # from now on the names are remembered
    assert layerwise_class_key([decomposition] * 2, SIDES) == class_key(decomposition, SIDES)


def test_a_decomposition_per_layer_is_wanted():
    with pytest.raises(ValueError, match="zip"):
        layerwise_class_key([Decomposition()], SIDES)


@pytest.mark.usefixtures("folder")
def test_what_is_read_is_what_was_computed(walks):
    alphabet = Alphabet.of(FACTORS)
    first, second = load(alphabet, SIDES), load(alphabet, SIDES)
    assert len(walks) == 1
    assert first.keys == second.keys
    assert [layer.grids for layer in second.layers] == [(4, 2), (2, 4)]
    assert second.alphabet == alphabet
    for other in (Alphabet.of(FACTORS[::-1]), Alphabet.of(FACTORS[:2])):
        assert load(other, SIDES).keys != first.keys
    assert load(alphabet, (4, 2, 4, 2)).keys != first.keys
    assert len(walks) == 4


DAMAGES = {
    "another key": lambda table: table["keys"].__setitem__(1, "0" * 16),
    "a key less": lambda table: table["keys"].pop(),
    "swapped": lambda table: table["keys"].reverse(),
    "no keys": lambda table: table.pop("keys"),
    "no digest": lambda table: table.pop("digest"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_computed_and_written_again(folder, walks, damage):
    alphabet = Alphabet.of(FACTORS)
    expected = load(alphabet, SIDES).keys
    (file,) = (file for file in folder.iterdir() if "keys" in json.loads(file.read_text()))
    whole = file.read_bytes()
    table = json.loads(whole)
    damage(table)
    file.write_text(json.dumps(table))
    assert load(alphabet, SIDES).keys == expected
    assert len(walks) == 2
    assert file.read_bytes() == whole
    file.write_bytes(whole[:-1])
    assert load(alphabet, SIDES).keys == expected
    assert len(walks) == 3


@pytest.mark.usefixtures("folder")
def test_too_many_choices_are_refused(monkeypatch):
    monkeypatch.setattr(layerwise_classes, "MAX_LAYERWISE_CLASSES", 24)
    message = r"a decomposition per layer makes 5 x 5 = 25 classes; at most 24 can be listed\. Offer fewer factors"
    count = len(load_classes(Alphabet.of(["rot90", "hflip"]), (4, 4)).classes)
    with pytest.raises(GroupError, match=message.replace("5 x 5 = 25", f"{count} x {count} x {count} = {count**3}")):
        load(Alphabet.of(["rot90", "hflip"]), (4, 4, 4, 4))
    assert len(load(Alphabet.of(["rot90", "hflip"]), (4, 4, 4)).keys) == count**2


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_enumerated_is_refused():
    with pytest.raises(GroupError, match="make no layer"):
        load(Alphabet.of(["rot90"]), (4,))
    with pytest.raises(GroupError, match="not a whole number of cells"):
        load(Alphabet.of(["hshift(1/4)"]), (8, 6))
