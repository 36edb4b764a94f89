"""Decomposition: the factors that a state has chosen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aen._fields import shown
from aen._typing import JsonDict
from aen.errors import GroupError
from aen.groups.describe import GroupDescription, describe, group_name
from aen.groups.factors import Factor, check_factors
from aen.groups.generators import Generator
from aen.groups.grid import Grid


@dataclass(frozen=True)
class Decomposition:
    """Which small groups a layer shall be equivariant to; no factors at all means an ordinary, untied layer.

    Being equivariant to the group that the factors generate is the same as being equivariant to each generator
    (AEN, arXiv 2104.04848), so the generators are all that a layer needs to know.
    """

    factors: tuple[Factor, ...] = ()

    @classmethod
    def of(
        cls, factors: str | Iterable[str | JsonDict | Factor], custom: Mapping[str, Generator] | None = None
    ) -> "Decomposition":
        """Make a decomposition from factors or their texts: ``Decomposition.of(["rot90", "hflip x vflip"])``.

        Raises:
            GroupError: neither factors nor their texts, or an unknown generator.
        """
        if isinstance(factors, str):
            factors = [factors]
        if not isinstance(factors, Iterable) or isinstance(factors, Mapping):
            raise GroupError(f"factors is {shown(factors)} but must be a list such as ['rot90', 'hflip x vflip'].")
        return cls(tuple(f if isinstance(f, Factor) else Factor.from_json(f, custom) for f in factors))

    @property
    def generators(self) -> tuple[Generator, ...]:
        """The generators of all factors, each once, in order."""
        return tuple(dict.fromkeys(generator for factor in self.factors for generator in factor.generators))

    @property
    def name(self) -> str:
        """The factors joined by ``+``, or ``none``."""
        return " + ".join(factor.name for factor in self.factors) or "none"

    def check(self, grids: Iterable[Grid]) -> None:
        """Check that every factor exists on every grid.

        Raises:
            GroupError: a factor does not fit.
        """
        check_factors(self.factors, grids)

    def describe(self, grids: Sequence[Grid], *, thorough: bool = False) -> GroupDescription:
        """Say which group the factors generate on these grids together; see `aen.groups.describe`."""
        return describe(self.factors, tuple(grids), thorough=thorough)

    def group_name(self, grids: Sequence[Grid]) -> str:
        """Return the name of the group that the factors generate on these grids together."""
        return group_name(self.factors, tuple(grids))

    def to_json(self) -> list[str | JsonDict]:
        """Return the factors' JSON forms."""
        return [factor.to_json() for factor in self.factors]

    @classmethod
    def from_json(cls, value: "Iterable[str | JsonDict | Factor] | Decomposition") -> "Decomposition":
        """Read what `to_json` wrote, or ``{"factors": [...]}``.

        Raises:
            GroupError: it is not of this form, or has an unknown generator.
        """
        if isinstance(value, Decomposition):
            return value
        return cls.of(value["factors"] if isinstance(value, Mapping) and "factors" in value else value)

    def __str__(self) -> str:
        return self.name
