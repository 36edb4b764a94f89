"""The names of the G-MNIST and G-Fashion-MNIST benchmarks and the moves of their variants (arXiv 2104.04848).

A name such as ``gmnist-multi-3`` is short for the data set ``mnist`` with the moves of the variant. The moves are in
the published order of the twelve generators, and shifts are by 4 cells, as the generators of the tied layers.
"""

from collections.abc import Mapping

from aen.errors import DataError, did_you_mean
from aen.groups.alphabet import ALPHABETS

# The moves of the data and the generators of tied layers must be the same twelve; in the published code they differ.
PUBLISHED_MOVES: tuple[str, ...] = ALPHABETS["published"]
# One bit per generator, in the order above.
_MULTIPLE = ("000000000000", "011000100001", "110000001100", "100100010010", "111111000000", "111111111111")

BENCHMARKS: Mapping[str, str] = {"gmnist": "mnist", "gfashion_mnist": "fashion_mnist"}
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    **{move.partition("(")[0]: (move,) for move in PUBLISHED_MOVES},
    **{
        f"multi-{i}": tuple(move for move, bit in zip(PUBLISHED_MOVES, bits, strict=True) if bit == "1")
        for i, bits in enumerate(_MULTIPLE)
    },
}
BENCHMARK_NAMES: tuple[str, ...] = tuple(f"{name}-{variant}" for name in BENCHMARKS for variant in VARIANTS)

# Other names of the same images.
ALIASES: Mapping[str, str] = {"emnist": "emnist-balanced"}


def variant_moves(variant: str) -> tuple[str, ...]:
    """Return the moves of a variant, such as ``multi-3``.

    Raises:
        DataError: no variant of this name.
    """
    if variant not in VARIANTS:
        raise DataError(f"unknown variant {variant!r}{did_you_mean(variant, VARIANTS)}.")
    return VARIANTS[variant]


def resolve(name: str) -> tuple[str, tuple[str, ...] | None]:
    """Return the data set that a name stands for, and its moves if the name is a benchmark's.

    Raises:
        DataError: a benchmark without a variant, or with one that does not exist.
    """
    base, dash, variant = name.partition("-")
    if base not in BENCHMARKS:
        return ALIASES.get(name, name), None
    if not dash:
        raise DataError(f"data set {name!r} needs a variant: {name}-none, {name}-rot90, {name}-multi-3, ...")
    return BENCHMARKS[base], variant_moves(variant)
