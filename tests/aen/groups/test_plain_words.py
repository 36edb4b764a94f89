"""Plain names of transformations."""

import pytest

from aen.groups import GENERATOR_NAMES, Decomposition, Factor, Generator
from aen.groups.plain_words import in_words


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ([], "no symmetry"),
        (["rot90"], "quarter turns"),
        (["rot90", "hflip"], "quarter turns and horizontal flips"),
        (["rot90 x| hflip", "hflip", "vflip"], "quarter turns, horizontal flips and vertical flips"),
        (["vshift(4)"], "vertical shifts by 4 pixels"),
        (["hshift(1)"], "horizontal shifts by 1 pixel"),
        (["hshift(1/4)"], "horizontal shifts by a quarter of the width"),
        (["vshift(1/2)"], "vertical shifts by half the height"),
        (["vshift(2/7)"], "vertical shifts by 2/7 of the height"),
    ],
)
def test_decompositions_are_named_by_their_generators(factors: list[str], words: str) -> None:
    assert in_words(Decomposition.of(factors)) == words


def test_a_factor_and_a_generator_are_named_as_well() -> None:
    assert in_words(Factor.parse("hflip x vflip")) == "horizontal flips and vertical flips"
    assert in_words(Generator.parse("rot180")) == "half turns"


def test_a_generator_of_the_user_keeps_its_name() -> None:
    generator = Generator.from_permutations("my_move", [[1, 0, 3, 2]])
    assert in_words(generator) == "the transformation my_move"


@pytest.mark.parametrize("name", GENERATOR_NAMES)
def test_every_generator_has_words_of_its_own(name: str) -> None:
    text = f"{name}(2)" if name.endswith("shift") else name
    words = in_words(Generator.parse(text))
    assert words != name
    assert "_" not in words
    assert "transformation" not in words


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ("reverse", "reversal"),
        ("shift(1/4)", "shifts by a quarter of the length"),
        ("shift(1)", "shifts by 1 sample"),
        ("shift(4)", "shifts by 4 samples"),
        ("swap_halves", "exchange of the two halves"),
        ("reverse x sign", "reversal and a change of sign"),
    ],
)
def test_signals_have_words_of_their_own(factor: str, words: str) -> None:
    assert in_words(Decomposition.of([factor]), (2, 64)) == words


def test_long_images_keep_the_words_of_images() -> None:
    assert in_words(Decomposition.of(["hflip"]), (10, 79)) == "horizontal flips"
