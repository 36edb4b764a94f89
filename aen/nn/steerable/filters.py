"""escnn's bases of equivariant filters, between one field and one field."""

import math
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from aen.errors import SpecError
from aen.nn.steerable.gspaces import Fields, Kind, check_group, is_exact
from aen.nn.steerable.loading import escnn_building

# A ring so thin that it reaches no other cell than those on it.
_THIN = 0.05


@dataclass(frozen=True, eq=False)
class FilterBasis:
    """What a layer from one field to one field is made of. Do not write to the tensors: all layers start from them.

    Attributes:
        filters: the basis, ``[count, out per field, in per field, k, k]``.
        deviations: standard deviation of each coefficient's initial value for one input field, ``[count]``.
        bias: the direction in which a field's bias may point, ``[out per field]``.
    """

    filters: Tensor
    deviations: Tensor
    bias: Tensor


@lru_cache(maxsize=None, typed=True)  # typed: 3.0 and True shall not be taken for 3 and 1
def filter_basis(
    group: str, in_kind: Kind, out_kind: Kind, kernel_size: int, *, band_limited: bool = True
) -> FilterBasis:
    """Return the basis that escnn's R2Conv uses for each pair of fields.

    Args:
        group: one of `STEERABLE_GROUPS`.
        in_kind: of the input field.
        out_kind: of the output field.
        kernel_size: side of the filters, odd.
        band_limited: leave out what the grid cannot resolve, as escnn does by default (6 of a 3x3 filter's 9). Without,
            every filter is there, as in a group convolution on the grid: only for groups that map the grid onto
            itself, and for filters of at most 3x3.

    Raises:
        SpecError: an unknown group, an even or too small filter, or one without band limit where that cannot be.
    """
    check_group(group)
    _check_kernel(group, kernel_size, band_limited=band_limited)
    with escnn_building() as escnn:
        full = {} if band_limited else _every_filter(kernel_size)
        # Only finite-group and SO2 fields with an invariant component are built here, so there always is a bias.
        conv = escnn.nn.R2Conv(
            Fields(group, in_kind, 1).escnn_type(),
            Fields(group, out_kind, 1).escnn_type(),
            kernel_size,
            initialize=False,
            recompute=True,  # escnn would keep the tensor and share it with layers made outside
            **full,
        )
        expansion = conv.basisexpansion
        (block,) = expansion.children()
        sampled: Tensor = block.sampled_basis
        deviations = escnn.nn.init._generalized_he_init_variances(expansion)  # noqa: SLF001 - standard deviations, in fact
    return FilterBasis(
        sampled.reshape(*sampled.shape[:3], kernel_size, kernel_size), deviations, conv.bias_expansion[:, 0].clone()
    )


def parameters_per_pair(group: str, kernel_size: int, *, band_limited: bool = True) -> tuple[int, int]:
    """Return how many numbers describe a filter: from an image to a field, and from a field to a field.

    A layer of n input and m output fields has n * m times as many weights, and m biases.

    Raises:
        SpecError: as `filter_basis`.
    """
    lifting, inner = (
        len(filter_basis(group, kind, "regular", kernel_size, band_limited=band_limited).deviations)
        for kind in ("trivial", "regular")
    )
    return lifting, inner


def _check_kernel(group: str, kernel_size: int, *, band_limited: bool) -> None:
    if isinstance(kernel_size, bool) or not isinstance(kernel_size, int) or kernel_size < 1 or not kernel_size % 2:
        raise SpecError(f"kernel_size={kernel_size!r}: a steerable filter has a cell at its centre; choose 3, 5 or 7.")
    if band_limited:
        return
    if not is_exact(group):
        raise SpecError(
            f"band_limited=False with {group}: finer than quarter turns, the grid cannot hold turned copies of every "
            "filter; leave band_limited=True, or choose C1, C2, C4, D1, D2 or D4."
        )
    if kernel_size > 3:  # noqa: PLR2004
        raise SpecError(f"band_limited=False with kernel_size={kernel_size}: choose 3, or leave band_limited=True.")


def _every_filter(kernel_size: int) -> dict[str, object]:
    """Return escnn's arguments for a basis of all filters: one ring for each distance from the centre."""
    rings = [0.0] if kernel_size == 1 else [0.0, 1.0, math.sqrt(2)]
    return {
        "rings": rings,
        "sigma": [_THIN] * len(rings),
        "frequencies_cutoff": lambda radius: 2.0 if radius else 0.0,  # four cells on a ring tell frequencies up to 2
    }
