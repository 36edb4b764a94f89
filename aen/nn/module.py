"""The interfaces of equivariant layers and of those with tied parameters."""

import abc
import math
import warnings
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.errors import SpecError
from aen.groups.grid import Grid, shape_of
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.fixed import FixedTensors
from aen.nn.tying import OrbitTable

Shape = tuple[int, int, int, int]


class EquivarianceWarning(UserWarning):
    """A layer is used such that it is not exactly equivariant."""


class EquivariantModule(FixedTensors, abc.ABC):
    """A map between feature maps with ``f(g x) = g f(x)`` for every element g of `group`.

    Attributes:
        in_type: the channels that it takes.
        out_type: the channels that it gives.
    """

    in_type: FieldType
    out_type: FieldType

    @property
    def group(self) -> PlanarGroup:
        """What the layer is equivariant to."""
        return self.out_type.group

    @abc.abstractmethod
    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of the output for inputs of a shape ``(batch, channels, height, width)``.

        Raises:
            SpecError: the layer does not take such inputs.
        """

    @abc.abstractmethod
    def export(self) -> nn.Module:
        """Return plain modules of torch, in the layer's mode, that compute the same."""

    def check_shape(self, shape: Shape) -> None:
        """Check that inputs of this shape can be taken, and moved by the group.

        Raises:
            SpecError: they cannot.
        """
        if len(shape) != 4 or shape[1] != self.in_type.channels:  # noqa: PLR2004
            raise SpecError(
                f"x has shape {tuple(shape)}; it must be (batch, {self.in_type.channels}, height, width): "
                f"{self.in_type}."
            )
        height, width = shape[2:]
        if height != width and any((e.turn * 2).denominator != 1 for e in self.group.elements):
            raise SpecError(
                f"images of {height}x{width} cannot be turned by the quarter turns of {self.group}; make them square, "
                "or use a group of half turns and mirrorings such as D2."
            )

    def check_equivariance(self, *, side: Grid = 12, seed: int = 0) -> Mapping[str, float]:
        """Return ``|f(g x) - g f(x)| / |f(x)|`` for every element g of the group but the identity, on random input.

        The module's mode counts: batch norm and dropout are equivariant in evaluation mode.

        Args:
            side: of the random images; rows and columns if they are not square.
            seed: of the random images.

        Raises:
            GroupError: the group does not act exactly on pixels.
        """
        like = next(self.parameters(), torch.zeros(()))
        source = torch.Generator().manual_seed(seed)
        x = torch.randn(4, self.in_type.channels, *shape_of(side), generator=source, dtype=torch.float64).to(like)
        errors = {}
        with torch.no_grad():
            y = self(x)
            scale = torch.linalg.vector_norm(y).clamp_min(1e-30)
            for element in self.group.elements[1:]:
                got = self(self.in_type.transform(x, element))
                errors[element.name] = float(
                    torch.linalg.vector_norm(got - self.out_type.transform(y, element)) / scale
                )
        return errors

    def extra_repr(self) -> str:
        """Return what `print` shows of the layer."""
        return f"{self.in_type} -> {self.out_type}"


class TiedModule(EquivariantModule):
    """An equivariant layer with parameters, each tied by the group: one value per orbit of full values."""

    @abc.abstractmethod
    def tables(self) -> Mapping[str, OrbitTable]:
        """Return, for each parameter and buffer of the group, how its values are expanded."""

    @abc.abstractmethod
    def regrouped(self, group: PlanarGroup) -> Self:
        """Return a layer like this one, tied by another subgroup of the channels' base; its values are not set."""


def check_types(in_type: FieldType, out_type: FieldType) -> None:
    """Check that a layer can be equivariant between two field types.

    Raises:
        SpecError: the output's group does not act on the input.
    """
    if not out_type.group <= in_type.group:
        raise SpecError(
            f"out_type has the group {out_type.group}, which does not act on in_type, {in_type}; along a network "
            f"groups only shrink: use {in_type.group} or one of its subgroups."
        )
    if not out_type.group.is_exact:
        raise SpecError(
            f"{out_type.group} does not act exactly on pixels; use a subgroup of D4, or the escnn backend, "
            "aen.nn.steerable."
        )


class GridWindow:
    """A window that slides over a grid: the geometry of convolutions and poolings.

    Args:
        kernel_size: side of the window, in cells.
        stride: cells from one place to the next.
        padding: cells added around the grid.
        dilation: distance of the window's cells.

    Raises:
        SpecError: a number that cannot be.
    """

    def __init__(self, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> None:
        least = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}
        given = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        for name, value in given.items():
            if not isinstance(value, int) or value < least[name]:
                raise SpecError(f"{name} is {value!r}; it must be a whole number from {least[name]} up.")
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self._warned: set[int] = set()

    def output_side(self, side: int, group: PlanarGroup) -> int:
        """Return the side of the output; warn where the stride leaves a rest, so that the group is broken.

        Raises:
            SpecError: the window is larger than the grid.
        """
        room = side + 2 * self.padding - self.dilation * (self.kernel_size - 1) - 1
        if room < 0:
            raise SpecError(
                f"kernel_size is {self.kernel_size} with dilation {self.dilation} and padding {self.padding}; that is "
                f"larger than an image of side {side}. Use a smaller kernel, more padding, or fewer poolings."
            )
        if room % self.stride and group.order > 1 and side not in self._warned:
            self._warned.add(side)
            warnings.warn(
                f"stride {self.stride} leaves a rest of {room % self.stride} on side {side} (kernel_size "
                f"{self.kernel_size}, padding {self.padding}, dilation {self.dilation}): the last cells are not seen, "
                f"so the layer is not equivariant to {group}. Make side + 2 padding - dilation (kernel_size - 1) - 1 a "
                "multiple of the stride.",
                EquivarianceWarning,
                stacklevel=4,
            )
        return room // self.stride + 1


def fan_in_values(
    shape: tuple[int, ...], fan_in: int, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    """Draw initial values from ±1/sqrt(fan_in), as torch's own layers do, on the CPU whatever the device."""
    return torch.empty(shape).uniform_(-1, 1, generator=generator).mul_(1 / math.sqrt(fan_in))
