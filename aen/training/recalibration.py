"""Computing batch norm's running statistics again for the final weights.

Running statistics follow the weights with a delay. After a short training with large steps they are those of earlier
weights, so that a child would be measured with statistics that do not fit it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.children.child import Child
from aen.nn.group_norm import GroupBatchNorm2d

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | GroupBatchNorm2d  # 3d: of escnn's fields
MOST_IMAGES = 2048


def norms(child: nn.Module) -> Iterator[Norm]:
    """Return the batch norms of a child that keep running statistics."""
    return (module for module in child.modules() if isinstance(module, Norm) and module.running_mean is not None)


@contextmanager
def unchanged_norms(child: nn.Module) -> Iterator[None]:
    """Give the batch norms of a child their present running statistics back when the block ends."""
    kept = [(norm, {name: value.clone() for name, value in norm.named_buffers()}) for norm in norms(child)]
    yield
    for norm, values in kept:
        for name, value in norm.named_buffers():
            value.copy_(values[name])


@torch.no_grad()
def recalibrate(child: Child, rows: Float[Tensor, "n *features"], batch_size: int, most: int = MOST_IMAGES) -> None:
    """Set the running statistics to their mean over batches of the training images, at the child's present weights.

    Nothing is drawn and no weight changes; the child is left in evaluation mode.

    Args:
        child: a trained child; one without batch norm stays as it is.
        rows: prepared training images.
        batch_size: the one of training, which the weights are used to.
        most: so many of the first of them are enough for means.
    """
    found = list(norms(child))
    child.eval()
    if not found or len(rows) < 2:  # noqa: PLR2004 - one image has no variance
        return
    momenta = [norm.momentum for norm in found]
    for norm in found:
        norm.train()
    # Batches of equal size, so that their mean is that of all: a rest is left out, if there is more than the rest.
    size = min(batch_size, len(rows), most)
    count = min(len(rows), most) // size
    for number in range(count):
        for norm in found:
            norm.momentum = 1 / (number + 1)  # the mean over all batches so far
        child.forward_prepared(rows[number * size : (number + 1) * size])
    for norm, momentum in zip(found, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
