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
_SIGNAL = 8  # what is so many times as long as high is taken as a signal, whose rows are its channels
MAX_CELLS = MAX_SIDE**2  # of a grid that is not square: one row of a signal may be longer than a side of a square


def as_grid(value: object) -> Grid:
    """Return a grid in its one form: the side of a square, else ``(rows, columns)``.

    Args:
        value: a whole number, or two of them: rows and columns.

    Raises:
        GroupError: something else, or a grid without cells.
    """
    if type(value) is int and value >= 1:
        return value
    try:
        rows, columns = map(_whole, value) if isinstance(value, Iterable) else (_whole(value),) * 2
    except (TypeError, ValueError) as error:
        raise GroupError(f"grid is {shown(value)} but must be the side of a square, or [rows, columns].") from error
    if min(rows, columns) < 1:
        square = f"side {rows}" if rows == columns else f"{rows}x{columns}"
        raise GroupError(f"grid {square} is out of range; use 1 or more.")
    return rows if rows == columns else (rows, columns)


def check_size(grid: Grid) -> None:
    """Check that permutations of a grid's cells are small enough to be made.

    Raises:
        GroupError: the grid is too large.
    """
    if isinstance(grid, int) and grid > MAX_SIDE:
        raise GroupError(f"grid side {grid} is out of range; use 1 to {MAX_SIDE}.")
    if cells_of(grid) > MAX_CELLS:
        raise GroupError(f"grid {grid_text(grid)} is out of range; use up to {MAX_CELLS:,} cells.")


def _whole(value: object) -> int:
    return int(operator.index(value))  # type: ignore[arg-type]  # what is no number raises TypeError


def shape_of(grid: Grid) -> tuple[int, int]:
    """Return the numbers of rows and columns."""
    return (grid, grid) if isinstance(grid, int) else grid


def cells_of(grid: Grid) -> int:
    """Return the number of cells."""
    return grid * grid if isinstance(grid, int) else grid[0] * grid[1]


def is_signal(grid: Grid) -> bool:
    """Return whether a grid is so much longer than high that it is taken as a signal of ``channels x length``."""
    rows, columns = shape_of(grid)
    return columns >= _SIGNAL * rows


def grid_text(grid: Grid) -> str:
    """Return a grid as it is written in messages: ``28x28``, ``20x30`` (rows x columns)."""
    return "{}x{}".format(*shape_of(grid))


def grids_as_json(grids: Iterable[Grid]) -> list[int | list[int]]:
    """Return grids as JSON values: an int for a square, else ``[rows, columns]``."""
    return [grid if isinstance(grid, int) else list(grid) for grid in grids]
