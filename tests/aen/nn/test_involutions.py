import itertools

import numpy as np
import pytest
from helpers import tied_layers
from hypothesis import given, settings

from aen.errors import GroupError
from aen.groups import Decomposition, Generator, Orbits, cells_of, layer_orbits
from aen.nn import involutions
from aen.nn.involutions import Move, free_involutions, further_moves, single_involutions

INVOLUTIONS = (
    *("hflip", "vflip", "rot180", "transpose", "swap_lr", "swap_tb"),
    *("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
)


def move_of(name, in_side, out_side):
    return Move(*(Generator.parse(name).permutation(side) for side in (in_side, out_side)))


def keeps(move, orbits):
    """Weight by weight."""
    n = len(move.q)
    return all(
        orbits.labels[move.p[x] * n + move.q[y]] == orbits.labels[x * n + y]
        for x in range(len(move.p))
        for y in range(n)
    )


def same(one, other):
    return np.array_equal(one.p, other.p) and np.array_equal(one.q, other.q)


def is_involution(move):
    cells = [np.arange(len(a)) for a in (move.p, move.q)]
    moves_some = any((a != own).any() for a, own in zip((move.p, move.q), cells, strict=True))
    return moves_some and all(np.array_equal(a[a], own) for a, own in zip((move.p, move.q), cells, strict=True))


@given(layer=tied_layers.tied_layers())
@settings(max_examples=50)
def test_moves_that_are_found_keep_every_weight_in_its_orbit(layer):
    decomposition, *sides = layer
    orbits = layer_orbits(decomposition.generators, *sides)
    single = single_involutions(orbits, *sides)
    for move in (*free_involutions(orbits, *sides), *single, *further_moves(orbits, *sides)):
        assert keeps(move, orbits)
    assert all(map(is_involution, single))


@given(layer=tied_layers.tied_layers())
@settings(max_examples=50)
def test_a_move_keeps_orbits_or_not_as_a_look_at_every_weight_says(layer):
    decomposition, *sides = layer
    orbits = layer_orbits(decomposition.generators, *sides)
    for name in ("rot90", "hflip", "transpose", "swap_tb_left", "quadrants"):
        try:
            move = move_of(name, *sides)
        except GroupError:
            continue
        assert move.keeps(orbits) is keeps(move, orbits)


@given(layer=tied_layers.tied_layers())
@settings(max_examples=50)
def test_free_involutions_commute_and_all_their_products_move_every_cell(layer):
    decomposition, *sides = layer
    found = free_involutions(layer_orbits(decomposition.generators, *sides), *sides)
    assert all(map(is_involution, found))
    for one, other in itertools.combinations(found, 2):
        assert same(one * other, other * one)
    for n in range(1, len(found) + 1):
        for some in itertools.combinations(found, n):
            p, q = np.arange(cells_of(sides[0])), np.arange(cells_of(sides[1]))
            for move in some:
                p, q = move.p[p], move.q[q]
            assert (p != np.arange(len(p))).all()
            assert (q != np.arange(len(q))).all()


@pytest.mark.parametrize(
    ("factors", "sides", "count"),
    [
        ((), (4, 4), 0),
        (("hflip",), (4, 6), 1),
        (("hflip",), (4, 5), 0),  # the middle column stays
        (("hflip", "vflip"), (4, 8), 2),
        (("rot90", "hflip"), (8, 8), 2),
        (("rot90",), (8, 8), 1),
        (("transpose",), (4, 4), 0),
        (("swap_lr", "hflip"), (4, 4), 2),
        (("swap_lr", "hflip"), (6, 6), 1),  # their product leaves two columns where they are
        (("hflip x vflip", "swap_lr", "swap_tb"), (8, 4), 4),
        (("hflip x vflip", "swap_lr", "swap_tb"), (2, 2), 2),  # on 2x2 a swap is a flip
    ],
)
def test_number_of_free_involutions(factors, sides, count):
    decomposition = Decomposition.of(factors)
    assert len(free_involutions(layer_orbits(decomposition.generators, *sides), *sides)) == count


@pytest.mark.parametrize("name", INVOLUTIONS)
@pytest.mark.parametrize("sides", [(4, 4), (6, 4)])
def test_a_layer_tied_by_an_involution_finds_one_that_halves_it(name, sides):
    orbits = layer_orbits((Generator.parse(name),), *sides)
    assert free_involutions(orbits, *sides) or any(
        same(move, move_of(name, *sides)) for move in single_involutions(orbits, *sides)
    )


def test_untied_layers_are_kept_by_nothing():
    orbits = layer_orbits((), 4, 4)
    assert free_involutions(orbits, 4, 4) == single_involutions(orbits, 4, 4) == further_moves(orbits, 4, 4) == []


def test_a_product_of_moves_does_the_second_first():
    turn, flip = move_of("rot90", 3, 2), move_of("hflip", 3, 2)
    cells = np.arange(9)
    assert np.array_equal((turn * flip).p, [turn.p[flip.p[cell]] for cell in cells])
    assert not same(turn * flip, flip * turn)


def test_free_means_that_both_grids_have_no_cell_at_rest():
    assert move_of("hflip", 4, 2).free
    assert not move_of("hflip", 3, 2).free
    assert not move_of("hflip", 2, 3).free


def test_a_weight_beside_the_sample_is_looked_at_too(monkeypatch):
    monkeypatch.setattr(involutions, "_SAMPLE", 4)
    # Of 16 weights, 0, 4, 8 and 12 are in the sample; moving outputs 1 and 2 leaves those alone.
    move = Move(np.arange(4), np.array([0, 2, 1, 3]))
    assert not move.keeps(Orbits.discrete(16))
    assert move.keeps(Orbits(np.tile(np.array([0, 1, 1, 2], dtype=np.int32), 4), 3))
    lone = np.zeros(16, dtype=np.int32)
    lone[13] = 1
    assert not move.keeps(Orbits(lone, 2))
