"""Plain names of transformations, for readers who do not know the generators' names."""

from collections.abc import Sequence
from fractions import Fraction

from aen.groups.decomposition import Decomposition
from aen.groups.factors import Factor
from aen.groups.generators import Generator

_WORDS = {
    "rot90": "quarter turns",
    "rot180": "half turns",
    "transpose": "flips along the diagonal",
    "hflip": "horizontal flips",
    "vflip": "vertical flips",
    "quadrants": "cyclic moves of the quadrants",
    "swap_lr": "swaps of the left and the right half",
    "swap_tb": "swaps of the top and the bottom half",
    "swap_tb_left": "top-bottom swaps in the left half",
    "swap_tb_right": "top-bottom swaps in the right half",
    "swap_lr_top": "left-right swaps in the top half",
    "swap_lr_bottom": "left-right swaps in the bottom half",
}
_SHIFTS = {"hshift": ("horizontal", "width"), "vshift": ("vertical", "height")}
_PARTS = {Fraction(1, 2): "half", Fraction(1, 3): "a third of", Fraction(1, 4): "a quarter of"}


def in_words(what: Decomposition | Factor | Generator) -> str:
    """Name the transformations in plain words, in lower case: ``quarter turns and horizontal flips``.

    A product of generators is named by its generators, each once. No factor at all is ``no symmetry``; a generator
    made by the user is ``the transformation NAME``.
    """
    generators = (what,) if isinstance(what, Generator) else what.generators
    return joined([_generator_in_words(generator) for generator in dict.fromkeys(generators)]) or "no symmetry"


def joined(words: Sequence[str]) -> str:
    """Join words as English does: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _generator_in_words(generator: Generator) -> str:
    name, _, step = generator.name.rstrip(")").partition("(")
    if name in _SHIFTS and step:
        direction, length = _SHIFTS[name]
        return f"{direction} shifts by {_distance(Fraction(step), length)}"
    if generator.tables or name not in _WORDS:
        return f"the transformation {generator.name}"
    return _WORDS[name]


def _distance(step: Fraction, length: str) -> str:
    if step >= 1:
        return "1 pixel" if step == 1 else f"{step} pixels"
    return f"{_PARTS.get(step, f'{step} of')} the {length}"
