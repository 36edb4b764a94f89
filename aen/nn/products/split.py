"""SplitProduct: multiplies by a matrix that splits into an even and an odd part."""

import math

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, IntArray
from aen.nn.involutions import Move
from aen.nn.products.base import Product, Saved


class SplitProduct(Product):
    r"""For one involution that leaves some cells where they are: W falls into an even and an odd part.

    Cells come as (representatives r, their images i, fixed cells f). With A = W[r, r] and C = W[i, r] the even part

    .. math:: \begin{pmatrix} (A + C) / 2 & W[r, f] \\ W[f, r] & W[f, f] \end{pmatrix}

    takes ``(x_r + x_i, x_f)``, and the odd part (A - C) / 2 takes ``x_r - x_i``.
    """

    cells: Tensor

    def __init__(self, involution: Move) -> None:
        super().__init__()
        self.in_order, p = _pairs_first(involution.p)
        self.out_order, q = _pairs_first(involution.q)
        inputs, outputs = len(self.in_order), len(self.out_order)
        self.odd, self.even = (p, q), (inputs - p, outputs - q)
        even_x, even_y = np.delete(self.in_order, np.s_[p : 2 * p]), np.delete(self.out_order, np.s_[q : 2 * q])
        across = self.in_order[p : 2 * p, None] * outputs + self.out_order[:q]
        self.slots = np.concatenate([(even_x[:, None] * outputs + even_y).reshape(-1), across.reshape(-1)])
        self.multiplications = self.even[0] * self.even[1] + p * q
        self.width = math.gcd(self.even[1], q)
        self.fix("cells", torch.from_numpy(self.in_order))

    def rows(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        """Return the even features, then the odd ones."""
        p, framed = self.odd[0], x.index_select(1, self.cells)
        first, images, fixed = framed[:, :p], framed[:, p : 2 * p], framed[:, 2 * p :]
        return torch.cat([first + images, fixed, first - images], dim=1)

    def encode(self, h: Float[Tensor, "inputs batch"]) -> Float[Tensor, "features batch"]:
        """Return the even features, then the odd ones."""
        p = self.odd[0]
        return torch.cat([h[:p] + h[p : 2 * p], h[2 * p :], h[:p] - h[p : 2 * p]])

    def encode_gradient(self, d_features: Float[Tensor, "features batch"]) -> Float[Tensor, "inputs batch"]:
        """Put the gradients of the even and the odd features together."""
        p, even = self.odd[0], self.even[0]
        sums, fixed, differences = d_features[:p], d_features[p:even], d_features[even:]
        return torch.cat([sums + differences, sums - differences, fixed])

    def forward(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply the two parts and put them together."""
        return self.consume(values.clone(), features)

    def consume(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Do the same; the values become the even part."""
        p, q = self.odd
        size = self.even[0] * self.even[1]
        across = values[size:].view(self.odd)
        even = values[:size].view(self.even)
        corner = even[:p, :q]
        odd = (corner - across).mul_(0.5)
        corner.add_(across).mul_(0.5)
        z_even, z_odd = features[: self.even[0]], features[self.even[0] :]
        y_even, y_odd = even.t() @ z_even, odd.t() @ z_odd
        return torch.cat([y_even[:q] + y_odd, y_even[:q] - y_odd, y_even[q:]]), (even, odd, z_even, z_odd)

    def gradient(
        self,
        saved: Saved,
        d_output: Float[Tensor, "outputs batch"],
        *,
        features: bool,
        out: Float[Tensor, " slots"] | None = None,
    ) -> tuple[Float[Tensor, " slots"], Float[Tensor, "features batch"] | None]:
        """Return the gradients."""
        even, odd, z_even, z_odd = saved
        p, q = self.odd
        first, images = d_output[:q], d_output[q : 2 * q]
        dy_even, dy_odd = torch.cat([first + images, d_output[2 * q :]]), first - images
        size = self.even[0] * self.even[1]
        d_values = d_output.new_empty(size + p * q) if out is None else out
        d_even, d_across = d_values[:size].view(self.even), d_values[size:].view(self.odd)
        torch.mm(z_even, dy_even.t(), out=d_even)
        d_odd = z_odd @ dy_odd.t()
        corner = d_even[:p, :q]
        torch.sub(corner, d_odd, out=d_across).mul_(0.5)
        corner.add_(d_odd).mul_(0.5)
        return d_values, torch.cat([even @ dy_even, odd @ dy_odd]) if features else None


def _pairs_first(permutation: IntArray) -> tuple[IntArray, int]:
    """Return the cells as (representatives, their images, fixed cells), and how many representatives there are."""
    cells = np.arange(len(permutation))
    first = cells[cells < permutation]
    return np.concatenate([first, permutation[first], cells[cells == permutation]]), len(first)
