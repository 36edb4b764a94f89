"""Alphabets: the ordered factors from which a search chooses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aen._fields import shown
from aen._typing import JsonDict
from aen.errors import GroupError, did_you_mean
from aen.groups.decomposition import Decomposition
from aen.groups.factors import Factor
from aen.groups.generators import Generator
from aen.groups.grid import Grid, grid_text


def _twelve(step: str) -> tuple[str, ...]:
    return (
        *("rot90", "hflip", "vflip", f"hshift({step})", f"vshift({step})", "quadrants"),
        *("swap_lr", "swap_tb", "swap_tb_left", "swap_tb_right", "swap_lr_top", "swap_lr_bottom"),
    )


# The published twelve shift by 4 cells on every grid; `quarter` shifts by a quarter of the side, so that a generator
# has the same order on every grid of a child.
ALPHABETS: Mapping[str, tuple[str, ...]] = {"published": _twelve("4"), "quarter": _twelve("1/4")}
MAX_FACTORS = 63


@dataclass(frozen=True)
class Alphabet:
    """An ordered tuple of factors; bit i of a state chooses factor i."""

    factors: tuple[Factor, ...]

    def __post_init__(self) -> None:
        if not self.factors:
            raise GroupError(
                "alphabet is empty; offer factors, such as [rot90, hflip], or a whole alphabet: published, quarter."
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
        """Make an alphabet from a name (``published``, ``quarter``), from factors and their texts, or from its JSON.

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
