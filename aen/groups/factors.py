"""Factors: the small groups that one action of a search can choose."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aen._fields import shown
from aen._typing import IntArray, JsonDict
from aen.errors import GroupError
from aen.groups.elements import enumerate_elements
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of, grid_text

Product = Literal["x", "x|"]
_PRODUCT = re.compile(r"\s+(x\|?)\s+")
# The products a user writes are small groups; a larger one cannot be checked quickly and is refused.
MAX_CHECKED_ORDER = 10_000


@dataclass(frozen=True)
class Factor:
    """A small group given by one generator, or by a product of generators.

    ``hflip x vflip`` is a direct product; ``rot90 x| hflip`` a semidirect one, the normal subgroup on the left. Longer
    products are read from left to right: ``a x b x| c`` is ``(a x b) x| c``.

    Attributes:
        generators: the generators, in the order written.
        products: the sign between each generator and what is to its left, one fewer than the generators.
    """

    generators: tuple[Generator, ...]
    products: tuple[Product, ...] = ()

    def __post_init__(self) -> None:
        different = set(self.generators)
        if len({generator.name for generator in different}) < len(different):
            raise GroupError(f"factor {self.name!r} holds two different generators of one name; rename one.")

    @classmethod
    def parse(cls, text: str, custom: Mapping[str, Generator] | None = None) -> "Factor":
        """Read ``rot90``, ``hflip x vflip``, ``rot90 x| hflip``.

        Raises:
            GroupError: an unknown generator or a misplaced sign.
        """
        words = _PRODUCT.split(text.strip())
        generators = tuple(Generator.parse(word, custom) for word in words[::2])
        signs: list[Product] = ["x" if word == "x" else "x|" for word in words[1::2]]
        return cls(generators, tuple(signs))

    @functools.cached_property
    def name(self) -> str:
        """The factor as it is written: ``rot90 x| hflip``."""
        signs = ("", *(f" {sign} " for sign in self.products))
        return "".join(f"{sign}{generator}" for sign, generator in zip(signs, self.generators, strict=True))

    def in_fractions(self, grid: Grid) -> "Factor":
        """Return the factor with shifts by cells as fractions of the grid; see `Generator.in_fractions`."""
        return Factor(tuple(generator.in_fractions(grid) for generator in self.generators), self.products)

    def check(self, grid: Grid) -> None:
        """Check that every generator fits the grid and that each product is of the kind the sign says.

        Raises:
            GroupError: a generator does not fit, or the product is not direct (semidirect) on this grid.
        """
        permutations = [generator.permutation(grid) for generator in self.generators]
        for i, sign in enumerate(self.products, start=1):
            left, right = permutations[:i], permutations[i]
            if sign == "x" and not all(np.array_equal(a[right], right[a]) for a in left):
                raise GroupError(
                    f"factor {self.name!r} on {grid_text(grid)}: {self.generators[i]} does not commute with what is "
                    "left of it, so the product is not direct; write 'x|' for a semidirect product."
                )
            self._check_split(grid, left, right, i)

    def _check_split(self, grid: Grid, left: list[IntArray], right: IntArray, i: int) -> None:
        """Check that the left group is normalised by `right` and shares only the identity with it."""
        normal = enumerate_elements(left, cells_of(grid), MAX_CHECKED_ORDER)
        if normal is None:
            raise GroupError(
                f"factor {self.name!r} has more than {MAX_CHECKED_ORDER} elements left of {self.generators[i]} on "
                f"{grid_text(grid)}; offer its parts as factors of their own."
            )
        elements = {element.tobytes() for element in normal}
        inverse = np.argsort(right)
        if any(right[a[inverse]].tobytes() not in elements for a in left):
            raise GroupError(
                f"factor {self.name!r} on {grid_text(grid)}: {self.generators[i]} does not normalise what is left of "
                "it, so the product is not semidirect; put the normal subgroup on the left."
            )
        power, identity = right, np.arange(cells_of(grid))
        for _ in range(MAX_CHECKED_ORDER):
            if np.array_equal(power, identity):
                return
            if power.tobytes() in elements:
                raise GroupError(
                    f"factor {self.name!r} on {grid_text(grid)}: a power of {self.generators[i]} is already in the "
                    "group left of it, so this is no product of the two; leave one out."
                )
            power = right[power]
        raise GroupError(
            f"factor {self.name!r}: {self.generators[i]} has an order above {MAX_CHECKED_ORDER} on {grid_text(grid)}, "
            "too large to check the product; offer its parts as factors of their own."
        )

    def to_json(self) -> str | JsonDict:
        """Return the text, with the tables of user-made generators where there are any."""
        custom = [generator.to_json() for generator in self.generators if generator.tables]
        return {"factor": self.name, "generators": custom} if custom else self.name

    @classmethod
    def from_json(cls, value: str | JsonDict, custom: Mapping[str, Generator] | None = None) -> "Factor":
        """Read what `to_json` wrote, or ``{"generators": [...], "products": [...]}``.

        Args:
            value: a text, or a dictionary.
            custom: user-made generators by name.

        Raises:
            GroupError: it is not of this form, or has an unknown generator.
        """
        if isinstance(value, str):
            return cls.parse(value, custom)
        try:
            generators = tuple(Generator.from_json(item) for item in value["generators"])
            if "factor" not in value:
                return cls(generators, tuple(value["products"]))
            return cls.parse(value["factor"], {generator.name: generator for generator in generators})
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise GroupError(
                f"factor is {shown(value)} but must be text such as 'rot90' or 'hflip x vflip'."
            ) from error

    def __str__(self) -> str:
        return self.name


def check_factors(factors: Iterable[Factor], grids: Iterable[Grid]) -> None:
    """Check every factor on every grid; see `Factor.check`.

    Raises:
        GroupError: a factor does not fit.
    """
    factors = tuple(factors)
    for grid in grids:
        for factor in factors:
            factor.check(grid)
