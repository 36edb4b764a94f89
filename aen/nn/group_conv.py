r"""Group convolutions: ordinary convolutions whose filters are tied by a planar group.

A filter bank F between two field types commutes with the group iff ``F[g a, g b, g x] = F[a, b, x]`` for every element
g, output channel a, input channel b and pixel x of the kernel. So the free parameters are the filters W of one output
channel per field, the identity's, and ``F[g a, g b, g x] = W[a, b, x]`` says the rest (group convolutions: Cohen and
Welling, arXiv 1602.07576). F is gathered from W by an index table that is derived from the group, and then there is one
ordinary convolution.
"""

from typing import Self

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.filter_bank import FilterBankConv2d, Padding, filter_table
from aen.nn.initialisation import FilterInitialisation, check_initialisation, initial_biases, initial_filters
from aen.nn.module import TiedModule, check_types
from aen.nn.tying import OrbitTable


class GroupConv2d(FilterBankConv2d, TiedModule):
    """A convolution between field types, equivariant to the output's group; see the module's description.

    Args:
        in_type: the channels that it takes: an image's (then it is a `LiftingConv2d`) or another group convolution's.
        out_type: the channels that it gives, regular fields. Its group may be a subgroup of the input's.
        kernel_size: side of the filters. Even ones are exact too: the output's grid then lies between the input's
            cells.
        stride: with more than 1 the layer is equivariant only where ``side + 2 padding - dilation (kernel_size - 1)
            - 1`` is a multiple of it; otherwise there is an `EquivarianceWarning`.
        padding: cells of zeros around the image, or ``same``.
        dilation: distance between the filters' cells.
        bias: whether to add one value per field.
        initialisation: how initial values are drawn, see `aen.nn.initialisation`.
        generator: source of the initial values; None takes torch's global one.
        draw: whether to draw initial values at all; False is for who sets them.

    Attributes:
        weight: the filters of one channel per field, shape ``[fields, in channels, kernel_size, kernel_size]``.
        bias: shape ``[fields]``, or None.

    Raises:
        SpecError: types that do not go together, or a size that cannot be.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
        bias: bool = True,
        initialisation: FilterInitialisation = "fan_in",
        generator: torch.Generator | None = None,
        draw: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride=stride, padding=padding, dilation=dilation)
        self.check_in_type(in_type)
        check_types(in_type, out_type)
        check_initialisation(initialisation)
        if out_type.kind != "regular":
            raise SpecError(
                f"out_type is {out_type}; a group convolution gives regular fields: FieldType.regular(...)."
            )
        self.in_type, self.out_type = in_type.regroup(out_type.group), out_type
        self.initialisation = initialisation
        self.weight_table = filter_table(self.in_type, self.out_type, kernel_size)
        self.bias_table = OrbitTable.of_members(out_type.field_channels().T) if bias else None
        self.weight = nn.Parameter(torch.empty(out_type.fields, in_type.channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_type.fields)) if bias else None
        if draw:
            self.reset_parameters(generator)

    @staticmethod
    def check_in_type(in_type: FieldType) -> None:
        """Check that the layer takes such an input; any field type here."""

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new initial values."""
        given = self.initialisation, self.in_type, self.out_type, self.window.kernel_size, generator
        with torch.no_grad():
            self.weight.copy_(initial_filters(*given))
            if self.bias is not None:
                self.bias.copy_(initial_biases(*given))

    def expanded_weight(self) -> Float[Tensor, "out in k k"]:
        """Return the whole filter bank F."""
        shape = self.out_type.channels, self.in_type.channels, self.kernel_size, self.kernel_size
        return self.weight_table(self.weight.reshape(-1)).view(shape)  # type: ignore[no-any-return]

    def expanded_bias(self) -> Float[Tensor, " out"] | None:
        """Return one bias per channel, or None."""
        return None if self.bias is None or self.bias_table is None else self.bias_table(self.bias)

    def tables(self) -> dict[str, OrbitTable]:
        """Return how weight and bias are expanded."""
        return {"weight": self.weight_table} | ({} if self.bias_table is None else {"bias": self.bias_table})

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return a layer like this one, tied by another group; its values are not set."""
        window = self.window
        layer = type(self)(
            self.in_type.regroup(group),
            self.out_type.regroup(group),
            window.kernel_size,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            bias=self.bias is not None,
            initialisation=self.initialisation,
            draw=False,  # its values are overwritten
        )
        return layer.to(self.weight).train(self.training)


class LiftingConv2d(GroupConv2d):
    """A `GroupConv2d` that takes an image: its channels do not mix when the plane is moved.

    Raises:
        SpecError: the input is not an image's type, ``FieldType.trivial``.
    """

    @staticmethod
    def check_in_type(in_type: FieldType) -> None:
        """Check that the input is an image's.

        Raises:
            SpecError: it is not.
        """
        if in_type.kind != "trivial":
            raise SpecError(f"in_type is {in_type}; a lifting convolution takes FieldType.trivial(...), an image.")
