"""Between escnn's order of channels and that of the project's own group convolutions."""

import torch
from torch import Tensor

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.steerable.gspaces import Fields, group_elements, is_exact
from aen.nn.steerable.layers import SteerableConv2d


def native_channels(fields: Fields) -> Tensor:
    """Return which of the steerable channels stands where in a native layer's: ``native = x[:, native_channels]``.

    Native channels are ordered by `PlanarGroup.elements`, escnn's by its own list of elements; in both, channel g
    moves to g' g under an element g'.

    Raises:
        SpecError: the group is SO2, which no native layer knows.
    """
    if fields.kind == "trivial":
        return torch.arange(fields.count)
    if fields.group == "SO2":
        raise SpecError("Fields of SO2 have no counterpart among native layers; choose a finite group such as C8.")
    native = PlanarGroup.of(fields.group)
    places = torch.tensor([native.index(element.planar) for element in group_elements(fields.group)])
    starts = torch.arange(fields.count) * fields.per_field
    return (starts[:, None] + torch.argsort(places)).reshape(-1)


def native_filters(conv: SteerableConv2d) -> Tensor:
    """Return a steerable layer's filter in the native order of channels, ``[out channels, in channels, k, k]``.

    With it, conv2d of native input channels gives native output channels.

    Raises:
        SpecError: the group does not map the pixel grid onto itself, so a native layer cannot compute the same.
    """
    if not is_exact(conv.in_type.group):
        raise SpecError(
            f"Filters of {conv.in_type.group} are no copies of each other on the pixel grid, so no native layer has "
            "them; choose C1, C2, C4, D1, D2 or D4."
        )
    weight, _ = conv.filter_and_bias()
    return weight[native_channels(conv.out_type)][:, native_channels(conv.in_type)]


def native_weight(conv: SteerableConv2d) -> Tensor:
    """Return the `weight` with which a `GroupConv2d` or `LiftingConv2d` computes the same as a steerable layer.

    ``F[g a, g b, g x] = W[a, b, x]`` for a the identity's channel of each field, and the identity comes first: so the
    weight is every order-th row of the filter. A native bias is added to each channel of a field as it is; the one to
    give it is ``conv.bias * conv.bias_direction[0]``.

    Returns:
        ``[out fields, in channels, k, k]``, its input channels in the native order.

    Raises:
        SpecError: as `native_filters`.
    """
    return native_filters(conv)[:: conv.out_type.per_field]
