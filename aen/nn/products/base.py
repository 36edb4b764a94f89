"""Product: one way to compute ``x W`` with a tied matrix W, and its gradient.

A product names the weight positions that it reads, its *slots*: a matrix entry ``W[x, y]`` for each. Where every orbit
is read once, a layer can keep its parameters in the order of the slots, and nothing is gathered. Inside a product cells
come first, ``[cells, batch]``, so that moving cells moves whole rows; and each grid has an order of its own, in which
cells that a group moves onto each other lie a fixed distance apart.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from aen._typing import Float, IntArray
from aen.nn.differentiation import autocast_off, is_autocast, is_transformed
from aen.nn.fixed import FixedTensors

Saved = tuple[Tensor, ...]


class Product(FixedTensors, ABC):
    """How a tied layer is multiplied.

    Gradients are written out, because a child is so small that automatic differentiation would cost as much as the
    arithmetic; `multiply` is the same for automatic differentiation.

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


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, features: Tensor, product: Product) -> Tensor:  # noqa: ANN401
        output, saved = product(values, features)
        ctx.save_for_backward(values, features, *saved)
        ctx.product = product
        return output  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        values, features, *saved = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # the gradient is to be differentiated, too
            wanted = [own for own, is_needed in zip((values, features), needed, strict=True) if is_needed]
            output, _ = ctx.product(values, features)
            found = iter(torch.autograd.grad(output, wanted, grads[0], create_graph=True))
            return (*(next(found) if is_needed else None for is_needed in needed), None)
        with autocast_off(grads[0].device):
            return (*ctx.product.gradient(tuple(saved), grads[0], features=needed[1]), None)


def multiply(product: Product, values: Tensor, features: Tensor) -> Tensor:
    """Return the product alone, for automatic differentiation."""
    output: Tensor
    if is_transformed() or is_autocast(features.device):  # the written-out gradient expects one type
        output, _ = product(values, features)
    else:
        output = _Multiply.apply(values, features, product)  # type: ignore[no-untyped-call]
    return output
