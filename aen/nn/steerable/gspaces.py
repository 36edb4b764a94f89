"""The plane with the symmetries that steerable layers know, and the fields on it."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aen.errors import SpecError, did_you_mean
from aen.groups.planar import PlanarElement
from aen.nn.steerable.loading import escnn_building

# Rotations by parts of the full turn (-1: by any angle), and whether there are flips.
_GROUPS = {
    "C1": (1, False),
    "C2": (2, False),
    "C4": (4, False),
    "C8": (8, False),
    "C16": (16, False),
    "D1": (1, True),
    "D2": (2, True),
    "D4": (4, True),
    "D8": (8, True),
    "SO2": (-1, False),
}
STEERABLE_GROUPS = tuple(_GROUPS)

# The highest frequency of an SO2 field. A 3x3 filter can tell no higher one apart on the grid.
SO2_FREQUENCY = 2
# Angles at which an SO2 field is sampled for what acts on values (ReLU, maximum).
SO2_SAMPLES = 16
_PARTS = 48  # holds sixteenths and twelfths of a turn

Kind = Literal["trivial", "regular"]


def check_group(group: str) -> str:
    """Return the group's name.

    Raises:
        SpecError: no group of the plane that steerable layers know.
    """
    if group not in _GROUPS:
        raise SpecError(f"Unknown group {group!r} of a steerable layer{did_you_mean(group, _GROUPS)}.")
    return group


def is_exact(group: str) -> bool:
    """Whether every element of the group maps the pixel grid onto itself, so that equivariance can be exact."""
    return _GROUPS[check_group(group)][0] in {1, 2, 4}


@dataclass(frozen=True)
class Element:
    """One element of a group, as the project and as escnn know it.

    Attributes:
        planar: the project's.
        matrix: its action on points of the plane (x to the right, y upwards), 2x2.
        escnn: escnn's.
    """

    planar: PlanarElement
    matrix: npt.NDArray[np.float64]
    escnn: Any


@cache
def gspace(group: str) -> Any:  # noqa: ANN401 - escnn is untyped
    """Return escnn's plane with this group; D1 is the flip that exchanges left and right, as are all flips' axes.

    Raises:
        SpecError: an unknown group, or escnn is not installed.
    """
    rotations, flips = _GROUPS[check_group(group)]
    with escnn_building() as escnn:
        spaces = escnn.gspaces
        if rotations == -1:
            return spaces.rot2dOnR2(-1, maximum_frequency=SO2_FREQUENCY)
        if flips:
            return spaces.flip2dOnR2() if rotations == 1 else spaces.flipRot2dOnR2(rotations)
        return spaces.trivialOnR2() if rotations == 1 else spaces.rot2dOnR2(rotations)


@cache
def representation(group: str, kind: Kind) -> Any:  # noqa: ANN401 - escnn is untyped
    """Return how the channels of one field are moved: not at all, or as functions on the group are.

    The functions on SO2 are those with frequencies up to `SO2_FREQUENCY`, given by their Fourier coefficients.
    """
    space = gspace(group)
    with escnn_building():
        if kind == "trivial":
            return space.trivial_repr
        if group == "SO2":
            so2 = space.fibergroup
            return so2.spectral_regular_representation(*so2.bl_irreps(SO2_FREQUENCY), name="regular")
        return space.regular_repr


@cache
def group_elements(group: str) -> tuple[Element, ...]:
    """Return the elements in the order of a regular field's channels; for SO2 every twelfth of a turn."""
    space = gspace(group)
    fibre = space.fibergroup
    found = [fibre.element(2 * np.pi * i / 12) for i in range(12)] if group == "SO2" else list(fibre.elements)
    matrices = [np.asarray(space.basespace_action(element), dtype=np.float64) for element in found]
    return tuple(Element(planar_element(m), m, element) for m, element in zip(matrices, found, strict=True))


def planar_element(matrix: npt.NDArray[np.float64]) -> PlanarElement:
    """Return the element with an orthogonal matrix, its turn rounded to a forty-eighth."""
    flip = bool(np.linalg.det(matrix) < 0)
    turn = matrix @ np.diag([-1.0, 1.0]) if flip else matrix
    parts = round(float(np.arctan2(turn[1, 0], turn[0, 0])) / (2 * np.pi) * _PARTS)
    return PlanarElement(Fraction(parts % _PARTS, _PARTS), flip)


@dataclass(frozen=True)
class Fields:
    """A stack of feature fields: `count` of them, all moved alike.

    Channel ``i * per_field + j`` is component j of field i; for finite groups j is the group's element j, see
    `group_elements`.

    Attributes:
        group: one of `STEERABLE_GROUPS`.
        kind: ``trivial`` (images: values move with their points) or ``regular`` (functions on the group).
        count: number of fields.
    """

    group: str
    kind: Kind
    count: int

    def __post_init__(self) -> None:
        check_group(self.group)
        if self.kind not in {"trivial", "regular"}:
            raise SpecError(f"kind={self.kind!r}: a field is 'trivial' or 'regular'.")
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise SpecError(f"count={self.count!r}: there must be at least one field.")

    @property
    def per_field(self) -> int:
        """Channels of one field."""
        return int(representation(self.group, self.kind).size)

    @property
    def channels(self) -> int:
        """Channels of all fields."""
        return self.count * self.per_field

    @property
    def sampled(self) -> bool:
        """Whether channels are coefficients rather than values, so that a ReLU must sample the field first."""
        return self.kind == "regular" and self.group == "SO2"

    def escnn_type(self) -> Any:  # noqa: ANN401 - escnn is untyped
        """Return escnn's FieldType."""
        with escnn_building() as escnn:
            return escnn.nn.FieldType(gspace(self.group), [representation(self.group, self.kind)] * self.count)

    def matrix(self, element: Element) -> npt.NDArray[np.float64]:
        """Return how an element mixes the channels of one field, shape ``[per_field, per_field]``."""
        return np.asarray(representation(self.group, self.kind)(element.escnn), dtype=np.float64)
