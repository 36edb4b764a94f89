"""ExpandedProduct: multiplies by the whole matrix."""

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float
from aen.nn.products.base import Product, Saved


class ExpandedProduct(Product):
    """The whole matrix, one slot per entry: what is best when nothing, or nothing useful, is tied."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shape = (inputs, outputs)
        self.slots = np.arange(inputs * outputs)
        self.in_order, self.out_order = np.arange(inputs), np.arange(outputs)
        self.multiplications = inputs * outputs
        self.width = outputs

    def rows(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        """Return the images as they are."""
        return x

    def encode(self, h: Float[Tensor, "inputs batch"]) -> Float[Tensor, "features batch"]:
        """Return the activations as they are."""
        return h

    def encode_gradient(self, d_features: Float[Tensor, "features batch"]) -> Float[Tensor, "inputs batch"]:
        """Return the gradient as it is."""
        return d_features

    def forward(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply."""
        matrix = values.view(self.shape)
        return matrix.t() @ features, (matrix, features)

    def gradient(
        self,
        saved: Saved,
        d_output: Float[Tensor, "outputs batch"],
        *,
        features: bool,
        out: Float[Tensor, " slots"] | None = None,
    ) -> tuple[Float[Tensor, " slots"], Float[Tensor, "features batch"] | None]:
        """Return the gradients."""
        matrix, z = saved
        values = torch.mm(z, d_output.t(), out=None if out is None else out.view(self.shape))
        return values.view(-1), matrix @ d_output if features else None
