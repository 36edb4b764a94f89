"""Pictures as arrays: which cells of a grid a decomposition ties together."""

import numpy as np
import numpy.typing as npt

from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid, shape_of
from aen.groups.orbits import grid_orbits

# The colours of the four corners of an untied grid; cells in between are blended.
_CORNERS = np.array([[[0.13, 0.25, 0.55], [0.16, 0.62, 0.56]], [[0.80, 0.26, 0.33], [0.98, 0.82, 0.35]]])


def orbit_picture(decomposition: Decomposition, grid: Grid) -> npt.NDArray[np.float64]:
    """Return an RGB picture ``[rows, columns, 3]`` in [0, 1]: cells of one orbit have the colour of its first cell.

    An untied grid is a smooth blend of four colours; every symmetry shows as a repetition of part of it.
    """
    labels = grid_orbits(decomposition.generators, grid).labels
    rows, columns = shape_of(grid)
    first = np.unique(labels, return_index=True)[1]
    cells = first[labels]
    y, x = np.divmod(cells, columns)
    v, u = (y / max(rows - 1, 1))[:, None], (x / max(columns - 1, 1))[:, None]
    top = (1 - u) * _CORNERS[0, 0] + u * _CORNERS[0, 1]
    bottom = (1 - u) * _CORNERS[1, 0] + u * _CORNERS[1, 1]
    picture: npt.NDArray[np.float64] = ((1 - v) * top + v * bottom).reshape(rows, columns, 3)
    return picture
