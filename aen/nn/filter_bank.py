"""The base class of convolutions between field types, whose filters are computed from fewer values."""

import abc
import functools
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from aen._typing import Float, IntArray
from aen.errors import SpecError
from aen.nn.fields import FieldType
from aen.nn.module import EquivariantModule, GridWindow, Shape
from aen.nn.tying import OrbitTable

Padding = int | Literal["same"]


@functools.lru_cache(maxsize=128)
def filter_members(in_type: FieldType, out_type: FieldType, kernel_size: int) -> IntArray:
    """Return where each free value of a filter bank stands in it.

    Args:
        in_type: channels of the input; the output's group acts on them.
        out_type: channels of the output.
        kernel_size: side of the filters.

    Returns:
        Places in the flat filter bank ``[out channels, in channels, kernel_size, kernel_size]``, one row for each
        element of the group, the identity first; columns are the flat ``W[field, in channel, pixel]``.
    """
    pixels = np.arange(kernel_size**2)
    rows = []
    for element in out_type.group.elements:
        a = out_type.permutation(element)[out_type.representatives()]
        b, x = in_type.permutation(element), element.permutation(kernel_size)[pixels]
        rows.append(((a[:, None, None] * len(b) + b[:, None]) * kernel_size**2 + x).reshape(-1))
    members = np.stack(rows)
    members.setflags(write=False)
    return members


@functools.lru_cache(maxsize=128)
def _filter_table(in_type: FieldType, out_type: FieldType, kernel_size: int) -> OrbitTable:
    return OrbitTable.of_members(filter_members(in_type, out_type, kernel_size).copy())


def filter_table(in_type: FieldType, out_type: FieldType, kernel_size: int) -> OrbitTable:
    """Return how the filters of one channel per field make the filter bank; see `filter_members`."""
    return _filter_table(in_type, out_type, kernel_size).shared()


def check_padding(padding: Padding, kernel_size: int, dilation: int) -> int:
    """Return the padding as a number of cells.

    Raises:
        SpecError: ``same``, where that would not be the same on all four sides.
    """
    if padding != "same":
        return padding
    if dilation * (kernel_size - 1) % 2:
        raise SpecError(
            f"padding is 'same' with kernel_size {kernel_size} and dilation {dilation}: an even kernel would need more "
            "cells on one side than on the other, which no turn keeps. Use an odd kernel_size or a number."
        )
    return dilation * (kernel_size - 1) // 2


class FilterBankConv2d(EquivariantModule):
    """A convolution whose whole filter bank is made from fewer values, then used as any other.

    Args:
        kernel_size: side of the filters.
        stride: from one place to the next.
        padding: cells of zeros around the image, or ``same``.
        dilation: distance between the filters' cells.

    Attributes:
        window: the geometry.

    Raises:
        SpecError: a size that cannot be.
    """

    def __init__(self, kernel_size: int, *, stride: int, padding: Padding, dilation: int) -> None:
        super().__init__()
        GridWindow(kernel_size, stride=stride, dilation=dilation)
        cells = check_padding(padding, kernel_size, dilation)
        self.window = GridWindow(kernel_size, stride=stride, padding=cells, dilation=dilation)

    @abc.abstractmethod
    def expanded_weight(self) -> Float[Tensor, "out in k k"]:
        """Return the whole filter bank."""

    @abc.abstractmethod
    def expanded_bias(self) -> Float[Tensor, " out"] | None:
        """Return one bias per channel, or None."""

    @property
    def kernel_size(self) -> int:
        """Side of the filters."""
        return self.window.kernel_size

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Return the convolution of the feature maps."""
        self.evaluate_output_shape(x.shape)  # type: ignore[arg-type]
        window = self.window
        return conv2d(x, self.expanded_weight(), self.expanded_bias(), window.stride, window.padding, window.dilation)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of the output; see `EquivariantModule`."""
        self.check_shape(shape)
        sides = (self.window.output_side(side, self.group) for side in shape[2:])
        return (shape[0], self.out_type.channels, *sides)

    def export(self) -> nn.Conv2d:
        """Return the ordinary convolution with the same filters."""
        window, weight, bias = self.window, self.expanded_weight(), self.expanded_bias()
        plain: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
            nn.Conv2d,
            self.in_type.channels,
            self.out_type.channels,
            window.kernel_size,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            bias=bias is not None,
            dtype=weight.dtype,
            device=weight.device,
        )
        with torch.no_grad():
            plain.weight.copy_(weight)
            if plain.bias is not None and bias is not None:
                plain.bias.copy_(bias)
        return plain.train(self.training)
