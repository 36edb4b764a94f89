"""Planar groups: the rotations and mirrorings of the plane that group convolutions are tied by.

An element first mirrors left and right, if it mirrors at all, and then turns counter-clockwise. Quarter turns and
mirrorings act exactly on square grids of pixels; finer turns (C8, D8, C16, ...) exist as abstract groups only.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from aen._typing import IntArray
from aen.errors import GroupError, did_you_mean

_TURNS = (1, 2, 4, 8, 16)
# Mirrorings of the square other than left-right, by the turn that follows: top-bottom, diagonal, antidiagonal.
_OFFSETS = {"": Fraction(0), "v": Fraction(1, 2), "d": Fraction(1, 4), "a": Fraction(3, 4)}
_NAME = re.compile(r"(?P<kind>[CD])(?P<n>\d+)(?:(?P<letter>[vda])|\((?P<offset>\d+/[1-9]\d*)\))?")


@dataclass(frozen=True)
class PlanarElement:
    """A rotation, or a mirroring followed by a rotation.

    Attributes:
        turn: counter-clockwise, as a part of the full turn, from 0 to below 1.
        flip: whether left and right are exchanged before.
    """

    turn: Fraction = Fraction(0)
    flip: bool = False

    def __mul__(self, other: "PlanarElement") -> "PlanarElement":
        """Return the product: `other` acts first."""
        return PlanarElement((self.turn + (-other.turn if self.flip else other.turn)) % 1, self.flip != other.flip)

    def inverse(self) -> "PlanarElement":
        """Return the element that undoes this one."""
        return self if self.flip else PlanarElement(-self.turn % 1)

    @property
    def name(self) -> str:
        """Such as ``e``, ``r90``, ``hflip`` or ``r90 hflip``."""
        degrees = self.turn * 360
        parts = [f"r{float(degrees):g}"] if self.turn else []
        return " ".join(parts + (["hflip"] if self.flip else [])) or "e"

    @property
    def is_exact(self) -> bool:
        """Whether it moves the cells of a square grid onto each other."""
        return (self.turn * 4).denominator == 1

    def permutation(self, height: int, width: int | None = None) -> IntArray:
        """Return the permutation of the cells of a grid: what stands at i stands at ``p[i]`` afterwards.

        Args:
            height: of the grid.
            width: of the grid; None: a square one.

        Raises:
            GroupError: the element does not keep the grid.
        """
        width = height if width is None else width
        if not self.is_exact:
            raise GroupError(f"{self.name} does not move pixels onto pixels; use quarter turns and mirrorings.")
        quarters = int(self.turn * 4)
        if quarters % 2 and height != width:
            raise GroupError(
                f"{self.name} does not keep a {height}x{width} grid; make the images square, or use a group of half "
                "turns and mirrorings such as D2."
            )
        cells = np.arange(height * width).reshape(height, width)
        moved = np.rot90(cells[:, ::-1] if self.flip else cells, quarters).reshape(-1)
        return np.argsort(moved)


@dataclass(frozen=True)
class PlanarGroup:
    """A finite group of rotations and mirrorings of the plane.

    Cn are the rotations by the n-th parts of a turn, Dn the same with n mirrorings. ``D1`` mirrors left and right,
    ``D1v`` top and bottom, ``D1d`` and ``D1a`` along the diagonals; ``D2d`` has both of the latter. Where mirrorings
    lie otherwise, in D8 and D16, the turn that follows ``hflip`` is named, such as ``D1(1/8)``.

    Args:
        rotations: how many, 1, 2, 4, 8 or 16.
        mirrored: whether there are mirrorings too.
        offset: the smallest turn that follows ``hflip`` in one of the mirrorings.

    Raises:
        GroupError: another number of rotations, or an offset that cannot be.
    """

    rotations: int
    mirrored: bool = False
    offset: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.rotations not in _TURNS:
            raise GroupError(f"rotations is {self.rotations}; use one of 1, 2, 4, 8, 16.")
        allowed = 0 <= self.offset < Fraction(1, self.rotations) and (self.offset * _TURNS[-1]).denominator == 1
        if not allowed or (self.offset and not self.mirrored):
            raise GroupError(
                f"offset is {self.offset}; a mirrored group of {self.rotations} rotations has one from 0 to below "
                f"1/{self.rotations}, in sixteenths of a turn, and others have none."
            )

    @classmethod
    def of(cls, name: "str | PlanarGroup") -> "PlanarGroup":
        """Return a group by its name, such as ``C4`` or ``D1v``.

        Raises:
            GroupError: there is no such group.
        """
        return name if isinstance(name, PlanarGroup) else _named(str(name))

    @classmethod
    def generated_by(cls, elements: Iterable[PlanarElement]) -> "PlanarGroup":
        """Return the smallest group with these elements."""
        generators = list(elements)
        found = {PlanarElement()}
        new = found
        while new:
            new = {a * b for a in new for b in generators} - found
            found |= new
        flips = [e.turn for e in found if e.flip]
        return cls(sum(not e.flip for e in found), bool(flips), min(flips, default=Fraction(0)))

    @functools.cached_property
    def name(self) -> str:
        """Its name; see the class."""
        letter = next((letter for letter, offset in _OFFSETS.items() if offset == self.offset), f"({self.offset})")
        return f"{'D' if self.mirrored else 'C'}{self.rotations}{letter}"

    def __str__(self) -> str:
        return self.name

    @functools.cached_property
    def elements(self) -> tuple[PlanarElement, ...]:
        """All elements, the identity first.

        Rotations stand before mirrorings, and turns in the order 0, 1/2, 1/4, 3/4, 1/8, ...: so C1, C2, C4, ... stand
        at the beginning, and their cosets side by side.
        """
        turns = [Fraction(k, self.rotations) for k in range(self.rotations)]
        found = [PlanarElement(turn) for turn in turns]
        if self.mirrored:
            found += [PlanarElement(turn + self.offset, flip=True) for turn in turns]
        return tuple(sorted(found, key=lambda e: (e.flip, _reversed_bits(e.turn))))

    @property
    def order(self) -> int:
        """Number of elements."""
        return self.rotations * (2 if self.mirrored else 1)

    @functools.cached_property
    def _places(self) -> dict[PlanarElement, int]:
        return {element: place for place, element in enumerate(self.elements)}

    def index(self, element: PlanarElement) -> int:
        """Return the place of an element.

        Raises:
            GroupError: it is not in the group.
        """
        if element not in self._places:
            raise GroupError(f"{element.name} is not an element of {self}.")
        return self._places[element]

    def __contains__(self, element: PlanarElement) -> bool:
        return element in self._places

    @functools.cached_property
    def table(self) -> IntArray:
        """The multiplication table: the place of ``elements[i] * elements[j]``, shape ``[order, order]``."""
        return np.array([[self.index(a * b) for b in self.elements] for a in self.elements])

    @functools.cached_property
    def inverses(self) -> IntArray:
        """The place of each element's inverse, shape ``[order]``."""
        return np.array([self.index(element.inverse()) for element in self.elements])

    @functools.cached_property
    def is_exact(self) -> bool:
        """Whether it acts exactly on square grids: it is a subgroup of D4."""
        return all(element.is_exact for element in self.elements)

    def __le__(self, other: "PlanarGroup") -> bool:
        """Say whether this is a subgroup of `other`."""
        # Rotations are the multiples of a part of a turn, and mirrorings differ by them.
        if other.rotations % self.rotations or (self.mirrored and not other.mirrored):
            return False
        return not self.mirrored or ((self.offset - other.offset) * other.rotations).denominator == 1

    def __lt__(self, other: "PlanarGroup") -> bool:
        """Say whether this is a proper subgroup of `other`."""
        return self != other and self <= other

    def check_subgroup(self, subgroup: "PlanarGroup") -> None:
        """Check that `subgroup` is one of this group's.

        Raises:
            GroupError: it is not.
        """
        if not subgroup <= self:
            names = ", ".join(group.name for group in self.subgroups())
            raise GroupError(f"{subgroup} is not a subgroup of {self}; those are {names}.")

    def subgroups(self) -> tuple["PlanarGroup", ...]:
        """Return all subgroups, from the smallest to the group itself."""
        return _subgroups(self)

    def maximal_subgroups(self) -> tuple["PlanarGroup", ...]:
        """Return the proper subgroups that lie in no other proper subgroup."""
        proper = [group for group in self.subgroups() if group != self]
        return tuple(group for group in proper if not any(group < other for other in proper))

    def conjugate(self, element: PlanarElement) -> "PlanarGroup":
        """Return ``element * self * element^-1``: the same group seen after the element has moved the plane."""
        return PlanarGroup.generated_by(element * own * element.inverse() for own in self.elements)

    def conjugacy_classes(self) -> tuple[tuple["PlanarGroup", ...], ...]:
        """Return the subgroups, those together that some element of the group carries onto each other."""
        classes: dict[frozenset[PlanarGroup], tuple[PlanarGroup, ...]] = {}
        for group in self.subgroups():
            orbit = frozenset(group.conjugate(element) for element in self.elements)
            classes[orbit] = (*classes.get(orbit, ()), group)
        return tuple(classes.values())

    def representatives(self, subgroup: "PlanarGroup") -> tuple[PlanarElement, ...]:
        """Return the first element t of each right coset ``{h t: h in subgroup}``, the identity first.

        Raises:
            GroupError: not a subgroup.
        """
        return _representatives(self, subgroup)


def _reversed_bits(turn: Fraction) -> int:
    """Return the bits of a turn read backwards: 0, 1/2, 1/4, 3/4 give 0, 1, 2, 3."""
    value, weight = 0, 1
    while turn:
        turn *= 2
        if turn >= 1:
            value, turn = value + weight, turn - 1
        weight *= 2
    return value


@functools.lru_cache(maxsize=256)
def _named(name: str) -> PlanarGroup:
    """Return a group by its name, one object for each: its elements and tables are found once."""
    match = _NAME.fullmatch(name)
    if match:
        offset = Fraction(match["offset"]) if match["offset"] else _OFFSETS[match["letter"] or ""]
        mirrored, rotations = match["kind"] == "D", int(match["n"])
        if rotations in _TURNS and offset < Fraction(1, rotations) and (mirrored or not offset):
            return PlanarGroup(rotations, mirrored, offset)
    raise GroupError(f"unknown planar group {name!r}{did_you_mean(name, PLANAR_GROUPS)}.")


@functools.lru_cache(maxsize=256)
def _subgroups(group: PlanarGroup) -> tuple[PlanarGroup, ...]:
    found = []
    for n in _TURNS:
        if n <= group.rotations:
            found.append(PlanarGroup(n))
        if group.mirrored:
            turns = [e.turn for e in group.elements if e.flip and e.turn < Fraction(1, n) and n <= group.rotations]
            found += [PlanarGroup(n, True, turn) for turn in sorted(turns)]
    return tuple(sorted(found, key=lambda g: g.order))


@functools.lru_cache(maxsize=256)
def _representatives(group: PlanarGroup, subgroup: PlanarGroup) -> tuple[PlanarElement, ...]:
    group.check_subgroup(subgroup)
    found: list[PlanarElement] = []
    met: set[PlanarElement] = set()
    for element in group.elements:
        if element not in met:
            found.append(element)
            met |= {own * element for own in subgroup.elements}
    return tuple(found)


PLANAR_GROUPS: tuple[str, ...] = (
    *(group.name for group in PlanarGroup(4, mirrored=True).subgroups()),
    *("C8", "D8", "C16", "D16"),
)
