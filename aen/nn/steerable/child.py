"""The convolutional part of the G-CNN child of AEN, on escnn's filters (arXiv 2104.04848)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.errors import SpecError
from aen.nn.steerable.equivariance import equivariance_errors
from aen.nn.steerable.gspaces import Fields, check_group, is_exact
from aen.nn.steerable.layers import Shape, SteerableConv2d, SteerableLayer
from aen.nn.steerable.pointwise import SteerableBatchNorm2d, SteerableMaxPool2d, SteerableMean, SteerableReLU


class SteerableFeatures(nn.Module):
    """Group convolutions without padding, ReLU after each, 2x2 max pooling after every second.

    ``x -> [conv, (norm), ReLU, conv, (norm), ReLU, pool] ...``: with four convolutions of 3x3, 28x28 cells become 4x4.

    Args:
        group: one of `STEERABLE_GROUPS`.
        fields: how many fields each convolution gives; a field has as many channels as the group has elements (SO2: 5).
        in_channels: channels of the images.
        kernel_size: side of the filters, odd.
        norm: batch norm before each ReLU; the convolutions have no bias then, which it would subtract again.
        band_limited: see `aen.nn.steerable.filters.filter_basis`.
        generator: draws the initial weights.

    Attributes:
        layers: the layers, in order.
        mean: from the features to one invariant number for each field.
        in_type: images.
        out_type: the features.

    Raises:
        SpecError: something cannot be built as described, or escnn is not installed.
    """

    def __init__(
        self,
        group: str,
        fields: Sequence[int],
        in_channels: int = 1,
        kernel_size: int = 3,
        *,
        norm: bool = False,
        band_limited: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_group(group)
        if not fields:
            raise SpecError(f"fields={fields!r}: name the number of fields of at least one convolution.")
        self.in_type = here = Fields(group, "trivial", in_channels)
        layers: list[SteerableLayer] = []
        for i, count in enumerate(fields):
            there = Fields(group, "regular", count)
            layers.append(
                SteerableConv2d(here, there, kernel_size, bias=not norm, band_limited=band_limited, generator=generator)
            )
            if norm:
                layers.append(SteerableBatchNorm2d(there))
            layers.append(SteerableReLU(there))
            if i % 2:
                layers.append(SteerableMaxPool2d(there))
            here = there
        self.out_type = here
        self.layers = nn.ModuleList(layers)
        self.mean = SteerableMean(here)

    @property
    def steerable_layers(self) -> tuple[SteerableLayer, ...]:
        """The layers, as what they are."""
        return tuple(self.layers)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "batch in h w"]) -> Float[Tensor, "batch channels h2 w2"]:
        """Return the features of images, equivariant to the group."""
        for layer in self.layers:
            x = layer(x)
        return x

    def invariants(self, features: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch fields"]:
        """Return the mean of features over group and cells, one number for each field."""
        means: Tensor = self.mean(features)
        return means

    def evaluate_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the features of images of this shape ``(batch, channels, h, w)``.

        Raises:
            SpecError: a map is too small for a filter or a pooling.
        """
        for layer in self.steerable_layers:
            shape = layer.evaluate_output_shape(shape)
        return shape

    def parameter_count(self) -> int:
        """Return the number of free parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def check_equivariance(
        self, *, side: int | None = None, seed: int = 0, invariants: bool = False
    ) -> Mapping[str, float]:
        """Return the relative error of equivariance for every element, see `equivariance_errors`.

        Args:
            side: of the images; None: 28, or 76 where features must be interpolated to be turned.
            seed: of the images.
            invariants: check that the invariant features do not change, rather than how the features move.

        Raises:
            SpecError: a map is too small for a filter, a pooling, or to be turned.
        """
        side = side or (28 if invariants or is_exact(self.in_type.group) else 76)
        like = next(self.parameters())
        if invariants:
            function = nn.Sequential(self, self.mean)
            return equivariance_errors(function, self.in_type, None, side=side, seed=seed, like=like)
        return equivariance_errors(self, self.in_type, self.out_type, side=side, seed=seed, like=like)

    def export(self, *, invariants: bool = False) -> nn.Sequential:
        """Return plain torch layers that compute the features (or the invariant ones) as in evaluation mode."""
        layers = [*self.steerable_layers, *([self.mean] if invariants else [])]
        plain = nn.Sequential(*(layer.export() for layer in layers))
        return plain.eval()
