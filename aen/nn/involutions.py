"""Permutations that keep a layer's orbits; those of order two split its matrix into blocks.

They are searched in a fixed list, not among the generators of a state, so that all states of one class are computed by
the same arithmetic and give the same result, bit for bit.
"""

import functools
from dataclasses import dataclass

import numpy as np

from aen._typing import IntArray
from aen.errors import GroupError
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of
from aen.groups.orbits import Orbits

# These four commute with each other and, on sides divisible by four, all their products move every cell.
_COMMUTING = ("hflip", "vflip", "swap_lr", "swap_tb")
_SINGLE = ("swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom", "transpose", "hflip", "vflip", "rot180")
_FURTHER = ("rot90", "quadrants", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom", "transpose")
_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Move:
    """What one element of a group does to the input and the output grid of a layer.

    Attributes:
        p: permutation of the input cells.
        q: permutation of the output cells.
    """

    p: IntArray
    q: IntArray

    @property
    def free(self) -> bool:
        """Whether it moves every cell of both grids."""
        return not (_fixed(self.p).any() or _fixed(self.q).any())

    @property
    def is_identity(self) -> bool:
        """Whether it moves no cell of either grid, as ``vflip`` does where both have a single row."""
        return bool(_fixed(self.p).all() and _fixed(self.q).all())

    def keeps(self, orbits: Orbits) -> bool:
        """Say whether it moves no weight out of its orbit."""
        labels = orbits.labels.reshape(len(self.p), len(self.q))
        # A sample refuses most of them at once.
        x, y = np.unravel_index(np.arange(0, labels.size, max(labels.size // _SAMPLE, 1)), labels.shape)
        if not np.array_equal(labels[self.p[x], self.q[y]], labels[x, y]):
            return False
        return bool(np.array_equal(labels[self.p][:, self.q], labels))

    def __mul__(self, other: "Move") -> "Move":
        return Move(self.p[other.p], self.q[other.q])


def _fixed(permutation: IntArray) -> np.ndarray:
    fixed: np.ndarray = permutation == np.arange(len(permutation))
    return fixed


def _named(names: tuple[str, ...], in_grid: Grid, out_grid: Grid) -> list[Move]:
    found = []
    for name in names:
        try:
            p, q = (Generator.parse(name).permutation(grid) for grid in (in_grid, out_grid))
        except GroupError:  # it needs an even side, or a square
            continue
        found.append(Move(p, q))
    return found


@functools.lru_cache(maxsize=64)
def _commuting(in_grid: Grid, out_grid: Grid) -> tuple[Move, ...]:
    """Return the products of the commuting four, those of few factors first."""
    identity = Move(np.arange(cells_of(in_grid)), np.arange(cells_of(out_grid)))
    products: list[tuple[int, Move]] = [(0, identity)]
    for involution in _named(_COMMUTING, in_grid, out_grid):
        products += [(factors + 1, product * involution) for factors, product in products]
    return tuple(product for _, product in sorted(products[1:], key=lambda item: item[0]))


def free_involutions(orbits: Orbits, in_grid: Grid, out_grid: Grid) -> list[Move]:
    """Return independent commuting involutions that keep the orbits and whose products all move every cell."""
    chosen: list[Move] = []
    group: list[Move] = []
    for involution in _commuting(in_grid, out_grid):
        further = [involution, *(involution * element for element in group)]
        if any(np.array_equal(involution.p, e.p) and np.array_equal(involution.q, e.q) for e in group):
            continue
        if all(element.free for element in further) and involution.keeps(orbits):
            chosen.append(involution)
            group += further
    return chosen


def single_involutions(orbits: Orbits, in_grid: Grid, out_grid: Grid) -> list[Move]:
    """Return the involutions of the fixed list that keep the orbits, whether they move every cell or not."""
    found = _named(_SINGLE, in_grid, out_grid)
    return [involution for involution in found if involution.keeps(orbits) and not involution.is_identity]


def further_moves(orbits: Orbits, in_grid: Grid, out_grid: Grid) -> list[Move]:
    """Return more moves of a fixed list that keep the orbits, of any order."""
    return [move for move in _named(_FURTHER, in_grid, out_grid) if move.keeps(orbits)]
