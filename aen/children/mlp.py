"""The dense child network of AEN: tied layers between grids, then a head."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.children.spec import ChildSpec
from aen.nn.equivariance import equivariance_errors
from aen.nn.heads import FreeHead, InvariantHead
from aen.nn.linear import SymmetrizedLinear


class DenseChild(nn.Module):
    """Tied dense layers with ReLU between grids of cells, then a head (AEN, arXiv 2104.04848).

    Args:
        spec: the child; its seed draws the initial weights.
    """

    def __init__(self, spec: ChildSpec) -> None:
        super().__init__()
        self.spec = spec
        source = torch.Generator().manual_seed(spec.seed)
        own_bias = spec.bias == "orbit"
        self.layers = nn.ModuleList(
            SymmetrizedLinear(
                in_grid,
                out_grid,
                spec.decomposition,
                bias=own_bias,
                initialisation=spec.initialisation,
                generator=source,
            )
            for in_grid, out_grid in zip(spec.grids[:-1], spec.grids[1:], strict=True)
        )
        self.scalar_bias = None if own_bias else nn.Parameter(torch.zeros(len(self.layers)))
        last = spec.grids[-1]
        self.head: FreeHead | InvariantHead = (
            FreeHead(last, spec.classes, generator=source)
            if spec.head == "free"
            else InvariantHead(last, spec.classes, spec.decomposition, generator=source)
        )

    def features(self, x: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch out"]:
        """Return the last hidden grid, ``[batch, side**2]``; equivariant to the decomposition."""
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            if self.scalar_bias is not None:
                x = x + self.scalar_bias[i]
        return x

    def forward(self, images: Float[Tensor, "batch *image"]) -> Float[Tensor, "batch classes"]:
        """Return the logits of images ``[batch, 1, side, side]`` or ``[batch, side**2]``."""
        logits: Tensor = self.head(self.features(images.flatten(1)))
        return logits

    def parameter_count(self) -> int:
        """Return the number of free parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of the features' equivariance for every generator and for random words."""
        first = self.layers[0]
        return equivariance_errors(
            self.features,
            self.spec.decomposition.generators,
            in_side=self.spec.grids[0],
            out_side=self.spec.grids[-1],
            words=words,
            seed=seed,
            like=next(first.parameters()),
        )


def build_child(spec: ChildSpec) -> DenseChild:
    """Return the untrained network of a spec, with the initial weights of its seed."""
    return DenseChild(spec)
