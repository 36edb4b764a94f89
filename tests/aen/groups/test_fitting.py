"""Alphabets on given grids: what fits, words for signals, shifts as fractions, and hidden grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.errors import GroupError
from aen.groups import SIGNAL_WORDS, Alphabet, Decomposition, Factor, Generator, enumerate_elements, hidden_grids
from aen.groups.describe import joint_action


def test_factors_that_fit_are_kept_and_the_others_named_with_the_reason():
    alphabet = Alphabet.of("quarter").fitting([(20, 30), (8, 12)])
    assert alphabet.names == (
        *("hflip", "vflip", "vshift(1/4)", "quadrants", "swap_lr", "swap_tb"),
        *("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
    )
    assert alphabet.left_out == (
        "left out rot90: generator 'rot90' needs a square grid, not 20x30: it exchanges the axes.",
        "left out hshift(1/4): generator 'hshift(1/4)': 1/4 of 30 columns is not a whole number of cells.",
    )


def test_everything_fits_where_it_did():
    assert Alphabet.of("published").fitting([28, 20]) == Alphabet.of("published")
    assert Alphabet.of("published").fitting([28, 20]).left_out == ()


def test_factors_that_do_nothing_or_the_same_are_left_out():
    one_row = Alphabet.of(["vflip", "hflip", "rot180", "hshift(1/2)", "swap_lr"]).fitting([(1, 8)])
    assert one_row.names == ("hflip", "hshift(1/2)")
    assert one_row.left_out == (
        "left out vflip: it moves no cell of 1x8.",
        "left out rot180: it moves the cells as hflip does.",
        "left out swap_lr: it moves the cells as hshift(1/2) does.",
    )
    with pytest.raises(GroupError, match=r"no factor of the alphabet fits 3x5; .* The first, rot90: "):
        Alphabet.of(["rot90", "swap_lr"]).fitting([(3, 5)])


def test_words_for_signals_are_other_names_of_generators():
    texts = {"reverse": "hflip", "shift(4)": "hshift(4)", "shift( 2/8 )": "hshift(1/4)"}
    texts |= {"swap_halves": "swap_lr", "sign": "swap_tb"}
    assert {text: Generator.parse(text).name for text in texts} == texts
    assert {text.partition("(")[0] for text in texts} == set(SIGNAL_WORDS)
    assert Factor.parse("reverse x sign") == Factor.parse("hflip x swap_tb")
    with pytest.raises(GroupError, match=r"'shift' needs a step: shift\(4\) for 4 cells"):
        Generator.parse("shift")
    with pytest.raises(GroupError, match="takes no step; write 'sign'"):
        Generator.parse("sign(2)")
    mine = Generator.from_permutations("reverse", [[1, 0, 2, 3]])
    assert Generator.parse("reverse", {"reverse": mine}) is mine  # names of users' own generators stay theirs


@pytest.mark.parametrize("length", [8, 64, 200])
def test_no_two_factors_for_signals_are_the_same(length):
    alphabet = Alphabet.of("signal").fitting([(2, length)])
    assert (alphabet, alphabet.left_out) == (Alphabet.of("signal"), ())


@given(step=st.integers(1, 11), shape=st.tuples(st.sampled_from([12, 14]), st.sampled_from([12, 16])))
@settings(max_examples=30)
def test_shifts_in_fractions_move_the_cells_as_before(step, shape):
    alphabet = Alphabet.of([f"vshift({step})", f"hflip x hshift({step})" if step == 6 else "hflip", "hshift(1/4)"])
    grid = shape[0] if shape[0] == shape[1] else shape
    fractions = alphabet.in_fractions(grid)
    assert not any("/" not in str(g) and "shift" in str(g) for f in fractions.factors for g in f.generators)
    for before, after in zip(alphabet.factors, fractions.factors, strict=True):
        assert np.array_equal(joint_action(before, (grid,)), joint_action(after, (grid,)))


def test_hidden_grids_keep_the_order_of_a_shift():
    published = Alphabet.of(["vshift(4) x hflip"]).in_fractions(28)
    assert published.names == ("vshift(1/7) x hflip",)
    assert hidden_grids(28, published) == (14, 14)
    assert Alphabet.of(["vshift(4) x hflip"]).order_mismatches((28, 20))  # what the choice avoids
    assert hidden_grids(28, Alphabet.of(["hshift(4)"])) == (14, 14)  # the order is 7 there, too
    assert hidden_grids(8, Alphabet.of(["hflip", "hshift(1/2)"]), cells=4) == (4, 4)  # on 2x2 both are the same
    assert hidden_grids(28, Alphabet.of("quarter"), count=1) == (16,)
    assert hidden_grids(28, Alphabet.of("quarter"), cells=400, count=3) == (20, 20, 20)
    assert hidden_grids((1, 10007), Alphabet.of(["reverse"])) == ((1, 256),) * 2  # one row, of as many cells
    assert hidden_grids((2, 128), Alphabet.of("signal")) == ((2, 128),) * 2


_FACTORS = (
    "hflip",
    "vflip",
    "rot180",
    "hshift(1/4)",
    "vshift(1/2)",
    "hshift(3)",
    "vshift(4)",
    "swap_lr",
    "swap_tb_left",
)


@given(
    names=st.lists(st.sampled_from(_FACTORS), min_size=1, max_size=3, unique=True),
    rows=st.sampled_from([6, 12, 16]),
    columns=st.sampled_from([8, 12, 20]),
    cells=st.sampled_from([4, 36]),
)
@settings(max_examples=60)
def test_the_joint_group_is_no_larger_than_that_of_the_images_alone(names, rows, columns, cells):
    grid = rows if rows == columns else (rows, columns)
    alphabet = Alphabet.of(names).fitting([grid]).in_fractions(grid)
    hidden = hidden_grids(grid, alphabet, cells=cells)
    assert alphabet.order_mismatches((grid, *hidden)) == ()
    limit = 2_000
    orders = []
    for grids in ((grid,), (grid, hidden[0])):
        moves = [move for factor in alphabet.factors for move in joint_action(factor, grids)]
        elements = enumerate_elements(moves, len(moves[0]), limit)
        orders.append(None if elements is None else len(elements))
    assert orders[0] == orders[1]


def test_hidden_grids_that_do_not_exist_are_an_error():
    with pytest.raises(GroupError, match=r"no hidden grid of about 256 cells fits .*shifts by a fraction"):
        hidden_grids(509, Alphabet.of(["hshift(1)"]))
    with pytest.raises(GroupError, match="needs a square grid"):
        hidden_grids((4, 6), Alphabet.of(["rot90"]))
    with pytest.raises(GroupError, match="cells is 0 and count 2"):
        hidden_grids(8, Alphabet.of(["rot90"]), cells=0)


def test_left_out_factors_are_not_part_of_an_alphabet():
    fitting = Alphabet.of(["rot90", "hflip"]).fitting([(4, 6)])
    assert fitting == Alphabet.of(["hflip"])
    assert hash(fitting) == hash(Alphabet.of(["hflip"]))
    assert Decomposition.of(["hflip"]).factors == fitting.factors
