"""Architectures with a group for each layer, by their definition."""

from collections.abc import Sequence
from itertools import pairwise, product

from aen.groups.planar import PlanarGroup

TEN = ("D4", "C4", "D2d", "D2", "C2", "D1a", "D1v", "D1d", "D1", "C1")


def within(small: str, large: str) -> bool:
    """Say whether a group is a subgroup, by its elements."""
    return set(PlanarGroup.of(small).elements) <= set(PlanarGroup.of(large).elements)


def shrinks(groups: Sequence[str]) -> bool:
    return all(within(behind, before) for before, behind in pairwise(groups))


def architectures(layers: int, groups: Sequence[str]) -> list[tuple[str, ...]]:
    """Return every architecture whose groups only shrink."""
    return [found for found in product(groups, repeat=layers) if shrinks(found)]
