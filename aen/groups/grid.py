"""Grids: the shapes of images and signals whose cells a generator moves.

A grid is given by its number of rows and of columns; the side alone stands for a square. A square is always the plain
int, so that one grid has one form in keys, in JSON and in comparisons. A signal of c channels and length n is the grid
``(c, n)``.
"""

import operator
from collections.abc import Iterable

from aen._fields import shown
from aen.errors import GroupError

Grid = int | tuple[int, int]

MAX_SIDE = 512
MAX_CELLS = MAX_SIDE**2  # of a grid that is not square: one row of a signal may be longer than a side of a square


def as_grid(value: object) -> Grid:
    """Return a grid in its one form: the side of a square, else ``(rows, columns)``.

    Args:
        value: a whole number, or two of them: rows and columns.

    Raises:
        GroupError: something else, or a grid that is empty or too large.
    """
    if type(value) is int and 1 <= value <= MAX_SIDE:
        return value
    try:
        rows, columns = map(_whole, value) if isinstance(value, Iterable) else (_whole(value),) * 2
    except (TypeError, ValueError) as error:
        raise GroupError(f"grid is {shown(value)} but must be the side of a square, or [rows, columns].") from error
    if rows == columns:
        if not 1 <= rows <= MAX_SIDE:
            raise GroupError(f"grid side {rows} is out of range; use 1 to {MAX_SIDE}.")
        return rows
    if min(rows, columns) < 1 or rows * columns > MAX_CELLS:
        raise GroupError(
            f"grid {rows}x{columns} is out of range; use from 1 row and 1 column up to {MAX_CELLS:,} cells."
        )
    return rows, columns


def _whole(value: object) -> int:
    return int(operator.index(value))  # type: ignore[arg-type]  # what is no number raises TypeError


def shape_of(grid: Grid) -> tuple[int, int]:
    """Return the numbers of rows and columns."""
    return (grid, grid) if isinstance(grid, int) else grid


def cells_of(grid: Grid) -> int:
    """Return the number of cells."""
    return grid * grid if isinstance(grid, int) else grid[0] * grid[1]


def grid_text(grid: Grid) -> str:
    """Return a grid as it is written in messages: ``28x28``, ``20x30`` (rows x columns)."""
    return "{}x{}".format(*shape_of(grid))


def grids_as_json(grids: Iterable[Grid]) -> list[int | list[int]]:
    """Return grids as JSON values: an int for a square, else ``[rows, columns]``."""
    return [grid if isinstance(grid, int) else list(grid) for grid in grids]
