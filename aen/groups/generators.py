"""Generators: named permutations of the cells of a square grid.

Convention: cell ``(row, column)`` of an m x m grid has index ``row * m + column``; rows count downwards, columns to the
right. A permutation `p` moves an image: the content of cell i is at cell ``p[i]`` afterwards. ``rot90`` turns
counter-clockwise, as `numpy.rot90` does; ``hflip`` mirrors left and right, ``vflip`` top and bottom.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from aen._typing import IntArray, JsonDict
from aen.errors import GroupError, did_you_mean


def _swap_half(image: IntArray, *, axis: int, where: tuple[slice, slice]) -> IntArray:
    """Exchange the two halves along `axis` inside the region `where`, and nothing outside it."""
    moved = image.copy()
    region = image[where]
    moved[where] = np.roll(region, region.shape[axis] // 2, axis=axis)
    return moved


def _quadrants(image: IntArray) -> IntArray:
    """Move the quadrants on by one: top-left -> top-right -> bottom-right -> bottom-left -> top-left."""
    h = len(image) // 2
    top_left, top_right, bottom_left, bottom_right = image[:h, :h], image[:h, h:], image[h:, :h], image[h:, h:]
    return np.block([[bottom_left, top_left], [bottom_right, top_right]])


def _half(side: int, *, first: bool) -> slice:
    return slice(0, side // 2) if first else slice(side // 2, side)


_ALL = slice(None)
_Move = Callable[[IntArray], IntArray]

# Generators that fit every side, and those that need an even one because they cut the grid into halves.
_ANY_SIDE: Mapping[str, _Move] = {
    "rot90": np.rot90,
    "rot180": lambda a: np.rot90(a, 2),
    "transpose": lambda a: a.T,
    "hflip": lambda a: a[:, ::-1],
    "vflip": lambda a: a[::-1],
}
_EVEN_SIDE: Mapping[str, _Move] = {
    "quadrants": _quadrants,
    "swap_lr": lambda a: _swap_half(a, axis=1, where=(_ALL, _ALL)),
    "swap_tb": lambda a: _swap_half(a, axis=0, where=(_ALL, _ALL)),
    "swap_tb_left": lambda a: _swap_half(a, axis=0, where=(_ALL, _half(len(a), first=True))),
    "swap_tb_right": lambda a: _swap_half(a, axis=0, where=(_ALL, _half(len(a), first=False))),
    "swap_lr_top": lambda a: _swap_half(a, axis=1, where=(_half(len(a), first=True), _ALL)),
    "swap_lr_bottom": lambda a: _swap_half(a, axis=1, where=(_half(len(a), first=False), _ALL)),
}
_SHIFT_AXIS: Mapping[str, int] = {"hshift": 1, "vshift": 0}

GENERATOR_NAMES: tuple[str, ...] = (*_ANY_SIDE, *_SHIFT_AXIS, *_EVEN_SIDE)
_TEXT = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\(\s*(?P<step>[^()]*?)\s*\))?")
_STEP = re.compile(r"-?\d+(?: */ *0*[1-9]\d*)?", re.ASCII)
MAX_SIDE = 512


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
    """One named permutation of the cells of a grid, for every side it fits.

    Attributes:
        name: canonical text, such as ``rot90``, ``hshift(4)`` (cells) or ``hshift(1/4)`` (a quarter of the side).
        tables: for a user-made generator its permutation per side, ``((side, permutation), ...)``; empty for the
            built-in ones. The tables, not the name, are what a network depends on.
    """

    name: str
    tables: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str, custom: Mapping[str, "Generator"] | None = None) -> "Generator":
        """Read a generator's name.

        Args:
            text: ``rot90``, ``vshift(4)``, ``hshift(1/4)``, or the name of one of `custom`.
            custom: user-made generators by name.

        Raises:
            GroupError: unknown name, or a step that is missing, superfluous or out of range.
        """
        match = _TEXT.fullmatch(text.strip())
        name = match["name"] if match else text.strip()
        if custom and name in custom and match and match["step"] is None:
            return custom[name]
        if match is None or name not in GENERATOR_NAMES:
            raise GroupError(f"unknown generator {text!r}{did_you_mean(name, [*GENERATOR_NAMES, *(custom or ())])}.")
        step = match["step"]
        if name in _SHIFT_AXIS:
            if step is None:
                raise GroupError(f"generator {text!r} needs a step: {name}(4) for 4 cells, {name}(1/4) for a quarter.")
            value = _parse_step(text, step)
            return cls(f"{name}({value})")
        if step is not None:
            raise GroupError(f"generator {text!r} takes no step; write {name!r}.")
        return cls(name)

    @classmethod
    def from_permutations(cls, name: str, permutations: Iterable[Iterable[int]]) -> "Generator":
        """Make a generator of your own from one permutation per grid it shall act on.

        Args:
            name: a word that no built-in generator has.
            permutations: each of length side^2; entry i is the cell to which cell i moves. The side follows from the
                length.

        Raises:
            GroupError: not a permutation, not a square grid, two tables for one side, or a taken name.
        """
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in GENERATOR_NAMES or name in {"x", "none"}:
            raise GroupError(f"generator name {name!r} is taken or not a word; choose another, such as 'my_move'.")
        tables = []
        for permutation in permutations:
            try:
                table = tuple(operator.index(i) for i in permutation)
            except TypeError as error:
                raise GroupError(f"generator {name!r}: the entries are not whole numbers: {error}.") from error
            side = math.isqrt(len(table))
            if side * side != len(table) or side == 0:
                raise GroupError(f"generator {name!r}: {len(table)} entries are not a square grid of cells.")
            if sorted(table) != list(range(len(table))):
                raise GroupError(
                    f"generator {name!r} on {side}x{side}: the entries are not a permutation of 0..{len(table) - 1}; "
                    "each cell must be reached exactly once."
                )
            tables.append((side, table))
        if not tables:
            raise GroupError(f"generator {name!r} has no permutation; give one for each grid of the child.")
        if len({side for side, _ in tables}) != len(tables):
            raise GroupError(f"generator {name!r} has two permutations for one side; give one for each.")
        return cls(name, tuple(sorted(tables)))

    def permutation(self, side: int) -> IntArray:
        """Return where each cell of a ``side x side`` grid moves to; read-only, shape ``[side * side]``.

        Raises:
            GroupError: the generator does not exist on this side.
        """
        return _permutation(self, side)

    def order(self, side: int) -> int:
        """Return after how many applications every cell is back: the least common multiple of the cycle lengths."""
        return permutation_order(self.permutation(side))

    def to_json(self) -> str | JsonDict:
        """Return the name, or for a user-made generator its name and tables."""
        if not self.tables:
            return self.name
        return {"name": self.name, "permutations": [list(table) for _, table in self.tables]}

    @classmethod
    def from_json(cls, value: str | JsonDict) -> "Generator":
        """Read what `to_json` wrote, or ``{"name": ..., "tables": [[side, permutation], ...]}``."""
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


@functools.lru_cache(maxsize=4096)
def _permutation(generator: Generator, side: int) -> IntArray:
    if not 1 <= side <= MAX_SIDE:
        raise GroupError(f"grid side {side} is out of range; use 1 to {MAX_SIDE}.")
    if generator.tables:
        table = dict(generator.tables).get(side)
        if table is None:
            sides = ", ".join(str(s) for s, _ in generator.tables)
            raise GroupError(
                f"generator {generator.name!r} has no permutation for a {side}x{side} grid, only for side {sides}; "
                "add one to it."
            )
        permutation = np.array(table, dtype=np.int64)
    else:
        source = _move(generator, side)(np.arange(side * side).reshape(side, side)).reshape(-1)
        permutation = np.empty(side * side, dtype=np.int64)
        permutation[source] = np.arange(side * side)
    permutation.setflags(write=False)
    return permutation


def _move(generator: Generator, side: int) -> _Move:
    name, _, step = generator.name.rstrip(")").partition("(")
    if name in _EVEN_SIDE and side % 2:
        raise GroupError(f"generator {name!r} needs an even grid, not {side}x{side}: it moves halves of the side.")
    if name not in _SHIFT_AXIS:
        return {**_ANY_SIDE, **_EVEN_SIDE}[name]
    # A fraction is always below 1 here and a number of cells never is, so the value itself says which it was.
    fraction = Fraction(step)
    cells = fraction * side if fraction < 1 else fraction
    if cells.denominator != 1:
        raise GroupError(
            f"generator {generator.name!r}: {fraction} of a side of {side} is not a whole number of cells."
        )
    if cells >= side:
        raise GroupError(
            f"generator {generator.name!r} shifts beyond the {side}x{side} grid; use 1 to {side - 1} cells, "
            f"or a fraction such as {name}(1/4)."
        )
    axis = _SHIFT_AXIS[name]
    return lambda a: np.roll(a, int(cells), axis=axis)
