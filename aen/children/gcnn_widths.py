"""How wide the convolutions of a G-CNN child are: so that children of all groups have about as many parameters."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from aen.errors import SpecError, did_you_mean
from aen.groups.planar import PlanarGroup

if TYPE_CHECKING:
    from aen.children.gcnn import GCNNSpec

LAYERS = 4
STAGES = 2
POOL = 2
DENSE = (100, 50)
# The published factor on the number of fields: one flip, quarter turns or both flips, and quarter turns with a flip.
_PUBLISHED = {"C1": 1.0, "D1": 1 / 1.8, "D1v": 1 / 1.8, "C4": 1 / 3, "D2": 1 / 3, "D4": 1 / 6}
LEVEL = 0.1  # what level means: the counts of all groups lie within it
# A child may have so many parameters more or fewer than that of C1; if so, its layers are as even as can be.
_TOLERANCE = 0.05


def published_fields(group: str, width: float) -> tuple[int, ...]:
    """Return the published numbers of fields, the same in every convolution (AEN, arXiv 2104.04848).

    Raises:
        SpecError: a group for which none is published.
    """
    if group not in _PUBLISHED:
        raise SpecError(f"no widths are published for {group!r}{did_you_mean(group, _PUBLISHED)}; use widths='level'.")
    return (max(math.floor(width * _PUBLISHED[group] + 1e-9), 1),) * LAYERS


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


def parameter_count(spec: "GCNNSpec", group: str, fields: Sequence[int]) -> int:
    """Return the number of parameters of a child with this group and these numbers of fields."""
    lifting, pair, order = _per_pair(spec, group)
    count = spec.channels * fields[0] * lifting
    count += sum(before * after * pair for before, after in pairwise(fields))
    count += sum(fields) * (2 if spec.norm == "batch" else 1)  # scale and shift of a norm, or a bias
    cells = sides_of(spec.side, spec.kernel_size, padded=spec.padding == "same")[-1] ** 2
    inputs = fields[-1] * (order * cells if spec.head == "flatten" else 1)
    for outputs in (*DENSE, spec.classes):
        count += (inputs + 1) * outputs
        inputs = outputs
    return count


def _per_pair(spec: "GCNNSpec", group: str) -> tuple[int, int, int]:
    """Return the filters' free values per image channel and field, and per pair of fields; and channels per field."""
    if spec.backend == "escnn":
        from aen.nn.steerable import Fields, parameters_per_pair

        return *parameters_per_pair(group, spec.kernel_size), Fields(group, "regular", 1).channels
    order = PlanarGroup.of(group).order
    return spec.kernel_size**2, order * spec.kernel_size**2, order


def level_fields(spec: "GCNNSpec") -> tuple[int, ...]:
    """Return numbers of fields that give a child about as many parameters as the child of C1 has.

    A layer of G with n fields has n^2 |G| free filters, so the widths go by one over the root of |G|. That leaves the
    dense layer behind the last convolution, which reads all channels if the head flattens them: so the last
    convolution's width is chosen apart from the others'.
    """
    wanted = [spec.width * spec.size * spec.stages[layer * STAGES // LAYERS] for layer in range(LAYERS)]
    plain = [max(math.floor(width), 1) for width in wanted]
    if spec.group == "C1":
        return tuple(plain)
    target = parameter_count(spec, "C1", plain)
    order = _per_pair(spec, spec.group)[2]
    factors = [step / 100 / math.sqrt(order) for step in range(20, 301)]
    bodies = {tuple(max(round(width * factor), 1) for width in wanted[:-1]): factor for factor in factors}
    found: list[tuple[tuple[float, float], tuple[int, ...]]] = []
    for body, factor in bodies.items():
        # The count is a linear function of the last width.
        one, two = (parameter_count(spec, spec.group, (*body, last)) for last in (1, 2))
        exact, margin = 1 + (target - one) / (two - one), _TOLERANCE * target / (two - one)
        even = wanted[-1] * factor
        nearest = min(max(even, exact - margin), exact + margin)
        for last in {max(math.floor(width), 1) + more for width in (nearest, exact) for more in (0, 1)}:
            off = abs((one + (last - 1) * (two - one)) / target - 1)
            uneven = abs(math.log(last / even))
            score = (max(off, _TOLERANCE), uneven if off <= _TOLERANCE else 0.0)
            found.append((score, (*body, last)))
    return min(found)[1]
