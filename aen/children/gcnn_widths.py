"""Widths of the convolutions of a G-CNN child, chosen so that children of all groups have about the same size."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aen.errors import SpecError, did_you_mean
from aen.groups.grid import Grid, as_grid, cells_of
from aen.groups.planar import PlanarGroup

LAYERS = 4
STAGES = 2
POOL = 2
DENSE = (100, 50)
# All three published group bits: every element of D4 stands twice in a field, and the first dense layer is narrower.
DOUBLED = "published_doubled"
_DOUBLED_FACTOR, _DOUBLED_DENSE = 1 / 8, (76, 50)
# The published factor on the number of fields: one flip, quarter turns or both flips, and quarter turns with a flip.
_PUBLISHED = {"C1": 1.0, "D1": 1 / 1.8, "D1v": 1 / 1.8, "C4": 1 / 3, "D2": 1 / 3, "D4": 1 / 6}
LEVEL = 0.1  # what level means: the counts of all groups lie within it
# A child may have so many parameters more or fewer than that of C1; if so, its layers are as even as can be.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class GCNNShape:
    """What the number of parameters of a G-CNN child depends on, besides its group and its numbers of fields.

    Attributes:
        side: of the images; rows and columns if they are not square.
        channels: of the images.
        classes: number of outputs.
        kernel_size: of the convolutions.
        padded: whether the convolutions keep the size of their input.
        norm: whether a batch norm follows each convolution.
        flatten: whether the dense layers read all channels and cells, not the mean of every field.
        escnn: whether the layers are those of escnn, which have fewer free filters.
        doubled: whether every element of the group stands twice in a field, see `aen.nn.doubled_conv`.
    """

    side: Grid
    channels: int
    classes: int
    kernel_size: int
    padded: bool
    norm: bool
    flatten: bool
    escnn: bool
    doubled: bool = False

    @property
    def dense(self) -> tuple[int, ...]:
        """Widths of the dense layers before the output."""
        return _DOUBLED_DENSE if self.doubled else DENSE


def published_fields(group: str, width: float, *, doubled: bool = False) -> tuple[int, ...]:
    """Return the published numbers of fields, the same in every convolution (AEN, arXiv 2104.04848).

    Args:
        group: of the convolutions.
        width: fields where the group is C1.
        doubled: whether every element of the group, D4, stands twice in a field.

    Raises:
        SpecError: a group for which none is published.
    """
    if doubled and group != "D4":
        raise SpecError(f"widths is {DOUBLED!r}, which is for group 'D4', but group is {group!r}; use 'published'.")
    if group not in _PUBLISHED:
        raise SpecError(f"no widths are published for {group!r}{did_you_mean(group, _PUBLISHED)}; use widths='level'.")
    factor = _DOUBLED_FACTOR if doubled else _PUBLISHED[group]
    return (max(math.floor(width * factor + 1e-9), 1),) * LAYERS


def sides_of(side: int, kernel_size: int, *, padded: bool) -> tuple[int, ...]:
    """Return the side of the maps after each convolution, pooled after the second and the fourth.

    Raises:
        SpecError: the images are too small.
    """
    if padded and kernel_size % 2 == 0:
        raise SpecError(f"padding is 'same' with kernel_size {kernel_size}; use an odd kernel_size, or padding='none'.")
    sides, now = [], side
    for layer in range(LAYERS):
        now -= 0 if padded else kernel_size - 1
        now //= POOL if layer % 2 else 1
        if now < 1:
            raise SpecError(
                f"side is {side}: images of {side}x{side} are too small for {LAYERS} convolutions with kernel_size "
                f"{kernel_size} and two poolings; use padding='same', a smaller kernel_size, or larger images."
            )
        sides.append(now)
    return tuple(sides)


def maps_of(grid: Grid, kernel_size: int, *, padded: bool) -> tuple[Grid, ...]:
    """Return the grid of the maps after each convolution; see `sides_of`.

    Raises:
        SpecError: the images are too small.
    """
    if isinstance(grid, int):
        return sides_of(grid, kernel_size, padded=padded)
    each = (sides_of(side, kernel_size, padded=padded) for side in grid)
    return tuple(as_grid(shape) for shape in zip(*each, strict=True))


def parameter_count(shape: GCNNShape, group: str, fields: Sequence[int]) -> int:
    """Return the number of parameters of a child with this group and these numbers of fields."""
    lifting, pair, order = _per_pair(shape, group)
    count = shape.channels * fields[0] * lifting
    count += sum(before * after * pair for before, after in pairwise(fields))
    # Scale and shift of a norm, one for each copy of the group, or a bias.
    count += sum(fields) * ((4 if shape.doubled else 2) if shape.norm else 1)
    cells = cells_of(maps_of(shape.side, shape.kernel_size, padded=shape.padded)[-1])
    inputs = fields[-1] * (order * cells if shape.flatten else 1 + shape.doubled)
    for outputs in (*shape.dense, shape.classes):
        count += (inputs + 1) * outputs
        inputs = outputs
    return count


# By group and kernel size.
_ESCNN: dict[tuple[str, int], tuple[int, int, int]] = {}


def escnn_per_pair(group: str, kernel_size: int) -> tuple[int, int, int]:
    """Return the same as `_per_pair`, of escnn's layers; it is computed once, or noted by `note_escnn`."""
    found = _ESCNN.get((group, kernel_size))
    if found is None:
        from aen.nn.steerable import Fields, parameters_per_pair  # imports escnn, which is optional, and torch

        found = (*parameters_per_pair(group, kernel_size), Fields(group, "regular", 1).channels)
        _ESCNN[group, kernel_size] = found
    return found


def note_escnn(group: str, kernel_size: int, values: tuple[int, int, int]) -> None:
    """Note what `escnn_per_pair` has returned in another process, so that this one does not import escnn."""
    _ESCNN[group, kernel_size] = values


def has_noted_escnn(group: str, kernel_size: int) -> bool:
    """Return whether `escnn_per_pair` knows the values without escnn."""
    return (group, kernel_size) in _ESCNN


def _per_pair(shape: GCNNShape, group: str) -> tuple[int, int, int]:
    """Return the filters' free values per image channel and field, and per pair of fields; and channels per field."""
    if shape.escnn:
        return escnn_per_pair(group, shape.kernel_size)
    order = PlanarGroup.of(group).order * (1 + shape.doubled)
    return shape.kernel_size**2, order * shape.kernel_size**2, order


@functools.lru_cache(maxsize=1024)
def level_fields(shape: GCNNShape, group: str, width: float, stages: tuple[float, ...]) -> tuple[int, ...]:
    """Return numbers of fields that give a child about as many parameters as the child of C1 has.

    A layer of G with n fields has n^2 |G| free filters, so the widths go by one over the root of |G|. That leaves the
    dense layer behind the last convolution, which reads all channels if the head flattens them: so the last
    convolution's width is chosen apart from the others'.

    Args:
        shape: of the child.
        group: of the convolutions.
        width: fields of each convolution where the group is C1, before `stages`.
        stages: factors on the widths of the first two and the last two convolutions.
    """
    wanted = [width * stages[layer * STAGES // LAYERS] for layer in range(LAYERS)]
    plain = [max(math.floor(width), 1) for width in wanted]
    if group == "C1":
        return tuple(plain)
    target = parameter_count(shape, "C1", plain)
    order = _per_pair(shape, group)[2]
    factors = [step / 100 / math.sqrt(order) for step in range(20, 301)]
    bodies = {tuple(max(round(width * factor), 1) for width in wanted[:-1]): factor for factor in factors}
    found: list[tuple[tuple[float, float], tuple[int, ...]]] = []
    for body, factor in bodies.items():
        # The count is a linear function of the last width.
        one, two = (parameter_count(shape, group, (*body, last)) for last in (1, 2))
        exact, margin = 1 + (target - one) / (two - one), _TOLERANCE * target / (two - one)
        even = wanted[-1] * factor
        nearest = min(max(even, exact - margin), exact + margin)
        for last in {max(math.floor(width), 1) + more for width in (nearest, exact) for more in (0, 1)}:
            off = abs((one + (last - 1) * (two - one)) / target - 1)
            uneven = abs(math.log(last / even))
            score = (max(off, _TOLERANCE), uneven if off <= _TOLERANCE else 0.0)
            found.append((score, (*body, last)))
    return min(found)[1]
