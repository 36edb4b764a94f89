"""The dense child network of AEN: tied layers between grids, then a head."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.children.child import Child
from aen.children.dense import DenseSpec
from aen.groups.grid import cells_of
from aen.nn.equivariance import equivariance_errors
from aen.nn.fixed import FixedTensors
from aen.nn.heads import FreeHead, InvariantHead, plain_linear
from aen.nn.linear import SymmetrizedLinear


class DenseChild(FixedTensors, Child):
    """Tied dense layers with ReLU between grids of cells, then a head (AEN, arXiv 2104.04848).

    Args:
        spec: the child; its seed draws the initial weights.
    """

    spec: DenseSpec

    def __init__(self, spec: DenseSpec) -> None:
        super().__init__()
        self.spec = spec
        source = torch.Generator().manual_seed(spec.seed)
        own_bias = spec.bias == "orbit"
        self.layers = nn.ModuleList(
            SymmetrizedLinear(
                in_grid,
                out_grid,
                decomposition,
                bias=own_bias,
                initialisation=spec.initialisation,
                generator=source,
            )
            for decomposition, (in_grid, out_grid) in zip(spec.layer_decompositions, spec.layer_shapes, strict=True)
        )
        # From the order in which a layer leaves its cells to the one in which the next (at last: the head) takes them.
        tied = self.tied_layers
        orders = [*(layer.product.in_order for layer in tied[1:]), np.arange(cells_of(spec.grids[-1]))]
        for i, (layer, wanted) in enumerate(zip(tied, orders, strict=True)):
            given = layer.product.out_order
            moves = None if np.array_equal(given, wanted) else np.argsort(given)[wanted]
            for name, order in (("moves", moves), ("moves_back", None if moves is None else np.argsort(moves))):
                self.fix(f"{name}_{i}", None if order is None else torch.from_numpy(order))
        self.scalar_bias = None if own_bias else nn.Parameter(torch.zeros(len(self.layers)))
        last = spec.grids[-1]
        self.head: FreeHead | InvariantHead = (
            FreeHead(last, spec.classes, generator=source)
            if spec.head == "free"
            else InvariantHead(last, spec.classes, spec.layer_decompositions[-1], generator=source)
        )
        if self.scalar_bias is not None and spec.initialisation == "published":
            bounds = torch.tensor([1 / math.sqrt(len(layer.weight)) for layer in tied])
            with torch.no_grad():
                self.scalar_bias.uniform_(-1, 1, generator=source).mul_(bounds)

    @property
    def tied_layers(self) -> tuple[SymmetrizedLinear, ...]:
        """The layers, as what they are."""
        return tuple(self.layers)  # type: ignore[arg-type]

    def prepare(self, images: Float[Tensor, "n *image"]) -> Float[Tensor, "n features"]:
        """Turn images ``[n, 1, rows, columns]`` or ``[n, cells]`` into what the first layer computes with.

        It is linear and has no parameters: training does it once for all images, see `forward_prepared`.
        """
        return self.tied_layers[0].product.rows(images.flatten(1))

    def moves(self, i: int, *, back: bool = False) -> Tensor | None:
        """Return how layer i's output is reordered for what follows (or back), None where it stays as it is."""
        order: Tensor | None = getattr(self, f"moves_back_{i}" if back else f"moves_{i}")
        return order

    def _hidden(self, rows: Tensor) -> Tensor:
        """Return the last hidden grid of prepared images, cells first, in natural order."""
        features = rows.t()
        layers = self.tied_layers
        for i, layer in enumerate(layers):
            h = torch.relu(layer.forward_features(features))
            if self.scalar_bias is not None:
                h = h + self.scalar_bias[i]
            moves = self.moves(i)
            if moves is not None:
                h = h.index_select(0, moves)
            if i + 1 < len(layers):
                features = layers[i + 1].product.encode(h)
        return h

    def features(self, x: Float[Tensor, "batch cells"]) -> Float[Tensor, "batch out"]:
        """Return the last hidden grid, ``[batch, cells]``; equivariant to what all layers have in common."""
        return self._hidden(self.prepare(x)).t()

    def forward_prepared(self, rows: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Return the logits of images that `prepare` has turned into rows."""
        logits: Tensor = self.head(self._hidden(rows).t())
        return logits

    @torch.no_grad()
    def export(self) -> nn.Sequential:
        """Return plain modules of torch that compute the same: no group is needed to use them."""
        dense = [*(layer.export() for layer in self.tied_layers), self.head.export()]
        if self.scalar_bias is not None:
            # What the layer before adds behind its ReLU is added by the layer that takes it.
            added = torch.cat([self.scalar_bias.new_zeros(1), self.scalar_bias])
            dense = [
                plain_linear(layer.weight, value * layer.weight.sum(dim=1) + (0 if layer.bias is None else layer.bias))
                for layer, value in zip(dense, added, strict=True)
            ]
        *hidden, last = dense
        parts = [part for layer in hidden for part in (layer, nn.ReLU())]
        return nn.Sequential(nn.Flatten(), *parts, last).train(self.training)

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of the features' equivariance for every generator and for random words.

        Where the layers have decompositions of their own, the features are equivariant to what these have in common;
        then each layer is checked separately, too: ``layer 2: hflip``.
        """
        spec, layers = self.spec, self.tied_layers
        errors = equivariance_errors(
            self.features,
            spec.shared_generators,
            in_grid=spec.grids[0],
            out_grid=spec.grids[-1],
            words=words,
            seed=seed,
            like=layers[0].weight,
        )
        if not spec.layers:
            return errors
        alone = [layer.check_equivariance(words=words, seed=seed) for layer in layers]
        return {**errors, **{f"layer {i}: {word}": e for i, found in enumerate(alone, 1) for word, e in found.items()}}
