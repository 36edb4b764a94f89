"""Planar groups as decompositions of square grids."""

from collections.abc import Iterable

from aen.groups.decomposition import Decomposition

# The subgroups of D4 that named generators generate; D1a, the flip along the other diagonal, is none of them.
_FACTORS = {
    "C2": "rot180",
    "C4": "rot90",
    "D1": "hflip",
    "D1v": "vflip",
    "D1d": "transpose",
    "D2": "hflip x vflip",
    "D2d": "rot180 x transpose",
    "D4": "rot90 x| hflip",
}


def planar_factors(groups: Iterable[str]) -> tuple[Decomposition, ...]:
    """Return the decomposition of each group that acts exactly on square grids and is named by generators.

    Args:
        groups: names of planar groups, such as ``C4``; each is taken once.
    """
    return tuple(Decomposition.of([_FACTORS[name]]) for name in dict.fromkeys(groups) if name in _FACTORS)
