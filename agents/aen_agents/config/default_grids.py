"""The alphabet and the hidden grids of a default search: transformations that have one order on every grid."""

from collections.abc import Sequence
from math import lcm, sqrt

Grid = int | tuple[int, int]
_SQUARE = ("rot90",)
_FLIPS = ("hflip", "vflip")
_EVEN_BOTH = ("quadrants", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom")
# Shifts are by a part of the side of about so many cells, and of at most so many parts; hidden grids have about so many
# cells.
_STEP = 4
_MOST_PARTS = 8
_CELLS = 15 * 15
_LAYERS = 2


def default_alphabet(grid: Grid) -> tuple[tuple[str, ...], list[str]]:
    """Return the factors that fit a grid, and why others do not.

    Shifts are by a part of the side, so that they have the same order on grids of any size.
    """
    rows, columns = _shape(grid)
    left_out = []
    factors = list(_SQUARE if rows == columns and rows > 1 else ())
    if rows != columns:
        left_out.append("no quarter turns: the images are not square")
    factors += [name for name, length in zip(_FLIPS, (columns, rows), strict=True) if length > 1]
    for name, length in (("hshift", columns), ("vshift", rows)):
        parts = _parts(length)
        if parts is not None:
            factors.append(f"{name}(1/{parts})")
        elif length > 2:
            left_out.append(f"no {name}: no part of {length} cells is a whole number of them, other than a half and one")
    even = {"lr": columns % 2 == 0, "tb": rows % 2 == 0}
    factors += [f"swap_{axis}" for axis, is_even in even.items() if is_even]
    if all(even.values()):
        factors += [name for name in _EVEN_BOTH if name != "quadrants" or rows == columns]
    else:
        odd = " and ".join(dict.fromkeys(str(length) for length in (rows, columns) if length % 2))
        left_out.append(f"no swaps of halves of {odd} cell{'s' * (odd != '1')}, an odd number")
    return tuple(factors), left_out


def default_hidden(grid: Grid, alphabet: Sequence[str]) -> tuple[Grid, ...]:
    """Return hidden grids on which every factor of `default_alphabet` fits, with the order that it has on the images."""
    del alphabet
    rows, columns = _shape(grid)
    scale = sqrt(_CELLS / (rows * columns))
    sides = [_fitting(length, scale * length) for length in (rows, columns)]
    hidden: Grid = sides[0] if sides[0] == sides[1] else (sides[0], sides[1])
    return (hidden,) * _LAYERS


def _shape(grid: Grid) -> tuple[int, int]:
    return (grid, grid) if isinstance(grid, int) else grid


def _parts(length: int) -> int | None:
    """Return into how many parts a side is divided by the step of a shift; None: there is no such step."""
    steps = [step for step in range(1, length // 2) if length % step == 0 and (length // step > 2)]
    if not steps:
        return None
    wanted = max(_STEP, length / _MOST_PARTS)
    best = min(steps, key=lambda step: (abs(step - wanted), step))
    parts = length // best
    return parts if parts <= 2 * _MOST_PARTS else None


def _fitting(length: int, wanted: float) -> int:
    """Return the side nearest to a wanted one on which the shifts and swaps of a side of `length` cells fit."""
    if length == 1:
        return 1
    unit = lcm(_parts(length) or 1, 1 if length % 2 else 2)
    multiple = max(round(wanted / unit), 1)
    return unit * multiple
