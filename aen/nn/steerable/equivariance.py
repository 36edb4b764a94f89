"""Measuring how equivariant a map between fields on the plane is, for turns that leave the pixel grid too."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from aen.errors import SpecError
from aen.nn.steerable.gspaces import Element, Fields, group_elements

# Blobs of a test image, in sides of the image: so wide that a turned image is as well resolved as the image itself, and
# so near to the middle that none leaves the image when it is turned.
_BLOBS = 12
_BLOB_WIDTH = 0.08
_BLOB_OFFSET = 0.2
_IMAGES = 4
# Output cells nearer to the border than this cannot be interpolated after a turn.
_MARGIN = 1.5
LEAST_SIDE = 12


def equivariance_errors(
    function: Callable[[Tensor], Tensor],
    in_type: Fields,
    out_type: Fields | None,
    *,
    side: int,
    seed: int = 0,
    like: Tensor,
) -> Mapping[str, float]:
    """Return ``|f(g x) - g f(x)| / |f(x)|`` for every element g but the identity; for SO2, for every twelfth of a turn.

    The inputs are functions on the whole plane that are sampled after they are moved, so no error comes from turning
    them. An output is turned by moving its cells where the turn maps the grid onto itself, and otherwise by bicubic
    interpolation inside the circle where that is possible.

    Args:
        function: maps ``[n, in_type.channels, side, side]`` to ``[n, out_type.channels, h, w]``.
        in_type: what its input is.
        out_type: what its output is; None asks for invariance, ``f(g x) = f(x)``, of an output of any shape.
        side: of the input.
        seed: of the inputs.
        like: a tensor that says which device and dtype the input has.

    Returns:
        The relative error by the element's name.

    Raises:
        SpecError: the output is too small to be turned.
    """
    errors: dict[str, float] = {}
    with torch.no_grad():
        y = function(plane_fields(in_type, None, side=side, seed=seed).to(like)).double().cpu()
        for element in group_elements(in_type.group)[1:]:
            got = function(plane_fields(in_type, element, side=side, seed=seed).to(like)).double().cpu()
            if out_type is None:
                expected, seen = y, torch.ones((), dtype=torch.float64)
            else:
                expected, seen = turn_cells(mix_channels(y, out_type, element), element)
            size = torch.linalg.vector_norm(y * seen).clamp_min(1e-30)
            errors[element.planar.name] = float(torch.linalg.vector_norm((got - expected) * seen) / size)
    return errors


def plane_fields(fields: Fields, element: Element | None, *, side: int, seed: int) -> Tensor:
    """Return random smooth fields, moved by an element: ``(g f)(p) = rho(g) f(g^-1 p)``, ``[4, channels, side, side]``.

    They are sums of Gaussian blobs, so they can be sampled at the moved points themselves.
    """
    rng = np.random.default_rng(seed)
    shape = (_IMAGES, fields.channels, _BLOBS)
    weights = torch.from_numpy(rng.normal(size=shape))
    centres = torch.from_numpy(rng.uniform(-_BLOB_OFFSET, _BLOB_OFFSET, size=(*shape, 2))) * side
    points = _points(side)
    if element is not None:
        points = points @ torch.from_numpy(element.matrix)  # row vectors: p @ m is m^T p, and m^T = m^-1
    squares = (points - centres[..., None, None, :]).square().sum(-1)
    values = (weights[..., None, None] * torch.exp(-squares / (2 * (_BLOB_WIDTH * side) ** 2))).sum(2)
    return values if element is None else mix_channels(values, fields, element)


def mix_channels(y: Tensor, fields: Fields, element: Element) -> Tensor:
    """Return the fields with the channels of each mixed as the element mixes them, every cell where it was."""
    matrix = torch.from_numpy(fields.matrix(element)).to(y)
    n, _, h, w = y.shape
    return torch.einsum("ab,nfbhw->nfahw", matrix, y.reshape(n, fields.count, fields.per_field, h, w)).reshape(y.shape)


def turn_cells(y: Tensor, element: Element) -> tuple[Tensor, Tensor]:
    """Return the maps with their cells moved by an element, and where that can be known: ``[h, w]`` of 0 and 1."""
    side = y.shape[-1]
    points = _points(side)
    sources = points @ torch.from_numpy(element.matrix)
    if np.allclose(element.matrix, element.matrix.round(), atol=1e-9):
        half = (side - 1) / 2
        columns, rows = (sources[..., 0] + half).round().long(), (half - sources[..., 1]).round().long()
        return y[..., rows, columns], torch.ones(side, side, dtype=torch.float64)
    # grid_sample: y downwards, and with align_corners=False the image's borders, not its outer cells, are at 1.
    grid = sources * torch.tensor([2 / side, -2 / side], dtype=torch.float64)
    turned = torch.nn.functional.grid_sample(
        y, grid.expand(len(y), -1, -1, -1).to(y), mode="bicubic", padding_mode="border", align_corners=False
    )
    seen = points.norm(dim=-1) <= (side - 1) / 2 - _MARGIN
    if side < LEAST_SIDE:
        raise SpecError(
            f"An output of {side}x{side} is too small to be turned by {element.planar.name}; choose a larger side for "
            f"the input, so that the output's is at least {LEAST_SIDE}."
        )
    return turned, seen.double()


def worst(errors: Mapping[str, float]) -> float:
    """Return the largest error, infinity where one is not a number, 0 where there are none."""
    return max((math.inf if math.isnan(error) else error for error in errors.values()), default=0.0)


def _points(side: int) -> Tensor:
    """Return the cells' centres, x to the right and y upwards, ``[side, side, 2]``."""
    line = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    y, x = torch.meshgrid(-line, line, indexing="ij")
    return torch.stack([x, y], dim=-1)
