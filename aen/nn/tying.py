"""Weight tying: one free value per orbit, gathered into the full weight; the gradient is summed back orbit by orbit."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aen._typing import Float, Int
from aen.groups.orbits import Orbits


class _Gather(torch.autograd.Function):
    """``values[labels]`` with a deterministic sum over each orbit as its gradient, on every device."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, labels: Tensor, order: Tensor, sizes: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(labels, order, sizes)
        return values.index_select(0, labels)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        labels, order, sizes = ctx.saved_tensors
        (grad,) = grads
        if grad.is_cuda:
            # scatter_add on CUDA adds in the order in which atomics win; a segmented sum has one order.
            # unsafe: the sizes are known to fit, and checking them would make the host wait for the device.
            total = torch.segment_reduce(grad[order], "sum", lengths=sizes, unsafe=True)
        else:
            total = grad.new_zeros(len(sizes)).scatter_add_(0, labels, grad)
        return total, None, None, None


class OrbitTable(nn.Module):
    """Expands one value per orbit to one value per point.

    The tables are constants of the group, not learned: they are buffers that move with the module but are not saved.
    """

    labels: Tensor
    order: Tensor
    sizes: Tensor

    def __init__(self, orbits: Orbits) -> None:
        super().__init__()
        self.count = orbits.count
        self.tied = orbits.count < len(orbits.labels)
        if self.tied:
            labels = torch.from_numpy(orbits.labels.astype(np.int64))
            self.register_buffer("labels", labels, persistent=False)
            self.register_buffer("order", torch.argsort(labels, stable=True), persistent=False)
            self.register_buffer("sizes", torch.bincount(labels, minlength=orbits.count), persistent=False)

    def forward(self, values: Float[Tensor, " orbits"]) -> Float[Tensor, " points"]:
        """Return ``values[orbit of the point]`` for each point; where nothing is tied, `values` itself."""
        if not self.tied:
            return values
        expanded: Tensor = _Gather.apply(values, self.labels, self.order, self.sizes)  # type: ignore[no-untyped-call]
        return expanded


def orbit_mean_matrix(orbits: Orbits) -> Float[Tensor, "points orbits"]:
    """Return the matrix M with ``(x @ M)[o]`` = mean of x over orbit o."""
    labels: Int[Tensor, " points"] = torch.from_numpy(orbits.labels.astype(np.int64))
    matrix = torch.zeros(len(labels), orbits.count)
    matrix[torch.arange(len(labels)), labels] = 1.0
    return matrix / matrix.sum(dim=0)
