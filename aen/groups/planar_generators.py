"""Elements of a planar group as generators: permutations of the cells of a grid."""

from collections.abc import Iterable

import numpy as np

from aen.groups.elements import enumerate_elements
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of, shape_of
from aen.groups.planar import PlanarElement, PlanarGroup

_NAMED = ("rot90", "rot180", "hflip", "vflip", "transpose")
_SQUARE = {"rot90", "transpose"}
_OF_D4 = 8


def planar_generators(elements: Iterable[PlanarElement], grid: Grid) -> tuple[Generator, ...]:
    """Return generators of the group of the elements that move pixels onto pixels.

    Args:
        elements: of a planar group.
        grid: whose cells are moved.
    """
    shape = shape_of(grid)
    moves = [(element.name, element.permutation(*shape)) for element in elements if element.is_exact]
    named = [Generator(name) for name in _NAMED if shape[0] == shape[1] or name not in _SQUARE]
    offered = [g for g in named if any(np.array_equal(g.permutation(grid), move) for _, move in moves)]
    # The mirroring at the other diagonal has no name among the generators.
    offered += [
        Generator.from_permutations(name.replace(" ", "_"), [move.reshape(shape)])
        for name, move in moves
        if not any(np.array_equal(g.permutation(grid), move) for g in named)
    ]
    chosen: list[Generator] = []
    for generator in offered:
        found = enumerate_elements([g.permutation(grid) for g in chosen], cells_of(grid), _OF_D4)
        if found is None or not (found == generator.permutation(grid)).all(axis=1).any():
            chosen.append(generator)
    return tuple(chosen)


def shared_generators(groups: Iterable[str], grid: Grid) -> tuple[Generator, ...]:
    """Return generators of what planar groups, given by name, have in common.

    Args:
        groups: at least one.
        grid: whose cells are moved.
    """
    first, *others = map(PlanarGroup.of, groups)
    return planar_generators([e for e in first.elements if all(e in other for other in others)], grid)
