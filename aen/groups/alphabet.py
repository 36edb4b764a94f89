"""Alphabets: the ordered factors from which a search chooses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from aen._fields import shown
from aen._typing import JsonDict
from aen.errors import GroupError, did_you_mean
from aen.groups.decomposition import Decomposition
from aen.groups.describe import joint_action
from aen.groups.factors import Factor, check_factors
from aen.groups.generators import Generator
from aen.groups.grid import Grid, as_grid, cells_of, grid_text


def _twelve(step: str) -> tuple[str, ...]:
    return (
        *("rot90", "hflip", "vflip", f"hshift({step})", f"vshift({step})", "quadrants"),
        *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
    )


# The published twelve shift by 4 cells on every grid; `quarter` shifts by a quarter of the side, so that a generator
# has the same order on every grid of a child. `signal` is for signals: a half swap is the shift by a half, and the sign
# needs signals that were lifted, see `aen.data.lift_sign`.
ALPHABETS: Mapping[str, tuple[str, ...]] = {
    "published": _twelve("4"),
    "quarter": _twelve("1/4"),
    "signal": ("reverse", "swap_halves", "shift(1/4)", "shift(1/8)", "sign", "reverse x sign"),
}
MAX_FACTORS = 63


@dataclass(frozen=True)
class Alphabet:
    """An ordered tuple of factors; bit i of a state chooses factor i.

    Attributes:
        factors: the factors.
        left_out: what `fitting` has left out and why, a sentence each; not part of what an alphabet is.
    """

    factors: tuple[Factor, ...]
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.factors:
            raise GroupError(
                "alphabet is empty; offer factors, such as [rot90, hflip], or a whole alphabet: "
                f"{', '.join(ALPHABETS)}."
            )
        if len(self.factors) > MAX_FACTORS:
            raise GroupError(f"alphabet has {len(self.factors)} factors; at most {MAX_FACTORS} can be offered.")
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise GroupError(f"alphabet offers {', '.join(map(repr, twice))} more than once; offer each factor once.")

    @classmethod
    def of(
        cls, factors: str | JsonDict | Iterable[str | JsonDict | Factor], custom: Mapping[str, Generator] | None = None
    ) -> "Alphabet":
        """Make an alphabet from a name (see `ALPHABETS`), from factors and their texts, or from its JSON.

        Raises:
            GroupError: unknown name or factor, no factor at all, or the same factor twice.
        """
        if isinstance(factors, str):
            if factors not in ALPHABETS:
                near = did_you_mean(factors, ALPHABETS)
                raise GroupError(f"unknown alphabet {factors!r}{near}; a factor goes into a list: [{factors}].")
            factors = ALPHABETS[factors]
        if not isinstance(factors, Iterable):
            raise GroupError(f"alphabet is {shown(factors)} but must be a name or a list such as ['rot90', 'hflip'].")
        if isinstance(factors, Mapping):
            factors = Decomposition.from_json(factors).factors
        return cls(Decomposition.of(factors, custom).factors)

    def to_json(self) -> list[str | JsonDict]:
        """Return the factors' JSON forms, which `of` reads."""
        return Decomposition(self.factors).to_json()

    @property
    def names(self) -> tuple[str, ...]:
        """The factors as they are written."""
        return tuple(factor.name for factor in self.factors)

    def check(self, grids: Iterable[Grid]) -> None:
        """Check every factor against every grid of the child.

        Raises:
            GroupError: a factor does not fit one of the grids.
        """
        Decomposition(self.factors).check(dict.fromkeys(grids))

    def fitting(self, grids: Iterable[Grid]) -> "Alphabet":
        """Return the alphabet of the factors that fit all grids; its `left_out` says why the others do not.

        A factor that moves no cell is left out, and one that moves all cells as an earlier one does: ``vflip`` beside
        ``swap_tb`` on two rows.

        Raises:
            GroupError: no factor fits.
        """
        grids = tuple(dict.fromkeys(map(as_grid, grids)))
        kept: dict[frozenset[bytes], Factor] = {}
        reasons = list(self.left_out)
        identity = np.arange(sum(map(cells_of, grids))).tobytes()
        for factor in self.factors:
            try:
                check_factors([factor], grids)
            except GroupError as error:
                reasons.append(f"left out {factor}: {error}")
                continue
            action = frozenset(move.tobytes() for move in joint_action(factor, grids)) - {identity}
            if not action:
                reasons.append(f"left out {factor}: it moves no cell of {', '.join(map(grid_text, grids))}.")
            elif action in kept:
                reasons.append(f"left out {factor}: it moves the cells as {kept[action]} does.")
            else:
                kept[action] = factor
        if not kept:
            raise GroupError(
                f"no factor of the alphabet fits {', '.join(map(grid_text, grids))}; give images of another size "
                f"(data.size), or other factors. The first, {reasons[0].removeprefix('left out ')}"
            )
        return Alphabet(tuple(kept.values()), tuple(reasons))

    def in_fractions(self, grid: Grid) -> "Alphabet":
        """Return the alphabet with shifts by cells written as fractions: on 28x28, ``vshift(4)`` as ``vshift(1/7)``.

        On this grid they are the same. On other grids a fraction keeps its order, and is the same part of the image.
        """
        return replace(self, factors=tuple(factor.in_fractions(grid) for factor in self.factors))

    def decomposition(self, bits: Sequence[int]) -> Decomposition:
        """Return the decomposition that a state chooses; `bits` has one 0 or 1 per factor.

        Raises:
            GroupError: wrong number of bits.
        """
        if len(bits) != len(self.factors):
            raise GroupError(
                f"state has {len(bits)} bits, the alphabet {len(self.factors)} factors; give one bit each."
            )
        return Decomposition(tuple(factor for factor, bit in zip(self.factors, bits, strict=True) if bit))

    def order_mismatches(self, grids: Iterable[Grid]) -> tuple[str, ...]:
        """Say which generators have different orders on different grids, and so tie more than either grid asks for.

        ``vshift(4)`` has order 7 on 28 and 5 on 20: the joint action has order 35.
        """
        grids = tuple(dict.fromkeys(grids))
        found = []
        for generator in Decomposition(self.factors).generators:
            orders = [generator.order(grid) for grid in grids]
            if len(set(orders)) > 1:
                each = ", ".join(f"{order} on {grid_text(grid)}" for order, grid in zip(orders, grids, strict=True))
                found.append(f"{generator} has order {each}")
        return tuple(found)

    def __len__(self) -> int:
        return len(self.factors)
