"""The suites: what each table is, and which tables agents may learn on."""

import subprocess
import sys

import pytest

from aen.bench import SUITES, TableDefinition, definition, suite, training_tables
from aen.bench.suites import digits, layerwise
from aen.children import ChildSpec
from aen.errors import TableError


def test_the_hidden_groups_of_digits_are_those_of_the_draw():
    assert digits.draw() == (digits.TRAINING, digits.HELD_OUT)


def test_digits_has_40_tables_of_148_classes():
    tables = suite("digits")
    assert [table.name for table in tables] == [f"digits-{number:02}" for number in range(1, 41)]
    assert [table.part for table in tables] == ["training"] * 28 + ["held-out"] * 12
    assert len(tables[0].classes) == 148
    assert {len(table.seeds) for table in tables} == {3}


def test_no_held_out_hidden_group_is_that_of_a_training_table():
    def groups(part):
        tables = [table for table in suite("digits") if table.part == part]
        return {(table.space.spec_of_moves(table.hidden).class_key, table.child.data.moved) for table in tables}

    training, held_out = groups("training"), groups("held-out")
    assert len(held_out) == 12
    assert not training & held_out


def test_every_kind_of_hidden_group_is_there():
    moved = [table.child.data.moved for table in suite("digits")]
    hidden = [table.hidden for table in suite("digits")]
    assert sum(share < 1 for share in moved) == 8
    assert hidden.count(()) == 2
    assert any("hshift(1/4)" in moves for moves in hidden)
    assert any("swap_lr_top" in moves for moves in hidden)
    assert any(len(moves) == 3 for moves in hidden)


def test_parts_are_fixed_by_name():
    parts = {name: {table.part for table in suite(name)} for name in SUITES}
    assert parts == {
        "digits": {"training", "held-out"},
        "gmnist": {"training"},
        "gfashion": {"held-out"},
        "gcnn": {"training", "held-out"},
        "layerwise": {"training", "held-out"},
        "products": {"held-out"},
    }
    assert definition("gcnn-cifar10").part == definition("layerwise-2").part == "held-out"


def test_names_are_unique_and_begin_with_their_suite():
    names = [table.name for name in SUITES for table in suite(name)]
    assert len({*names}) == len(names) == 60
    assert all(table.name.startswith(f"{name}-") for name in SUITES for table in suite(name))


@pytest.mark.parametrize("name", SUITES)
def test_a_definition_is_json(name):
    for table in suite(name):
        assert again(table).to_json() == table.to_json()
        assert again(table).child == table.child, table.name
        assert ChildSpec.from_json(table.child.to_json()).key == table.child.key


def again(table):
    return TableDefinition.from_json(table.to_json())


def test_single_changes_stay_in_a_layerwise_table():
    (table, _) = suite("layerwise")
    listed = set(table.class_keys)
    assert len(table.classes) == len(listed) < len(table.space.classes)
    states = [(0,) * 12, (1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)]
    for state in states:
        for place in range(12):
            changed = tuple(bit ^ (place == at) for at, bit in enumerate(state))
            assert table.space.spec_of(changed).class_key in listed
    assert layerwise.MOST_CHOSEN == 4


@pytest.mark.slow  # the classes of 28x28 images take half a minute to find
def test_all_tables_are_built_in_three_hours_of_two_cores():
    assert sum(table.estimated_seconds for name in SUITES for table in suite(name)) <= 2 * 3 * 3600


def test_held_out_tables_are_refused_for_learning():
    names = [table.name for table in training_tables("digits")]
    assert names == [f"digits-{number:02}" for number in range(1, 29)]
    assert [table.name for table in training_tables("digits-07")] == ["digits-07"]
    for name in ("digits-29", "gfashion", "products-1"):
        with pytest.raises(TableError, match=f"{name} is held out: agents are judged on it"):
            training_tables(name)


def test_unknown_names_are_refused():
    with pytest.raises(TableError, match=r"unknown suite 'digit' \(did you mean 'digits'\?\)"):
        suite("digit")
    with pytest.raises(TableError, match=r"unknown table 'digits-7' \(did you mean"):
        definition("digits-7")
    with pytest.raises(TableError, match=r"unknown suite or table 'gmnst' \(did you mean 'gmnist'\?\)"):
        training_tables("gmnst")


def test_importing_the_bench_loads_no_parquet_and_no_agent():
    heavy = {"pyarrow", "gymnasium", "stable_baselines3", "ray"}
    code = f"import sys, aen.bench; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
