r"""Group convolutions in which every element of the group stands twice.

The published G-CNNs of AEN (arXiv 2104.04848) build the group of quarter turns and both flips as 4 x 2 x 2 = 16
elements, but the plane has only the 8 of D4: two at a time move it alike. That is a group convolution of D4 x C2 whose
C2 moves nothing. A field has two copies of the regular field of D4, filters are ``F[(o, a), (i, b)] = W[o, i, a + b]``
for the copies a and b (modulo 2), and a bias is shared by both. So the second copy of a feature map equals the first,
and the layer has twice the free filters of one of D4 without computing more functions.
"""

import math
from typing import Self

import torch
from torch import nn

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.filter_bank import Padding, filter_members
from aen.nn.group_conv import GroupConv2d
from aen.nn.initialisation import FilterInitialisation, initial_biases, initial_filters
from aen.nn.tying import OrbitTable

COPIES = 2


def doubled_type(group: str, fields: int) -> FieldType:
    """Return the type of so many fields in which every element of the group stands twice."""
    return FieldType.regular(group, COPIES * fields)


class DoubledConv2d(GroupConv2d):
    """A group convolution in which every element of the group stands twice; see the module's description.

    Args:
        in_type: an image, or a `doubled_type`.
        out_type: a `doubled_type`.
        kernel_size: side of the filters.
        padding: cells of zeros around the image, or ``same``.
        bias: whether to add one value per field.
        initialisation: ``fan_in`` or ``uniform_by_fields``, see `aen.nn.initialisation`; a field has both copies.
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        weight: the filters of one channel per field, shape ``[fields, in channels, kernel_size, kernel_size]``.
        bias: shape ``[fields]``, or None.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        kernel_size: int,
        *,
        padding: Padding = 0,
        bias: bool = True,
        initialisation: FilterInitialisation = "fan_in",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            in_type, out_type, kernel_size, padding=padding, bias=bias, initialisation=initialisation, draw=False
        )
        fields, inputs = out_type.fields // COPIES, in_type.channels
        # Where each free filter stands for each element of D4 and each output copy; see `filter_members`.
        places = torch.from_numpy(filter_members(self.in_type, self.out_type, kernel_size).copy())
        places = places.view(out_type.group.order, fields, COPIES, inputs, kernel_size**2)
        members = [places[:, :, copy, _swapped(in_type, copy)].flatten(1) for copy in range(COPIES)]
        self.weight_table = OrbitTable.of_members(torch.cat(members).numpy())
        self.weight = nn.Parameter(torch.empty(fields, inputs, kernel_size, kernel_size))
        if bias:
            channels = torch.from_numpy(out_type.field_channels()).reshape(fields, -1)
            self.bias_table = OrbitTable.of_members(channels.T.contiguous().numpy())
            self.bias = nn.Parameter(torch.empty(fields))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new initial values."""
        given = self.initialisation, self.in_type, self.out_type, self.window.kernel_size, generator
        # Half as many fields as those of the types have the same channels.
        by_fields = self.initialisation == "uniform_by_fields" and self.in_type.kind == "regular"
        scale = math.sqrt(COPIES) if by_fields else 1.0
        with torch.no_grad():
            self.weight.copy_(initial_filters(*given)[::COPIES] * scale)
            if self.bias is not None:
                self.bias.copy_(initial_biases(*given)[::COPIES] * scale)

    def regrouped(self, group: PlanarGroup) -> Self:
        """Raise an error: its filters are no smaller group's.

        Raises:
            SpecError: always.
        """
        raise SpecError(f"a convolution in which every element stands twice cannot be regrouped to {group}.")


def _swapped(in_type: FieldType, copy: int) -> torch.Tensor:
    """Return, for each input channel, the one that has its filter in this output copy."""
    channels = torch.arange(in_type.channels)
    if in_type.kind == "trivial" or copy == 0:
        return channels
    return channels.view(-1, COPIES, in_type.base.order).flip(1).reshape(-1)
