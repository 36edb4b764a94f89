"""Plain names of transformations, for readers who do not know the generators' names."""

from fractions import Fraction

from aen._text import joined
from aen.groups.decomposition import Decomposition
from aen.groups.factors import Factor
from aen.groups.generators import Generator
from aen.groups.grid import Grid, is_signal
from aen.groups.layer_symmetry import NO_SYMMETRY

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
_OF_SIGNALS = {
    "hflip": "reversal",
    "swap_lr": "exchange of the two halves",
    "swap_tb": "a change of sign",
}
_PARTS = {Fraction(1, 2): "half", Fraction(1, 3): "a third of", Fraction(1, 4): "a quarter of"}


def in_words(what: Decomposition | Factor | Generator, grid: Grid | None = None) -> str:
    """Name the transformations in plain words, in lower case: ``quarter turns and horizontal flips``.

    A product of generators is named by its generators, each once. No factor at all is ``no symmetry``; a generator
    made by the user is ``the transformation NAME``. On the grid of a signal, the words are those of signals:
    ``reversal and shifts by 4 samples``.
    """
    signal = grid is not None and is_signal(grid)
    generators = (what,) if isinstance(what, Generator) else what.generators
    return (
        joined([_generator_in_words(generator, signal=signal) for generator in dict.fromkeys(generators)])
        or NO_SYMMETRY
    )


def _generator_in_words(generator: Generator, *, signal: bool) -> str:
    name, _, step = generator.name.rstrip(")").partition("(")
    if signal and name == "hshift" and step:
        return f"shifts by {_distance(Fraction(step), 'length', 'sample')}"
    if signal and name in _OF_SIGNALS and not generator.tables:
        return _OF_SIGNALS[name]
    if name in _SHIFTS and step:
        direction, length = _SHIFTS[name]
        return f"{direction} shifts by {_distance(Fraction(step), length, 'pixel')}"
    if generator.tables or name not in _WORDS:
        return f"the transformation {generator.name}"
    return _WORDS[name]


def _distance(step: Fraction, length: str, unit: str) -> str:
    if step >= 1:
        return f"1 {unit}" if step == 1 else f"{step} {unit}s"
    return f"{_PARTS.get(step, f'{step} of')} the {length}"
