"""Heads: the layers from the last hidden grid to the logits."""

import math

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid, cells_of
from aen.groups.orbits import grid_orbits
from aen.nn.fixed import FixedTensors
from aen.nn.tying import orbit_mean_matrix


class FreeHead(nn.Module):
    """An ordinary dense layer, as published: it may read every cell differently, so the child need not be invariant."""

    def __init__(self, grid: Grid, classes: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.linear = dense_layer(cells_of(grid), classes, generator)

    def forward(self, x: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch classes"]:
        """Return the logits."""
        logits: Tensor = self.linear(x)
        return logits

    def export(self) -> nn.Linear:
        """Return an ordinary dense layer of torch that computes the same."""
        return plain_linear(self.linear.weight, self.linear.bias)


class InvariantHead(FixedTensors):
    """The mean over each orbit of cells, then a dense layer: the logits do not change when the input is moved."""

    mean: Tensor

    def __init__(
        self, grid: Grid, classes: int, decomposition: Decomposition, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        orbits = grid_orbits(decomposition.generators, grid)
        self.fix("mean", orbit_mean_matrix(orbits))
        self.linear = dense_layer(orbits.count, classes, generator)

    def forward(self, x: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch classes"]:
        """Return the logits."""
        logits: Tensor = self.linear(x @ self.mean)
        return logits

    def export(self) -> nn.Linear:
        """Return an ordinary dense layer of torch that computes the same: all cells of an orbit have one weight."""
        return plain_linear(self.linear.weight @ self.mean.t(), self.linear.bias)


def plain_linear(weight: Float[Tensor, "outputs inputs"], bias: Float[Tensor, " outputs"]) -> nn.Linear:
    """Return a dense layer with these numbers."""
    outputs, inputs = weight.shape
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    layer = layer.to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def dense_layer(inputs: int, outputs: int, generator: torch.Generator | None, *, bias: bool = True) -> nn.Linear:
    """Return a dense layer with PyTorch's usual initial range, drawn from `generator`."""
    # skip_init: the usual initial values would be drawn from torch's global source and thrown away.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
    return layer
