"""Layers between fields on the plane: what each answers, and convolution with escnn's filters.

Every layer maps plain tensors ``[batch, channels, h, w]`` and answers the same questions: `in_type`, `out_type`,
`evaluate_output_shape`, `check_equivariance` and `export`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fixed import FixedTensors
from aen.nn.module import GridWindow
from aen.nn.steerable.equivariance import equivariance_errors
from aen.nn.steerable.filters import filter_basis
from aen.nn.steerable.gspaces import Fields

Shape = tuple[int, ...]


class SteerableLayer(FixedTensors, ABC):
    """A map between fields that commutes with the group.

    Attributes:
        in_type: the fields it takes.
        out_type: the fields it gives.
    """

    def __init__(self, in_type: Fields, out_type: Fields) -> None:
        super().__init__()
        if in_type.group != out_type.group:
            raise SpecError(f"A layer from fields of {in_type.group} to fields of {out_type.group}: choose one group.")
        self.in_type = in_type
        self.out_type = out_type

    @abstractmethod
    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Tensor:
        """Return the output fields."""

    @abstractmethod
    def export(self) -> nn.Module:
        """Return a module of plain torch layers that computes the same as this one does in evaluation mode."""

    def evaluate_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of this shape."""
        return (shape[0], self.out_type.channels, *shape[2:])

    def check_equivariance(self, *, side: int = 32, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of equivariance for every element, see `equivariance_errors`."""
        like = next((p for p in self.parameters() if p.is_floating_point()), torch.zeros(()))
        return equivariance_errors(self, self.in_type, self.out_type, side=side, seed=seed, like=like)

    def extra_repr(self) -> str:
        """Return how many fields become how many."""
        return f"{self.in_type.group}, {self.in_type.count} {self.in_type.kind} -> {self.out_type.count} fields"


class SteerableConv2d(SteerableLayer):
    """A convolution whose filter is a combination of escnn's basis of equivariant filters; stride 1, no padding.

    ``F = sum_b weights[b] B_b`` with ``B_b(g p) = rho_out(g) B_b(p) rho_in(g)^-1`` for all b, g and p, then ``conv2d``.
    It computes what R2Conv computes and keeps nothing of it but the basis between one field and one field:
    R2Conv shares its basis among all layers of a process, so that moving one child to a device would move the others'.

    Args:
        in_type: the fields it takes.
        out_type: the fields it gives.
        kernel_size: side of the filter, odd.
        bias: one number for each output field.
        band_limited: leave out the filters that the grid cannot resolve, see `filter_basis`.
        generator: draws the initial weights: escnn's generalisation of He's, with a zero bias.

    Attributes:
        weights: coefficients, ``[out fields, in fields, count]``; flattened, they are R2Conv's.
        bias: ``[out fields]``, or None.
        basis: ``[count, out per field, in per field, k, k]``; not stored, it is built again.
        fingerprint: numbers that another basis would not give. Weights mean nothing in another basis, and which one
            escnn finds may depend on the machine's linear algebra: a state is refused where this differs.
    """

    basis: Tensor
    bias_direction: Tensor
    fingerprint: Tensor

    def __init__(
        self,
        in_type: Fields,
        out_type: Fields,
        kernel_size: int,
        *,
        bias: bool = True,
        band_limited: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_type, out_type)
        found = filter_basis(in_type.group, in_type.kind, out_type.kind, kernel_size, band_limited=band_limited)
        self.window = GridWindow(kernel_size)
        self.fix("basis", found.filters.clone())
        self.fix("bias_direction", found.bias.clone())
        self.register_buffer("fingerprint", _fingerprint(found.filters))
        shape = (out_type.count, in_type.count, len(found.deviations))
        deviations = found.deviations / in_type.count**0.5
        self.weights = nn.Parameter(deviations * torch.randn(shape, generator=generator))
        self.bias = nn.Parameter(torch.zeros(out_type.count)) if bias else None

    def filter_and_bias(self) -> tuple[Tensor, Tensor | None]:
        """Return the filter ``[out channels, in channels, k, k]`` and the bias ``[out channels]``, if there is one."""
        k = self.window.kernel_size
        filters = torch.einsum("oib,bxykl->oxiykl", self.weights, self.basis)
        flat = filters.reshape(self.out_type.channels, self.in_type.channels, k, k)
        return flat, None if self.bias is None else torch.outer(self.bias, self.bias_direction).reshape(-1)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out h2 w2"]:
        """Return the output fields, ``kernel_size - 1`` cells smaller; SpecError as `evaluate_output_shape`."""
        self.evaluate_output_shape(tuple(x.shape))
        weight, bias = self.filter_and_bias()
        return nn.functional.conv2d(x, weight, bias)

    def evaluate_output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of this shape.

        Raises:
            SpecError: the map is smaller than a filter.
        """
        return (shape[0], self.out_type.channels, *window_sides(self.window, shape, self.in_type.group))

    def export(self) -> nn.Conv2d:
        """Return the convolution with its filter as it is now."""
        with torch.no_grad():
            weight, bias = self.filter_and_bias()
            return plain_conv(weight, bias, groups=1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:  # noqa: ANN401 - torch's
        stored, own = state_dict.get(f"{prefix}fingerprint"), self.fingerprint
        if stored is not None and not (
            stored.shape == own.shape and torch.allclose(stored.to(own), own, rtol=1e-3, atol=1e-3)
        ):
            raise SpecError(
                f"The weights of {prefix.rstrip('.') or 'this layer'} belong to another basis of filters than the one "
                "computed here; export() the network where it was trained, and load that."
            )
        super()._load_from_state_dict(state_dict, prefix, *args)


def window_sides(window: GridWindow, shape: Shape, group: str) -> Shape:
    """Return the sides of the output. All rotations break where sixteenths of a turn do."""
    acting = PlanarGroup.of("C16" if group == "SO2" else group)
    return tuple(window.output_side(side, acting) for side in shape[2:])


def _fingerprint(filters: Tensor) -> Tensor:
    """Return a few numbers of a basis, every filter and input channel with a weight of its own."""
    by_filter, by_input = (torch.cos(torch.arange(n, dtype=filters.dtype)) for n in (len(filters), filters.shape[2]))
    return torch.einsum("b,i,boikl->okl", by_filter, by_input, filters).reshape(-1)


def plain_conv(weight: Tensor, bias: Tensor | None, *, groups: int) -> nn.Conv2d:
    """Return a convolution with these numbers."""
    out_channels, per_group, *kernel = weight.shape
    conv: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, per_group * groups, out_channels, tuple(kernel), groups=groups, bias=bias is not None
    )
    conv = conv.to(weight)
    with torch.no_grad():
        conv.weight.copy_(weight)
        if bias is not None and conv.bias is not None:
            conv.bias.copy_(bias)
    return conv
