"""MergedProduct: computes equal rows and equal columns of the matrix only once."""

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, IntArray
from aen.nn.products.base import Product, Saved


class MergedProduct(Product):
    """For groups that move inputs alone, or outputs alone: equal rows and equal columns of W are there once.

    Inputs whose rows are equal are added up first; outputs whose columns are equal are computed once and copied.

    Args:
        in_group: the row that each input shares with others, shape ``[inputs]``, numbered from 0.
        out_group: the column that each output shares, shape ``[outputs]``.
    """

    in_sum: Tensor
    out_copy: Tensor

    def __init__(self, in_group: IntArray, out_group: IntArray) -> None:
        super().__init__()
        rows, columns = (np.unique(group, return_index=True)[1] for group in (in_group, out_group))
        self.shape = (len(rows), len(columns))
        self.slots = (rows[:, None] * len(out_group) + columns[None, :]).reshape(-1)
        self.in_order, self.out_order = np.arange(len(in_group)), np.arange(len(out_group))
        self.multiplications = len(rows) * len(columns)
        self.width = len(columns)
        # Matrices, not index_add: their products have one order of summation on every device.
        self.fix("in_sum", _one_hot(in_group, len(rows)))
        self.fix("out_copy", _one_hot(out_group, len(columns)))

    def rows(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        """Add up the inputs whose rows are equal."""
        return x @ self.in_sum

    def encode(self, h: Float[Tensor, "inputs batch"]) -> Float[Tensor, "features batch"]:
        """Add up the inputs whose rows are equal."""
        return self.in_sum.t() @ h

    def encode_gradient(self, d_features: Float[Tensor, "features batch"]) -> Float[Tensor, "inputs batch"]:
        """Hand the gradient of each sum to its terms."""
        return self.in_sum @ d_features

    def forward(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply, then copy each output to where it belongs."""
        matrix = values.view(self.shape)
        return self.out_copy @ (matrix.t() @ features), (matrix, features)

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
        d_merged = self.out_copy.t() @ d_output
        values = torch.mm(z, d_merged.t(), out=None if out is None else out.view(self.shape))
        return values.view(-1), matrix @ d_merged if features else None


def _one_hot(groups: IntArray, count: int) -> Tensor:
    matrix = torch.zeros(len(groups), count, device="cpu")
    matrix[torch.arange(len(groups), device="cpu"), torch.from_numpy(groups)] = 1.0
    return matrix
