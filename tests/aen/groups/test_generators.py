import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import GENERATOR_NAMES, Generator, enumerate_elements

# Where the cell (r, c) of an m x m grid goes; h is half the side. Written down from the design, cell by cell.
DESTINATION = {
    "rot90": lambda r, c, m, _h: (m - 1 - c, r),
    "rot180": lambda r, c, m, _h: (m - 1 - r, m - 1 - c),
    "transpose": lambda r, c, _m, _h: (c, r),
    "hflip": lambda r, c, m, _h: (r, m - 1 - c),
    "vflip": lambda r, c, m, _h: (m - 1 - r, c),
    "quadrants": lambda r, c, _m, h: [[(r, c + h), (r + h, c)], [(r - h, c), (r, c - h)]][r >= h][c >= h],
    "swap_lr": lambda r, c, m, h: (r, (c + h) % m),
    "swap_tb": lambda r, c, m, h: ((r + h) % m, c),
    "swap_tb_left": lambda r, c, m, h: ((r + h) % m, c) if c < h else (r, c),
    "swap_tb_right": lambda r, c, m, h: ((r + h) % m, c) if c >= h else (r, c),
    "swap_lr_top": lambda r, c, m, h: (r, (c + h) % m) if r < h else (r, c),
    "swap_lr_bottom": lambda r, c, m, h: (r, (c + h) % m) if r >= h else (r, c),
}
ANY_SIDE = ("rot90", "rot180", "transpose", "hflip", "vflip")


def expected(name, side):
    cells = [DESTINATION[name](r, c, side, side // 2) for r in range(side) for c in range(side)]
    return [r * side + c for r, c in cells]


@pytest.mark.parametrize("name", DESTINATION)
def test_built_in_generator_moves_each_cell_where_the_design_says(name):
    for side in range(2, 9) if name in ANY_SIDE else range(2, 9, 2):
        assert Generator.parse(name).permutation(side).tolist() == expected(name, side)


@given(side=st.integers(2, 9), data=st.data())
@settings(max_examples=40)
def test_shift_is_cyclic(side, data):
    step = data.draw(st.integers(1, side - 1))
    right, down = (Generator.parse(f"{name}({step})") for name in ("hshift", "vshift"))
    cells = [(r, c) for r in range(side) for c in range(side)]
    assert right.permutation(side).tolist() == [r * side + (c + step) % side for r, c in cells]
    assert down.permutation(side).tolist() == [(r + step) % side * side + c for r, c in cells]
    assert right.order(side) == down.order(side) == side // math.gcd(side, step)


def test_every_name_is_covered_here():
    assert set(GENERATOR_NAMES) == {*DESTINATION, "hshift", "vshift"}


@pytest.mark.parametrize("name", DESTINATION)
def test_order(name):
    assert Generator.parse(name).order(6) == (4 if name in ("rot90", "quadrants") else 2)


def test_order_of_mixed_cycle_lengths():
    # Cycles of 2, 3 and 4 cells: least common multiple 12.
    assert Generator.from_permutations("mixed", [[1, 0, 3, 4, 2, 6, 7, 8, 5]]).order(3) == 12


@pytest.mark.parametrize("side", [2, 3, 7])
def test_rot90_turns_an_image_as_numpy_does(side):
    image = np.arange(side * side) ** 2
    moved = np.empty_like(image)
    moved[Generator.parse("rot90").permutation(side)] = image
    assert np.array_equal(moved.reshape(side, side), np.rot90(image.reshape(side, side)))


def test_quadrants_go_round_clockwise():
    # One mark in each quadrant: a in the top left goes to the top right, and so on.
    image = np.array([["a", ".", "b", "."], [".", ".", ".", "."], ["d", ".", "c", "."], [".", ".", ".", "."]])
    moved = np.empty(16, dtype=image.dtype)
    moved[Generator.parse("quadrants").permutation(4)] = image.reshape(-1)
    assert [moved[0], moved[2], moved[10], moved[8]] == ["d", "a", "b", "c"]


def test_fraction_of_the_side_equals_cells_and_is_reduced():
    quarter = Generator.parse("hshift( 2/8 )")
    assert quarter == Generator.parse("hshift(1/4)")
    assert np.array_equal(quarter.permutation(8), Generator.parse("hshift(2)").permutation(8))
    assert str(quarter) == "hshift(1/4)"


def test_permutation_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        Generator.parse("rot90").permutation(4)[0] = 1


@given(table=st.permutations(range(9)))
@settings(max_examples=20)
def test_user_made_generator_survives_json_and_pickle(table):
    mine = Generator.from_permutations("mine", [table, [1, 2, 3, 0]])
    assert mine.permutation(3).tolist() == list(table)
    assert mine.permutation(2).tolist() == [1, 2, 3, 0]
    assert Generator.from_json(json.loads(json.dumps(mine.to_json()))) == mine
    assert pickle.loads(pickle.dumps(mine)) == mine  # noqa: S301
    assert Generator.parse("mine", {"mine": mine}) is mine


@given(tables=st.lists(st.permutations(range(5)), max_size=3))
@settings(max_examples=40)
def test_elements_agree_with_a_plain_enumeration(tables, closure):
    group = closure(tables, 5)
    elements = enumerate_elements([np.array(table) for table in tables], 5, limit=len(group))
    assert elements[0].tolist() == list(range(5))
    assert len(elements) == len(group)
    assert {tuple(element) for element in elements.tolist()} == group
    if len(group) > 1:
        assert enumerate_elements([np.array(table) for table in tables], 5, limit=len(group) - 1) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rot9", "unknown generator 'rot9'.*did you mean 'rot90'"),
        ("rotate 90", "unknown generator 'rotate 90'"),
        ("", "unknown generator ''"),
        ("hshift", r"'hshift' needs a step: hshift\(4\)"),
        ("rot90(2)", "'rot90\\(2\\)' takes no step; write 'rot90'"),
        ("hshift(0)", "moves nothing forward"),
        ("vshift(-3)", "by -3 moves nothing forward"),
        ("vshift(-1/4)", "by -1/4 moves nothing forward"),
        ("vshift(5/4)", "by 5/4 of the side is beyond the grid"),
        ("hshift(1/0)", "neither a number of cells nor a fraction"),
        ("hshift(1/00)", "neither a number of cells nor a fraction"),
        ("hshift(0.25)", "neither a number of cells nor a fraction"),
        ("hshift()", "neither a number of cells nor a fraction"),
    ],
)
def test_unreadable_text_is_refused(text, message):
    with pytest.raises(GroupError, match=message):
        Generator.parse(text)


@pytest.mark.parametrize("name", [name for name in DESTINATION if name not in ANY_SIDE])
def test_halves_need_an_even_grid(name):
    with pytest.raises(GroupError, match=f"{name!r} needs an even grid, not 5x5"):
        Generator.parse(name).permutation(5)


@pytest.mark.parametrize(
    ("text", "side", "message"),
    [
        ("hshift(4)", 4, "shifts beyond the 4x4 grid; use 1 to 3 cells"),
        ("vshift(9)", 8, "shifts beyond the 8x8 grid"),
        ("hshift(1/4)", 6, "1/4 of a side of 6 is not a whole number of cells"),
        ("rot90", 0, "side 0 is out of range"),
    ],
)
def test_generator_that_does_not_fit_the_grid_is_refused(text, side, message):
    with pytest.raises(GroupError, match=message):
        Generator.parse(text).permutation(side)


@pytest.mark.parametrize(
    ("name", "tables", "message"),
    [
        ("mine", [[0, 0, 1, 2]], r"not a permutation of 0\.\.3"),
        ("mine", [[1, 2, 3, 4]], r"not a permutation of 0\.\.3"),
        ("mine", [[1, 0, 2]], "3 entries are not a square grid"),
        ("mine", [[]], "0 entries are not a square grid"),
        ("mine", [], "no permutation"),
        ("mine", [[1, 0, 2, 3], [0, 1, 3, 2]], "two permutations for one grid"),
        ("rot90", [[1, 0, 2, 3]], "'rot90' is taken"),
        ("none", [[1, 0, 2, 3]], "'none' is taken"),
        ("two words", [[1, 0, 2, 3]], "not a word"),
    ],
)
def test_bad_user_made_generator_is_refused(name, tables, message):
    with pytest.raises(GroupError, match=message):
        Generator.from_permutations(name, tables)


def test_user_made_generator_names_the_grids_it_has():
    mine = Generator.from_permutations("mine", [[1, 0, 2, 3]])
    with pytest.raises(GroupError, match="'mine' has no permutation for a 3x3 grid, only for side 2"):
        mine.permutation(3)
