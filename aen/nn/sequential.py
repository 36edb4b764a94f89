"""Equivariant layers one after the other."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from aen.errors import SpecError
from aen.nn.module import EquivariantModule, Shape


class EquivariantSequential(EquivariantModule):
    """Layers of which each takes what the one before gives; equivariant to the last one's group, the smallest.

    Args:
        layers: along them groups may only shrink.

    Raises:
        SpecError: a layer that does not take what the one before gives.
    """

    def __init__(self, *layers: EquivariantModule) -> None:
        super().__init__()
        if not layers:
            raise SpecError("a sequence needs at least one layer.")
        for place, (before, layer) in enumerate(pairwise(layers), start=1):
            given, wanted = before.out_type, layer.in_type
            same = (given.base, given.count, given.kind) == (wanted.base, wanted.count, wanted.kind)
            if not same or not wanted.group <= given.group:
                raise SpecError(
                    f"layer {place}, {type(layer).__name__}, takes {wanted}, but the one before it gives {given}; make "
                    "them agree. Along a network groups only shrink."
                )
        self.layers = nn.ModuleList(layers)
        self.in_type, self.out_type = layers[0].in_type, layers[-1].out_type

    def __iter__(self) -> Iterator[EquivariantModule]:
        return (cast("EquivariantModule", layer) for layer in self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, place: int) -> EquivariantModule:
        return cast("EquivariantModule", self.layers[place])

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last layer gives."""
        for layer in self:
            x = layer(x)
        return x

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of the last layer's output."""
        given: tuple[int, ...] = shape
        for layer in self:
            given = layer.evaluate_output_shape(cast("Shape", given))
        return given

    def export(self) -> nn.Sequential:
        """Return the exported layers in a row."""
        return nn.Sequential(*(layer.export() for layer in self)).train(self.training)
