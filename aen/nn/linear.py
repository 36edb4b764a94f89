"""Symmetrised linear layers: dense maps between grids whose weights are tied by a decomposition."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.errors import SpecError, did_you_mean
from aen.groups.decomposition import Decomposition
from aen.groups.orbits import grid_orbits, layer_orbits
from aen.nn.equivariance import equivariance_errors
from aen.nn.tying import OrbitTable

Initialisation = Literal["fan_in", "published"]


class SymmetrizedLinear(nn.Module):
    r"""A dense layer between two grids, equivariant to every factor of a decomposition.

    .. math:: y = x W + b, \qquad W[p_g(i), q_g(j)] = W[i, j], \quad b[q_g(j)] = b[j]

    for every generator g, which acts on the input grid by p and on the output grid by q. The free parameters are one
    value per orbit of input-output pairs and one per orbit of output cells (AEN, arXiv 2104.04848).

    Args:
        in_grid: side of the input grid; the layer takes ``in_grid**2`` features, row by row.
        out_grid: side of the output grid.
        decomposition: what to be equivariant to; an empty one gives an ordinary dense layer.
        bias: whether to add the tied bias.
        initialisation: ``fan_in`` draws from ±1/sqrt(in_grid**2), the fan-in of the expanded matrix; ``published`` from
            ±1/sqrt(number of orbits), as the published implementation does (its bias too).
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        weight: one value per orbit of pairs, shape ``[weight orbits]``.
        bias: one value per orbit of output cells, shape ``[output orbits]``, or None.

    Raises:
        GroupError: a factor does not fit one of the grids.
        SpecError: an unknown initialisation.
    """

    def __init__(
        self,
        in_grid: int,
        out_grid: int,
        decomposition: Decomposition,
        *,
        bias: bool = True,
        initialisation: Initialisation = "fan_in",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(decomposition, Decomposition):
            raise SpecError(f"decomposition is {decomposition!r}; write Decomposition.of(['rot90', 'hflip']).")
        decomposition.check((in_grid, out_grid))
        self.in_grid, self.out_grid, self.decomposition = in_grid, out_grid, decomposition
        self.weight_table = OrbitTable(layer_orbits(decomposition.generators, in_grid, out_grid))
        self.weight = nn.Parameter(torch.empty(self.weight_table.count))
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias_table = OrbitTable(grid_orbits(decomposition.generators, out_grid))
            self.bias = nn.Parameter(torch.empty(self.bias_table.count))
        self.reset_parameters(initialisation, generator)

    def reset_parameters(self, initialisation: Initialisation, generator: torch.Generator | None = None) -> None:
        """Draw new initial values."""
        bounds = {"fan_in": 1 / self.in_grid, "published": 1 / math.sqrt(self.weight_table.count)}
        if initialisation not in bounds:
            raise SpecError(f"unknown initialisation {initialisation!r}{did_you_mean(initialisation, bounds)}.")
        with torch.no_grad():
            for parameter in self.parameters():
                # Drawn on the CPU, so that a seed means the same values on every device.
                parameter.copy_(torch.empty(parameter.shape).uniform_(-1, 1, generator=generator))
                parameter.mul_(bounds[initialisation])

    @property
    def in_features(self) -> int:
        """Number of input features, ``in_grid**2``."""
        return self.in_grid**2

    @property
    def out_features(self) -> int:
        """Number of output features, ``out_grid**2``."""
        return self.out_grid**2

    def expanded_weight(self) -> Float[Tensor, "inputs outputs"]:
        """Return the full matrix W; the layer computes ``x @ W``."""
        weight: Tensor = self.weight_table(self.weight)
        return weight.view(self.in_features, self.out_features)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return ``x W + b``."""
        if x.shape[-1] != self.in_features:
            raise SpecError(
                f"x has shape {tuple(x.shape)}; its last dimension must be {self.in_features}, the cells of a "
                f"{self.in_grid}x{self.in_grid} grid. Flatten images first: x.flatten(1)."
            )
        y = x @ self.expanded_weight()
        return y if self.bias is None else y + self.bias_table(self.bias)

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of ``f(g x) = g f(x)`` for every generator and for random words in them."""
        return equivariance_errors(
            self,
            self.decomposition.generators,
            in_side=self.in_grid,
            out_side=self.out_grid,
            words=words,
            seed=seed,
            like=self.weight,
        )

    def extra_repr(self) -> str:
        """Return what `print` shows of the layer."""
        return f"{self.in_grid}x{self.in_grid} -> {self.out_grid}x{self.out_grid}, {self.decomposition}"
