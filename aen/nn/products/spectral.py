"""SpectralProduct: multiplies by a matrix that is block-diagonal in the basis of a group's characters."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, IntArray
from aen.nn.involutions import Move
from aen.nn.products.base import Product, Saved


class SpectralProduct(Product):
    r"""For commuting involutions that move every cell: W in the basis of their characters is block-diagonal.

    With the cells as (element g, representative i), W is a convolution over the group C2 x ... x C2 of n elements,

    .. math:: W[(g, i), (h, j)] = V[gh, i, j], \qquad \hat y_k = \hat x_k \hat V_k

    for each of the n characters k, the hat being the Walsh-Hadamard transform over the group: n small products, which
    together have an n-th of the multiplications.

    Args:
        involutions: independent and commuting; no product of them leaves a cell where it is.
        along: a further move of the output cells that keeps W. It decides only in which order the representatives come:
            first some, then their images, so that what it ties lies in long runs.
    """

    characters: Tensor
    inverse: Tensor
    cells: Tensor

    def __init__(self, involutions: Sequence[Move], along: IntArray | None = None) -> None:
        super().__init__()
        self.involutions = tuple(involutions)
        self.order = 2 ** len(involutions)
        x_cells = _regular_cells([involution.p for involution in involutions])
        y_cells = _regular_cells([involution.q for involution in involutions])
        if along is not None:
            y_cells = _along(y_cells, along)
        self.shape = (self.order, x_cells.shape[1], y_cells.shape[1])
        self.in_order, self.out_order = x_cells.reshape(-1), y_cells.reshape(-1)
        self.slots = (x_cells[:, :, None] * y_cells.size + y_cells[0][None, None, :]).reshape(-1)
        self.multiplications = len(self.slots)
        self.width = y_cells.shape[1]
        self.fix("characters", _characters(self.order))
        self.fix("inverse", _characters(self.order) / self.order)
        self.fix("cells", torch.from_numpy(self.in_order))

    def rows(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch features"]:
        """Return the Walsh-Hadamard transform of each image over the group."""
        framed = x.index_select(1, self.cells).view(len(x), *self.shape[:2])
        return torch.matmul(self.characters, framed).view(x.shape)

    def encode(self, h: Float[Tensor, "inputs batch"]) -> Float[Tensor, "features batch"]:
        """Return the Walsh-Hadamard transform over the group."""
        return self._transform(h).view(h.shape)

    def encode_gradient(self, d_features: Float[Tensor, "features batch"]) -> Float[Tensor, "inputs batch"]:
        """Return the same transform, which is its own transpose."""
        return self.encode(d_features)

    def _transform(self, x: Tensor) -> Tensor:
        return self.characters @ x.reshape(self.order, -1)

    def forward(
        self, values: Float[Tensor, " slots"], features: Float[Tensor, "features batch"]
    ) -> tuple[Float[Tensor, "outputs batch"], Saved]:
        """Multiply block by block."""
        blocks = torch.mm(self.inverse, values.view(self.order, -1)).view(self.shape)
        # A view also of transposed rows, whose first dimension only is split.
        z = features.view(*self.shape[:2], features.shape[1])
        product = torch.bmm(blocks.transpose(1, 2), z)
        return self._transform(product).view(len(self.out_order), features.shape[1]), (blocks, z)

    def gradient(
        self,
        saved: Saved,
        d_output: Float[Tensor, "outputs batch"],
        *,
        features: bool,
        out: Float[Tensor, " slots"] | None = None,
    ) -> tuple[Float[Tensor, " slots"], Float[Tensor, "features batch"] | None]:
        """Return the gradients."""
        blocks, z = saved
        d_product = self._transform(d_output).view(self.order, self.shape[2], d_output.shape[1])
        d_blocks = torch.bmm(z, d_product.transpose(1, 2))
        d_features = torch.bmm(blocks, d_product).flatten(0, 1) if features else None
        target = None if out is None else out.view(self.order, -1)
        return torch.mm(self.inverse, d_blocks.view(self.order, -1), out=target).view(-1), d_features


def _characters(n: int) -> Tensor:
    """Return the characters of C2 x ... x C2 with n elements: entry (k, l) is (-1) ** (number of bits in common)."""
    return torch.tensor([[1.0 - 2 * ((k & i).bit_count() % 2) for i in range(n)] for k in range(n)], device="cpu")


def _regular_cells(permutations: Sequence[IntArray]) -> IntArray:
    """Return the cell at (element, representative), shape ``[2 ** len(permutations), cells / that]``.

    Element k is the product of the permutations whose bit is set in k; a representative is the smallest of its orbit.
    """
    elements = [np.arange(len(permutations[0]))]
    for permutation in permutations:
        elements += [permutation[element] for element in elements]
    table = np.stack(elements)
    return table[:, table.min(axis=0) == np.arange(table.shape[1])]


def _along(table: IntArray, move: IntArray) -> IntArray:
    """Choose and order representatives so that `move` takes the first of them to the second, in order, and so on.

    The table is ``[elements, representatives]``. Where the move does not take orbits to orbits it stays as it is.
    """
    orbit = np.empty(table.size, dtype=np.int64)
    orbit[table] = np.arange(table.shape[1])
    target = orbit[move[table]]
    if not np.array_equal(target, np.broadcast_to(target[0], target.shape)):
        return table
    cycles: list[list[int]] = []
    seen = np.zeros(table.shape[1], dtype=bool)
    for start in range(table.shape[1]):
        cycle, cell = [], int(table[0, start])
        while not seen[orbit[cell]]:
            seen[orbit[cell]] = True
            cycle.append(cell)
            cell = int(move[cell])
        if cycle:
            cycles.append(cycle)
    longest = max(map(len, cycles))
    # What the move leaves alone comes after what it moves inside its orbit: the two are tied differently.
    full = sorted((c for c in cycles if len(c) == longest), key=lambda c: int(move[c[0]]) == c[0])
    rest = [cell for cycle in cycles if len(cycle) < longest for cell in cycle]
    representatives = [cycle[i] for i in range(longest) for cycle in full] + rest
    # The elements move a representative alike whichever of its orbit it is.
    element_moves = np.empty((len(table), table.size), dtype=np.int64)
    for k in range(len(table)):
        for h, other in enumerate(table):
            element_moves[k, other] = table[k ^ h]
    return element_moves[:, representatives]
