"""Generators: named permutations of the cells of a grid.

Convention: cell ``(row, column)`` of a grid of n columns has index ``row * n + column``; rows count downwards, columns
to the right. A permutation `p` moves an image: the content of cell i is at cell ``p[i]`` afterwards. ``rot90`` turns
counter-clockwise, as `numpy.rot90` does; ``hflip`` mirrors left and right, ``vflip`` top and bottom.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from aen._typing import IntArray, JsonDict
from aen.errors import GroupError, did_you_mean
from aen.groups.grid import Grid, as_grid, cells_of, check_size, grid_text, shape_of


def _swap_half(image: IntArray, *, axis: int, where: tuple[slice, slice]) -> IntArray:
    """Exchange the two halves along `axis` inside the region `where`, and nothing outside it."""
    moved = image.copy()
    region = image[where]
    moved[where] = np.roll(region, region.shape[axis] // 2, axis=axis)
    return moved


def _quadrants(image: IntArray) -> IntArray:
    """Move the quadrants on by one: top-left -> top-right -> bottom-right -> bottom-left -> top-left."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    top_left, top_right, bottom_left, bottom_right = image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:]
    return np.block([[bottom_left, top_left], [bottom_right, top_right]])


def _half(image: IntArray, axis: int, *, first: bool) -> slice:
    length = image.shape[axis]
    return slice(0, length // 2) if first else slice(length // 2, length)


_ALL = slice(None)
_Move = Callable[[IntArray], IntArray]

# Generators that fit every grid, and those that need a square.
_ANY_GRID: Mapping[str, _Move] = {
    "rot180": lambda a: np.rot90(a, 2),
    "hflip": lambda a: a[:, ::-1],
    "vflip": lambda a: a[::-1],
}
_SQUARE: Mapping[str, _Move] = {"rot90": np.rot90, "transpose": lambda a: a.T}
# Generators that cut the grid into halves along these axes, each of which needs an even number of cells.
_HALVES: Mapping[str, tuple[tuple[int, ...], _Move]] = {
    "quadrants": ((0, 1), _quadrants),
    "swap_lr": ((1,), lambda a: _swap_half(a, axis=1, where=(_ALL, _ALL))),
    "swap_tb": ((0,), lambda a: _swap_half(a, axis=0, where=(_ALL, _ALL))),
    "swap_tb_left": ((0, 1), lambda a: _swap_half(a, axis=0, where=(_ALL, _half(a, 1, first=True)))),
    "swap_tb_right": ((0, 1), lambda a: _swap_half(a, axis=0, where=(_ALL, _half(a, 1, first=False)))),
    "swap_lr_top": ((0, 1), lambda a: _swap_half(a, axis=1, where=(_half(a, 0, first=True), _ALL))),
    "swap_lr_bottom": ((0, 1), lambda a: _swap_half(a, axis=1, where=(_half(a, 0, first=False), _ALL))),
}
_SHIFT_AXIS: Mapping[str, int] = {"hshift": 1, "vshift": 0}
_AXES = ("rows", "columns")

GENERATOR_NAMES: tuple[str, ...] = (*_SQUARE, *_ANY_GRID, *_SHIFT_AXIS, *_HALVES)
# Words for signals, whose samples are the columns. `Generator.parse` reads them; names and keys have the generator's.
# A sign is a swap where the upper half of the rows is a signal x and the lower half -x; see `aen.data.lift_sign`.
SIGNAL_WORDS: Mapping[str, str] = {"reverse": "hflip", "shift": "hshift", "swap_halves": "swap_lr", "sign": "swap_tb"}
_TEXT = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\(\s*(?P<step>[^()]*?)\s*\))?")
_STEP = re.compile(r"-?\d+(?: */ *0*[1-9]\d*)?", re.ASCII)


def _parse_step(text: str, step: str) -> Fraction:
    if not _STEP.fullmatch(step):
        raise GroupError(
            f"generator {text!r}: the step {step!r} is neither a number of cells nor a fraction of the side; "
            "write hshift(4) or hshift(1/4)."
        )
    value = Fraction(step.replace(" ", ""))
    if value <= 0:
        raise GroupError(f"generator {text!r}: a shift by {step} moves nothing forward; use a step of at least 1 cell.")
    if "/" in step and value >= 1:
        raise GroupError(f"generator {text!r}: a shift by {step} of the side is beyond the grid; use less than 1.")
    return value


@dataclass(frozen=True)
class Generator:
    """One named permutation of the cells of a grid, for every grid it fits.

    Attributes:
        name: canonical text, such as ``rot90``, ``hshift(4)`` (cells) or ``hshift(1/4)`` (a quarter of the side).
        tables: for a user-made generator its permutation per grid, ``((grid, permutation), ...)``; empty for the
            built-in ones. The tables, not the name, are what a network depends on.
    """

    name: str
    tables: tuple[tuple[Grid, tuple[int, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str, custom: Mapping[str, "Generator"] | None = None) -> "Generator":
        """Read a generator's name.

        Args:
            text: ``rot90``, ``vshift(4)``, ``hshift(1/4)``, or the name of one of `custom`. For signals there are
                the words ``reverse``, ``shift(1/4)``, ``swap_halves`` and ``sign`` (see `SIGNAL_WORDS`).
            custom: user-made generators by name.

        Raises:
            GroupError: unknown name, or a step that is missing, superfluous or out of range.
        """
        match = _TEXT.fullmatch(text.strip())
        name = match["name"] if match else text.strip()
        if custom and name in custom and match and match["step"] is None:
            return custom[name]
        if match is None or name not in (*GENERATOR_NAMES, *SIGNAL_WORDS):
            known = [*GENERATOR_NAMES, *SIGNAL_WORDS, *(custom or ())]
            raise GroupError(f"unknown generator {text!r}{did_you_mean(name, known)}.")
        step, canonical = match["step"], SIGNAL_WORDS.get(name, name)
        if canonical in _SHIFT_AXIS:
            if step is None:
                raise GroupError(f"generator {text!r} needs a step: {name}(4) for 4 cells, {name}(1/4) for a quarter.")
            value = _parse_step(text, step)
            return cls(f"{canonical}({value})")
        if step is not None:
            raise GroupError(f"generator {text!r} takes no step; write {name!r}.")
        return cls(canonical)

    @classmethod
    def from_permutations(cls, name: str, permutations: Iterable[Iterable[int | Iterable[int]]]) -> "Generator":
        """Make a generator of your own from one permutation per grid it shall act on.

        Args:
            name: a word that no built-in generator has.
            permutations: each a flat list of side^2 entries for a square grid, or one list per row for any grid, as an
                array of shape ``[rows, columns]`` has them; entry i, counted row by row, is the cell to which cell i
                moves.

        Raises:
            GroupError: not a permutation, not a grid, two tables for one grid, or a taken name.
        """
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in GENERATOR_NAMES or name in {"x", "none"}:
            raise GroupError(f"generator name {name!r} is taken or not a word; choose another, such as 'my_move'.")
        tables: list[tuple[Grid, tuple[int, ...]]] = []
        for permutation in permutations:
            try:
                grid, table = _read_table(name, list(permutation))
            except TypeError as error:
                raise GroupError(f"generator {name!r}: the entries are not whole numbers: {error}.") from error
            if sorted(table) != list(range(len(table))):
                raise GroupError(
                    f"generator {name!r} on {grid_text(grid)}: the entries are not a permutation of "
                    f"0..{len(table) - 1}; each cell must be reached exactly once."
                )
            tables.append((grid, table))
        if not tables:
            raise GroupError(f"generator {name!r} has no permutation; give one for each grid of the child.")
        if len({grid for grid, _ in tables}) != len(tables):
            raise GroupError(f"generator {name!r} has two permutations for one grid; give one for each.")
        return cls(name, tuple(sorted(tables, key=lambda item: shape_of(item[0]))))

    def permutation(self, grid: Grid) -> IntArray:
        """Return where each cell of a grid moves to; read-only, shape ``[cells]``.

        Args:
            grid: the side of a square, or rows and columns.

        Raises:
            GroupError: the generator does not exist on this grid.
        """
        return _permutation(self, as_grid(grid))

    def in_fractions(self, grid: Grid) -> "Generator":
        """Return a shift by cells as the shift by that fraction of the grid's side, any other generator as it is."""
        name, _, step = self.name.rstrip(")").partition("(")
        if name not in _SHIFT_AXIS or Fraction(step) < 1:
            return self
        self.permutation(grid)  # it may be beyond the grid
        return Generator(f"{name}({Fraction(step) / shape_of(as_grid(grid))[_SHIFT_AXIS[name]]})")

    def order(self, grid: Grid) -> int:
        """Return after how many applications every cell is back: the least common multiple of the cycle lengths."""
        return permutation_order(self.permutation(grid))

    def to_json(self) -> str | JsonDict:
        """Return the name, or for a user-made generator its name and tables."""
        if not self.tables:
            return self.name
        return {"name": self.name, "permutations": [_table_as_json(*item) for item in self.tables]}

    @classmethod
    def from_json(cls, value: str | JsonDict) -> "Generator":
        """Read what `to_json` wrote, or ``{"name": ..., "tables": [[side, permutation], ...]}`` of squares."""
        if isinstance(value, str):
            return cls.parse(value)
        if "tables" in value:
            tables = [table for _, table in value["tables"]]
            return cls.from_permutations(value["name"], tables) if tables else cls.parse(value["name"])
        return cls.from_permutations(value["name"], value["permutations"])

    def __str__(self) -> str:
        return self.name


def permutation_order(permutation: IntArray) -> int:
    """Return the order of one permutation: the least common multiple of its cycle lengths."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = len(permutation)
    graph = csr_array((np.ones(n, dtype=np.int8), permutation, np.arange(n + 1)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    return math.lcm(*(int(length) for length in np.unique(np.bincount(labels))))


def _read_table(name: str, permutation: list[Any]) -> tuple[Grid, tuple[int, ...]]:
    """Return the grid and the entries of a user's permutation: a flat list for a square, or one list per row."""
    if not permutation or not isinstance(permutation[0], Iterable):
        table = tuple(operator.index(i) for i in permutation)
        side = math.isqrt(len(table))
        if side * side != len(table) or side == 0:
            raise GroupError(
                f"generator {name!r}: {len(table)} entries are not a square grid of cells; for another grid give one "
                "list per row."
            )
        return as_grid(side), table
    rows = [tuple(operator.index(i) for i in row) for row in permutation]
    if len({len(row) for row in rows}) > 1:
        raise GroupError(f"generator {name!r}: its rows have different lengths; give as many entries in every row.")
    return as_grid((len(rows), len(rows[0]))), tuple(cell for row in rows for cell in row)


def _table_as_json(grid: Grid, table: tuple[int, ...]) -> list[int] | list[list[int]]:
    if isinstance(grid, int):
        return list(table)
    rows, columns = grid
    return [list(table[row * columns : (row + 1) * columns]) for row in range(rows)]


@functools.lru_cache(maxsize=4096)
def _permutation(generator: Generator, grid: Grid) -> IntArray:
    check_size(grid)
    if generator.tables:
        table = dict(generator.tables).get(grid)
        if table is None:
            known = ", ".join(str(g) if isinstance(g, int) else grid_text(g) for g, _ in generator.tables)
            raise GroupError(
                f"generator {generator.name!r} has no permutation for a {grid_text(grid)} grid, only for side {known}; "
                "add one to it."
            )
        permutation = np.array(table, dtype=np.int64)
    else:
        cells = cells_of(grid)
        source = _move(generator, grid)(np.arange(cells).reshape(shape_of(grid))).reshape(-1)
        permutation = np.empty(cells, dtype=np.int64)
        permutation[source] = np.arange(cells)
    permutation.setflags(write=False)
    return permutation


def _move(generator: Generator, grid: Grid) -> _Move:
    name, _, step = generator.name.rstrip(")").partition("(")
    if name in _SHIFT_AXIS:
        return _shift(generator, name, Fraction(step), grid)
    if name in _SQUARE:
        if not isinstance(grid, int):
            raise GroupError(f"generator {name!r} needs a square grid, not {grid_text(grid)}: it exchanges the axes.")
        return _SQUARE[name]
    axes, move = _HALVES.get(name, ((), None))
    odd = [axis for axis in axes if shape_of(grid)[axis] % 2]
    if odd and isinstance(grid, int):
        raise GroupError(f"generator {name!r} needs an even grid, not {grid_text(grid)}: it moves halves of the side.")
    if odd:
        raise GroupError(
            f"generator {name!r} needs an even number of {_AXES[odd[0]]}, not a grid of {grid_text(grid)}: it cuts "
            "them into halves."
        )
    return move or _ANY_GRID[name]


def _shift(generator: Generator, name: str, step: Fraction, grid: Grid) -> _Move:
    axis = _SHIFT_AXIS[name]
    length = shape_of(grid)[axis]
    # A fraction is always below 1 here and a number of cells never is, so the value itself says which it was.
    cells = step * length if step < 1 else step
    if length == 1:
        raise GroupError(f"generator {generator.name!r} moves nothing on a {grid_text(grid)} grid; leave it out.")
    if cells.denominator != 1:
        of = f"a side of {length}" if isinstance(grid, int) else f"{length} {_AXES[axis]}"
        raise GroupError(f"generator {generator.name!r}: {step} of {of} is not a whole number of cells.")
    if cells >= length:
        raise GroupError(
            f"generator {generator.name!r} shifts beyond the {grid_text(grid)} grid; use 1 to {length - 1} cells, or "
            f"a fraction such as {name}(1/4)."
        )
    return lambda a: np.roll(a, int(cells), axis=axis)
