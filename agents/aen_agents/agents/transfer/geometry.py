"""How the generators of a symmetry move the cells of a grid: what distinguishes a flip from a swap of halves."""

from functools import lru_cache

import numpy as np

from aen.errors import GroupError
from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid, shape_of

GEOMETRY = ("moved", "distance", "torn", "known")
UNKNOWN = (0.0, 0.0, 0.0, 0.0)


@lru_cache(maxsize=1024)
def geometry_of(symmetry: Decomposition, grid: Grid) -> tuple[float, ...]:
    """Return the features `GEOMETRY`, means over the generators; all 0 if one does not fit the grid.

    `moved` is the share of the cells that move, `distance` how far all move on average, in sides of the grid, and
    `torn` the share of neighbouring cells that are no neighbours any more.

    Args:
        symmetry: the generators.
        grid: of the images.
    """
    try:
        found = [_geometry(generator.permutation(grid), shape_of(grid)) for generator in symmetry.generators]
    except GroupError:
        return UNKNOWN
    return tuple(np.mean(found, axis=0).tolist()) if found else UNKNOWN


def _geometry(permutation: np.ndarray, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    places = np.stack(np.divmod(np.arange(len(permutation)), shape[1]), axis=1)
    moves = np.abs(places[permutation] - places)
    distance = float((moves / np.array(shape)).sum(axis=1).mean())
    cells = permutation.reshape(shape)
    pairs = [(cells[:, 1:], cells[:, :-1]), (cells[1:], cells[:-1])]
    apart = [np.abs(places[a.ravel()] - places[b.ravel()]).sum(axis=1) > 1 for a, b in pairs]
    torn = float(np.concatenate(apart).mean()) if len(permutation) > 1 else 0.0
    return float(moves.any(axis=1).mean()), distance, torn, 1.0
