"""Class tables on disk: what is read back is what would be computed, and nothing else is ever believed."""

import json
from dataclasses import astuple

import pytest

from aen._cache import cache_folder
from aen.errors import GroupError
from aen.groups import Alphabet, Decomposition, Generator, class_cache, class_key, classes, enumerate_classes
from aen.groups import load_classes as load
from aen.groups.alphabet import ALPHABETS
from aen.groups.table_check import is_consistent

FACTORS = ["rot90", "hflip", "vflip", "swap_lr"]
SIDES = (4, 2, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "classes"


@pytest.fixture
def walks(monkeypatch):
    """The enumerations that were really made."""
    made = []

    def counted(alphabet, sides):
        made.append((alphabet, tuple(sides)))
        return enumerate_classes(alphabet, sides)

    monkeypatch.setattr(class_cache, "enumerate_classes", counted)
    return made


def figures(table):
    return table.alphabet, table.grids, [astuple(c) for c in table.classes], table.class_of_state.tolist()


def mine(name, shift):
    return Generator.from_permutations(name, [[(i + shift) % 16 for i in range(16)]])


@pytest.mark.parametrize("sides", [SIDES, [8, 4]])
def test_what_is_read_is_what_was_computed(folder, walks, sides):
    alphabet = Alphabet.of(FACTORS)
    first, second = load(alphabet, sides), load(alphabet, sides)
    assert len(walks) == 1
    assert figures(first) == figures(second) == figures(enumerate_classes(alphabet, sides))
    assert second.class_of_state.dtype == first.class_of_state.dtype
    for network_class in first.classes:
        assert second.closed_set(network_class) == first.closed_set(network_class)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.usefixtures("folder")
def test_a_table_depends_on_factors_their_order_and_the_grids(walks):
    tables = [
        (Alphabet.of(FACTORS), SIDES),
        (Alphabet.of(FACTORS[::-1]), SIDES),
        (Alphabet.of(FACTORS[:3]), SIDES),
        (Alphabet.of(FACTORS), (4, 4)),
        (Alphabet.of(FACTORS), (4, 4, 2)),
        (Alphabet.of([*FACTORS[:3], "swap_tb"]), SIDES),
        (Alphabet.of(["mine"], {"mine": mine("mine", 1)}), (4, 4)),
        (Alphabet.of(["mine"], {"mine": mine("mine", 2)}), (4, 4)),
        (Alphabet.of(["other"], {"other": mine("other", 2)}), (4, 4)),
    ]
    for _ in range(2):
        for alphabet, sides in tables:
            assert figures(load(alphabet, sides)) == figures(enumerate_classes(alphabet, sides))
    assert len(walks) == len(tables)


DAMAGES = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "not text": lambda data: b"\xff" + data,
    "a list": lambda _: b"[1, 2]",
    "too deep": lambda _: b"[" * 100_000,
    "another key": lambda data: changed(data, lambda t: t["classes"][1].update(key="0" * 16)),
    "a class less": lambda data: changed(data, lambda t: t["classes"].pop()),
    "a state less": lambda data: changed(data, lambda t: t["class_of_state"].pop()),
    "states swapped": lambda data: changed(data, lambda t: t["class_of_state"].reverse()),
    "a huge class": lambda data: changed(data, lambda t: t["class_of_state"].__setitem__(0, 2**70)),
    "no classes": lambda data: changed(data, lambda t: t.pop("classes")),
    "no digest": lambda data: changed(data, lambda t: t.pop("digest")),
}


def changed(data, change):
    table = json.loads(data)
    change(table)
    return json.dumps(table).encode()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_computed_and_written_again(folder, walks, damage):
    alphabet = Alphabet.of(FACTORS)
    expected = figures(load(alphabet, SIDES))
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert figures(load(alphabet, SIDES)) == expected
    assert len(walks) == 2
    assert [f.read_bytes() for f in folder.iterdir()] == [whole]
    assert figures(load(alphabet, SIDES)) == expected
    assert len(walks) == 2


def test_the_file_of_another_alphabet_is_not_believed(folder, walks):
    alphabet, other = Alphabet.of(FACTORS), Alphabet.of([*FACTORS[:3], "swap_tb"])
    expected = figures(load(alphabet, SIDES))
    (file,) = folder.iterdir()
    load(other, SIDES)
    (foreign,) = set(folder.iterdir()) - {file}
    file.write_bytes(foreign.read_bytes())
    assert figures(load(alphabet, SIDES)) == expected
    assert len(walks) == 3


@pytest.mark.parametrize("where", ["in place of the folder", "in place of the cache", "of the table"])
def test_where_nothing_can_be_written_it_is_computed(folder, walks, where):
    alphabet = Alphabet.of(FACTORS)
    if where == "of the table":  # a folder under the file's own name
        load(alphabet, SIDES)
        (file,) = folder.iterdir()
        file.unlink()
        (file / "taken").mkdir(parents=True)
    elif where == "in place of the folder":
        folder.parent.mkdir()
        folder.write_text("taken")
    else:
        folder.parent.write_text("taken")
    walks.clear()
    for _ in range(2):
        assert figures(load(alphabet, SIDES)) == figures(enumerate_classes(alphabet, SIDES))
    assert len(walks) == 2
    assert not list(folder.parent.parent.rglob("*.part"))


def test_a_hit_answers_for_the_keys_of_all_states(folder, monkeypatch):
    alphabet = Alphabet.of(FACTORS)
    load(alphabet, SIDES)
    assert len(list(folder.iterdir())) == 1
    decompositions = [alphabet.decomposition([int(bit) for bit in f"{state:04b}"]) for state in range(16)]
    monkeypatch.setattr(classes, "_KEYS", {})
    computed = [class_key(d, SIDES) for d in decompositions]
    load(alphabet, SIDES)

    def forbidden(*_):
        raise AssertionError("the key is known: no orbits are needed")

    monkeypatch.setattr(classes, "layer_orbits", forbidden)
    assert [class_key(d, SIDES) for d in decompositions] == computed
    assert len(set(computed)) == len(load(alphabet, SIDES).classes)
    with pytest.raises(AssertionError, match="no orbits are needed"):
        class_key(Decomposition.of(["swap_tb"]), SIDES)


@pytest.mark.usefixtures("folder")
def test_remembered_keys_do_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(classes, "_KEYS", {})
    monkeypatch.setattr(classes, "_MAX_KEYS", 64)
    for sides in ((2, 2), (2, 4), (4, 2), (4, 4), (2, 2, 2), (4, 2, 4)):
        load(Alphabet.of(FACTORS), sides)
        assert 16 <= len(classes._KEYS) <= 64
    load(Alphabet.of([*FACTORS, "transpose"]), (2, 2))
    assert len(classes._KEYS) == 32, "a space that would fill a good part of the memory by itself is not remembered"
    table = load(Alphabet.of(FACTORS), (2, 2))
    assert class_key(Decomposition.of(FACTORS), (2, 2)) == table.classes[table.class_of_state[-1]].key


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("factors", "sides", "message"),
    [
        (["hshift(1/4)"], (8, 6), "not a whole number of cells"),
        ([f"hshift({i})" for i in range(1, 22)], (28, 28), "too many to enumerate"),
        (["rot90"], (4,), "make no layer"),
    ],
)
def test_what_cannot_be_enumerated_is_refused_before_anything_is_read(factors, sides, message):
    with pytest.raises(GroupError, match=message):
        load(Alphabet.of(factors), sides)
    assert not cache_folder().exists()


def rewrite(folder, change):
    """Change the content of a stored table, and its checksum with it, as someone would who can write to the folder."""
    (file,) = [path for path in folder.iterdir() if "class_of_state" in path.read_text()]
    stored = json.loads(file.read_text())
    stored.pop("digest")
    change(stored)
    file.write_text(json.dumps({"digest": class_cache._digest(file.stem, *stored.values())} | stored))


def swap_keys(stored):
    first, second = stored["classes"][:2]
    first["key"], second["key"] = second["key"], first["key"]


def move_state(stored):
    of_state, classes = stored["class_of_state"], stored["classes"]
    representatives = {c["representative"] for c in classes}
    state = next(s for s in reversed(range(len(of_state))) if s not in representatives)
    classes[of_state[state]]["states"] -= 1
    of_state[state] = (of_state[state] + 1) % len(classes)
    classes[of_state[state]]["states"] += 1


FORGERIES = {
    "keys of two classes": swap_keys,
    "a key": lambda stored: stored["classes"][0].update(key="0" * 16),
    "a key of another kind": lambda stored: stored["classes"][0].update(key="<script>"),
    "the class of a state": move_state,
    "a representative": lambda stored: stored["classes"][-1].update(representative=0),
    "orbits": lambda stored: stored["classes"][0]["orbits"].__setitem__(0, 1),
    "all states are one class": lambda stored: stored.update(
        class_of_state=[0] * 16, classes=[stored["classes"][0] | {"states": 16}]
    ),
    "a group name of another type": lambda stored: stored["groups"].__setitem__(0, 7),
    "a class of no number": lambda stored: stored["class_of_state"].__setitem__(0, -1),
    "a class of a huge number": lambda stored: stored["class_of_state"].__setitem__(0, 2**80),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_table_with_a_right_checksum_and_wrong_content_is_computed_again(folder, walks, change):
    alphabet = Alphabet.of(FACTORS)
    load(alphabet, SIDES)
    rewrite(folder, lambda _: None)
    load(alphabet, SIDES)
    assert len(walks) == 1, "a table that was only written again is taken"
    rewrite(folder, change)
    assert figures(load(alphabet, SIDES)) == figures(enumerate_classes(alphabet, SIDES))
    assert len(walks) == 2


def test_layerwise_keys_with_a_right_checksum_and_wrong_content_are_computed_again(folder):
    alphabet = Alphabet.of(["rot90", "hflip"])
    expected = class_cache.load_layerwise_classes(alphabet, SIDES).keys
    (file,) = [path for path in folder.iterdir() if "keys" in json.loads(path.read_text())]
    keys = list(expected)
    keys[0], keys[1] = keys[1], keys[0]
    file.write_text(json.dumps({"digest": class_cache._digest(file.stem, keys), "keys": keys}))
    assert class_cache.load_layerwise_classes(alphabet, SIDES).keys == expected


def test_a_link_in_the_cache_is_not_followed(folder, walks, tmp_path):
    alphabet = Alphabet.of(FACTORS)
    load(alphabet, SIDES)
    (file,) = folder.iterdir()
    file.rename(tmp_path / "moved")
    file.symlink_to(tmp_path / "moved")
    load(alphabet, SIDES)
    assert len(walks) == 2
    assert not file.is_symlink()


@pytest.mark.parametrize("name", ["published", "quarter"])
def test_tables_that_are_right_pass(name):
    alphabet = Alphabet.of(ALPHABETS[name])
    table = enumerate_classes(alphabet, (8, 8))
    assert is_consistent(table)
