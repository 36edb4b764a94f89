"""The names of the groups of a whole alphabet are those of its states one by one."""

import json

import pytest

from aen.groups import Alphabet, class_cache, classes, known_classes, load_classes, mask_to_bits
from aen.groups.group_names import group_names

CASES = {
    "many swaps": (["rot90", "hflip", "quadrants", "swap_lr", "swap_tb_left", "swap_lr_top", "vflip"], (4, 2, 4)),
    "products": (["rot90 x| hflip", "hflip x vflip", "hshift(1/2)", "transpose", "rot180", "quadrants"], (4, 8)),
    "other orders on each grid": (["hshift(4)", "vshift(4)", "hflip", "swap_lr"], (6, 10)),
    "too large": (["swap_tb_left", "swap_tb_right", "swap_lr_top", "hshift(1)", "vshift(1)"], (4, 6)),
}


@pytest.mark.parametrize(("factors", "sides"), CASES.values(), ids=CASES)
def test_each_state_has_the_name_of_its_group(factors, sides):
    alphabet = Alphabet.of(factors)
    n = len(alphabet)
    expected = [alphabet.decomposition(mask_to_bits(state, n)).group_name(sides) for state in range(2**n)]
    assert list(group_names(alphabet, sides)) == expected
    assert len(set(expected)) > 2


def test_a_table_without_names_gets_them(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path))
    alphabet = Alphabet.of(["rot90", "hflip"])
    expected = load_classes(alphabet, (4, 2)).group_names
    assert expected == ("C1", "C4", "C2", "D4")
    (file,) = (tmp_path / "classes").iterdir()
    whole = file.read_text()
    stored = json.loads(whole)
    del stored["groups"], stored["group_of_state"], stored["digest"]
    digest = class_cache._digest(file.stem, *stored.values())
    file.write_text(json.dumps({"digest": digest} | stored))  # as it was before there were names
    monkeypatch.setattr(class_cache, "enumerate_classes", None)
    assert load_classes(alphabet, (4, 2)).group_names == expected
    assert file.read_text() == whole


def test_a_table_is_known_when_it_was_loaded_or_is_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path))
    monkeypatch.setattr(class_cache, "_LOADED", {})
    alphabet = Alphabet.of(["rot90", "vflip"])
    assert known_classes(alphabet, (2, 4)) is None
    table = load_classes(alphabet, (2, 4))
    assert known_classes(alphabet, (2, 4), read=False) is table
    monkeypatch.setattr(class_cache, "_LOADED", {})
    assert known_classes(alphabet, (2, 4), read=False) is None
    assert known_classes(alphabet, (2, 4)).classes == table.classes
    assert [table.key_of(state) for state in range(4)] == [
        classes.class_key(alphabet.decomposition(mask_to_bits(state, 2)), (2, 4)) for state in range(4)
    ]
