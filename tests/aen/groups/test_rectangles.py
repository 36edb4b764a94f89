"""Generators, orbits, classes and group names on grids that are not square."""

import json
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import (
    Alphabet,
    Decomposition,
    Generator,
    as_grid,
    cells_of,
    class_key,
    enumerate_classes,
    grid_orbits,
    grid_text,
    layer_orbits,
    load_classes,
)

# Where the cell (r, c) of a grid of m rows and n columns goes, and which of the two have to be even.
DESTINATION = {
    "rot180": (lambda r, c, m, n: (m - 1 - r, n - 1 - c), ""),
    "hflip": (lambda r, c, _m, n: (r, n - 1 - c), ""),
    "vflip": (lambda r, c, m, _n: (m - 1 - r, c), ""),
    "hshift(1)": (lambda r, c, _m, n: (r, (c + 1) % n), ""),
    "vshift(1)": (lambda r, c, m, _n: ((r + 1) % m, c), ""),
    "swap_lr": (lambda r, c, _m, n: (r, (c + n // 2) % n), "n"),
    "swap_tb": (lambda r, c, m, _n: ((r + m // 2) % m, c), "m"),
    "swap_tb_left": (lambda r, c, m, n: ((r + m // 2) % m if c < n // 2 else r, c), "mn"),
    "swap_tb_right": (lambda r, c, m, n: ((r + m // 2) % m if c >= n // 2 else r, c), "mn"),
    "swap_lr_top": (lambda r, c, m, n: (r, (c + n // 2) % n if r < m // 2 else c), "mn"),
    "swap_lr_bottom": (lambda r, c, m, n: (r, (c + n // 2) % n if r >= m // 2 else c), "mn"),
    "quadrants": (
        lambda r, c, m, n: [[(r, c + n // 2), (r + m // 2, c)], [(r - m // 2, c), (r, c - n // 2)]][r >= m // 2][
            c >= n // 2
        ],
        "mn",
    ),
}
SHAPES = st.tuples(st.integers(2, 8), st.integers(2, 8))
NAMES = st.sampled_from(sorted(DESTINATION))


def moved(name, rows, columns):
    cells = [DESTINATION[name][0](r, c, rows, columns) for r in range(rows) for c in range(columns)]
    return [r * columns + c for r, c in cells]


@given(name=NAMES, shape=SHAPES)
@settings(max_examples=150)
def test_generator_moves_each_cell_where_it_should_or_says_which_axis_is_odd(name, shape):
    rows, columns = shape
    lengths = {"m": (rows, "rows"), "n": (columns, "columns")}
    odd = [axis for length, axis in map(lengths.get, DESTINATION[name][1]) if length % 2]
    if odd:
        needs = "needs an even grid" if rows == columns else f"needs an even number of {odd[0]}, not a grid of {rows}x"
        with pytest.raises(GroupError, match=needs):
            Generator.parse(name).permutation(shape)
    else:
        assert Generator.parse(name).permutation(shape).tolist() == moved(name, rows, columns)


@pytest.mark.parametrize("name", ["rot90", "transpose"])
def test_generators_that_exchange_the_axes_need_a_square(name):
    with pytest.raises(GroupError, match=f"'{name}' needs a square grid, not 4x6: it exchanges the axes"):
        Generator.parse(name).permutation((4, 6))


@pytest.mark.parametrize(
    ("text", "grid", "message"),
    [
        ("vshift(1/4)", (6, 8), "1/4 of 6 rows is not a whole number of cells"),
        ("hshift(8)", (6, 8), r"'hshift\(8\)' shifts beyond the 6x8 grid; use 1 to 7 cells"),
        ("vshift(1)", (1, 8), r"'vshift\(1\)' moves nothing on a 1x8 grid; leave it out"),
        ("hflip", (0, 8), "grid 0x8 is out of range"),
        ("hflip", (2, 200_000), "grid 2x200000 is out of range"),
        ("hflip", 513, "grid side 513 is out of range"),
        ("hflip", (4, 6, 3), "must be the side of a square, or .rows, columns"),
        ("hflip", (4.0, 6), "must be the side of a square, or .rows, columns"),
        ("hflip", "4x6", "must be the side of a square, or .rows, columns"),
    ],
)
def test_what_does_not_fit_a_rectangle_is_refused(text, grid, message):
    with pytest.raises(GroupError, match=message):
        Generator.parse(text).permutation(grid)


@given(side=st.integers(1, 512))
@settings(max_examples=20)
def test_a_square_is_always_the_plain_side(side):
    assert as_grid((side, side)) == as_grid([side, side]) == as_grid(np.int64(side)) == side
    assert type(as_grid((side, side))) is int
    assert class_key(Decomposition(), ((2, 2), (2, 2))) == class_key(Decomposition(), (2, 2))


def test_user_made_generator_of_a_rectangle_is_given_row_by_row():
    twist = [[1, 0, 2], [3, 4, 5]]
    mine = Generator.from_permutations("mine", [twist, [1, 2, 3, 0]])
    assert mine.permutation((2, 3)).tolist() == [1, 0, 2, 3, 4, 5]
    assert mine.permutation(2).tolist() == [1, 2, 3, 0]
    assert Generator.from_permutations("mine", [np.array(twist), np.arange(4).reshape(2, 2)]).order((2, 3)) == 2
    assert Generator.from_json(json.loads(json.dumps(mine.to_json()))) == mine
    with pytest.raises(GroupError, match="has no permutation for a 3x2 grid, only for side 2, 2x3"):
        mine.permutation((3, 2))
    with pytest.raises(GroupError, match="6 entries are not a square grid of cells; for another grid give one list"):
        Generator.from_permutations("mine", [[1, 0, 2, 3, 4, 5]])
    with pytest.raises(GroupError, match="its rows have different lengths"):
        Generator.from_permutations("mine", [[[0, 1], [2]]])


def components(n, edges):
    """Number the parts of a graph by their smallest point, one edge at a time."""
    labels = list(range(n))
    for a, b in edges:
        low, high = sorted((labels[a], labels[b]))
        labels = [low if label == high else label for label in labels]
    return [sorted(set(labels)).index(label) for label in labels]


@given(names=st.lists(NAMES, max_size=2, unique=True), shapes=st.tuples(SHAPES, SHAPES))
@settings(max_examples=60)
def test_orbits_are_those_of_a_plain_union_of_pairs(names, shapes):
    (a, b), (c, d) = shapes
    assume(a * b * c * d <= 300)
    decomposition = Decomposition.of(names)
    try:
        decomposition.check(shapes)
    except GroupError:
        assume(False)
    tables = [(moved(name, a, b), moved(name, c, d)) for name in names]
    n = c * d
    pairs = [(x * n + y, p[x] * n + q[y]) for p, q in tables for x, y in product(range(a * b), range(n))]
    assert layer_orbits(decomposition.generators, as_grid((a, b)), as_grid((c, d))).labels.tolist() == components(
        a * b * n, pairs
    )
    cells = [(y, q[y]) for _, q in tables for y in range(n)]
    assert grid_orbits(decomposition.generators, as_grid((c, d))).labels.tolist() == components(n, cells)


def test_classes_are_those_of_all_states_compared_with_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("AEN_CACHE", str(tmp_path))
    alphabet = Alphabet.of(["hflip", "vflip", "swap_lr", "hshift(1/2)", "swap_tb_left", "hflip x vflip"])
    grids = ((2, 4), (4, 2), 2)
    table = enumerate_classes(alphabet, grids)
    by_orbits = {}
    for state in range(2 ** len(alphabet)):
        chosen = alphabet.decomposition([state >> i & 1 for i in range(len(alphabet))])
        layers = [layer_orbits(chosen.generators, x, y).labels.tobytes() for x, y in pairwise(grids)]
        by_orbits.setdefault(tuple(layers), set()).add(state)
        assert table.key_of(state) == class_key(Decomposition(chosen.factors), grids)
    groups = {}
    for state, number in enumerate(table.class_of_state.tolist()):
        groups.setdefault(number, set()).add(state)
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, by_orbits.values()))
    first, second = load_classes(alphabet, grids), load_classes(alphabet, grids)
    assert first.classes == second.classes == table.classes
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert load_classes(alphabet, ((4, 2), (2, 4), 2)).classes != table.classes


def test_keys_tell_a_rectangle_from_its_transpose():
    keys = {
        class_key(Decomposition(), grids) for grids in (((2, 8), 2), ((8, 2), 2), (4, 2), ((4, 4), 2), ((1, 16), 2))
    }
    assert len(keys) == 4


def test_groups_on_rectangles_have_names():
    shapes = ((4, 6), (2, 2))
    assert Decomposition.of(["hflip", "vflip"]).group_name(shapes) == "C2xC2"
    assert Decomposition.of(["hflip", "hshift(1/2)"]).group_name(((4, 6), 4)) == "C2xC2"
    assert str(Decomposition.of(["hflip", "rot180", "vflip"]).describe([(4, 6)])).startswith("C2xC2, order 4, abelian")
    assert (cells_of((4, 6)), grid_text((4, 6)), grid_text(4)) == (24, "4x6", "4x4")
