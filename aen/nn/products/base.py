"""Product: one way to compute ``x W`` with a tied matrix W, and its gradient.

A product names the weight positions that it reads, its *slots*: a matrix entry ``W[x, y]`` for each. Where every orbit
is read once, a layer can keep its parameters in the order of the slots, and nothing is gathered. Inside a product cells
come first, ``[cells, batch]``, so that moving cells moves whole rows; and each grid has an order of its own, in which
cells that a group moves onto each other lie a fixed distance apart.
"""

from abc import ABC, abstractmethod

from torch import Tensor

from aen._typing import Float, IntArray
from aen.nn.fixed import FixedTensors

Saved = tuple[Tensor, ...]


class Product(FixedTensors, ABC):
    """How a tied layer is multiplied.

    Gradients are written out for `aen.training.dense`, because a child is so small that automatic differentiation would
    cost as much as the arithmetic; `multiply` leaves them to automatic differentiation.

    Attributes:
        slots: the weight positions it reads, ``x * outputs + y``, shape ``[slots]``.
        in_order: the cell at each place of the input's order, shape ``[inputs]``.
        out_order: the same for the output.
        multiplications: scalar multiplications per image.
        width: slots come in rows of this length.
    """

    slots: IntArray
    in_order: IntArray
    out_order: IntArray
    multiplications: int
    width: int

    @abstractmethod
    def rows(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        """Turn images, in natural order, into features: linear and without parameters, so once per data set."""

    @abstractmethod
    def encode(self, h: Float[Tensor, "inputs batch"]) -> Float[Tensor, "features batch"]:
        """Turn activations in `in_order` into the same features, cells first."""

    @abstractmethod
    def encode_gradient(self, d_features: Float[Tensor, "features batch"]) -> Float[Tensor, "inputs batch"]:
        """Return the gradient of the activations from that of their features: the transposed `encode`."""

    @abstractmethod
    def forward(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply; returns the result, in `out_order`, and what `gradient` needs."""

    def consume(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply, with leave to overwrite the values: they were gathered for this product alone."""
        return self.forward(values, features)

    @abstractmethod
    def gradient(
        self,
        saved: Saved,
        d_output: Float[Tensor, "outputs batch"],
        *,
        features: bool,
        out: Float[Tensor, " slots"] | None = None,
    ) -> tuple[Float[Tensor, " slots"], Float[Tensor, "features batch"] | None]:
        """Return the gradients of the slots' values (in `out`, if given) and, if `features`, of the features."""


def multiply(product: Product, values: Tensor, features: Tensor) -> Tensor:
    """Return the product alone, for automatic differentiation."""
    output: Tensor
    output, _ = product(values, features)
    return output
