import pytest

from aen.errors import GroupError
from aen.groups import Alphabet, Decomposition, Generator

PUBLISHED = (
    *("rot90", "hflip", "vflip", "hshift(4)", "vshift(4)", "quadrants"),
    *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
)


def test_published_alphabet_has_the_twelve_in_order():
    assert Alphabet.of("published").names == PUBLISHED


def test_quarter_alphabet_differs_in_the_shifts_only():
    assert Alphabet.of("quarter").names == tuple(name.replace("(4)", "(1/4)") for name in PUBLISHED)


def test_bit_i_chooses_factor_i():
    alphabet = Alphabet.of(["rot90", "hflip x vflip", "swap_lr"])
    assert len(alphabet) == 3
    assert alphabet.decomposition([0, 1, 1]) == Decomposition.of(["hflip x vflip", "swap_lr"])
    assert alphabet.decomposition([1, 0, 0]) == Decomposition.of(["rot90"])
    assert alphabet.decomposition([0, 0, 0]) == Decomposition()


def test_user_made_generator_in_an_alphabet():
    mine = Generator.from_permutations("mine", [[1, 0, 2, 3]])
    assert Alphabet.of(["rot90", "mine"], {"mine": mine}).decomposition([0, 1]).generators == (mine,)


def test_order_mismatch_between_grids_is_reported():
    found = Alphabet.of("published").order_mismatches((28, 20, 20))
    assert len(found) == 2
    assert "vshift(4) has order 7 on 28x28, 5 on 20x20" in found
    assert "hshift(4) has order 7 on 28x28, 5 on 20x20" in found


def test_vshift_by_4_has_joint_order_35():
    description = Decomposition.of(["vshift(4)"]).describe((28, 20))
    assert (description.order, description.name) == (35, "C35")


@pytest.mark.parametrize(("name", "sides"), [("published", (20, 20)), ("quarter", (28, 20)), ("quarter", (8, 16))])
def test_no_order_mismatch(name, sides):
    assert Alphabet.of(name).order_mismatches(sides) == ()


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ("publised", "unknown alphabet 'publised'.*did you mean 'published'"),
        ([], "alphabet is empty"),
        (["hflip", "rot90", "hflip"], "offers 'hflip' more than once"),
        (["hflip x vflip", "hflip x vflip"], "offers 'hflip x vflip' more than once"),
        (["hshift(1/4)", "hshift(2/8)"], r"offers 'hshift\(1/4\)' more than once"),
        (["rot90", "hflop"], "unknown generator 'hflop'.*did you mean 'hflip'"),
        ([f"hshift({i})" for i in range(1, 65)], "64 factors; at most 63"),
    ],
)
def test_bad_alphabet_is_refused(factors, message):
    with pytest.raises(GroupError, match=message):
        Alphabet.of(factors)


@pytest.mark.parametrize("bits", [[], [1], [1, 0, 1]])
def test_state_of_the_wrong_length_is_refused(bits):
    with pytest.raises(GroupError, match=f"state has {len(bits)} bits, the alphabet 2 factors"):
        Alphabet.of(["rot90", "hflip"]).decomposition(bits)


def test_check_names_the_grid_that_does_not_fit():
    alphabet = Alphabet.of("quarter")
    alphabet.check((8, 16))
    with pytest.raises(GroupError, match="1/4 of a side of 10 is not a whole number"):
        alphabet.check((8, 10))
