"""The order of the batches: a stream that can be entered anywhere, so that a training can be cut into slices.

And batches in parts: what of a batch is in memory at a time, where the whole is too much.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor


class BatchStream:
    """Endless batches of places, every epoch in an order of its own; the last batch of an epoch may be smaller.

    Args:
        places: which images there are.
        batch_size: images per batch.
        seed: of the orders.
    """

    def __init__(self, places: Tensor, batch_size: int, seed: int) -> None:
        self.places, self.batch_size = places, batch_size
        self.per_epoch = -(-len(places) // batch_size)
        self._seed = seed

    def count(self, before: float, epochs: float) -> int:
        """Return how many batches lead from so many epochs to so many, to the nearest; at least one."""
        return max(round(epochs * self.per_epoch) - round(before * self.per_epoch), 1)

    def epochs(self, start: int, count: int) -> Iterator[tuple[int, list[Tensor]]]:
        """Return the batches from one on, cut into epochs: (number of the epoch, its batches).

        Args:
            start: number of the first batch since the very beginning.
            count: how many.
        """
        end, source = start + count, torch.Generator().manual_seed(self._seed)
        for epoch in range(-(-end // self.per_epoch)):
            # The order of an epoch follows from the seed and the number of orders drawn before.
            order = torch.randperm(len(self.places), generator=source)
            first = max(start - epoch * self.per_epoch, 0)
            last = min(end - epoch * self.per_epoch, self.per_epoch)
            if first < last:
                batches = torch.split(self.places[order.to(self.places.device)], self.batch_size)
                yield epoch, list(batches[first:last])


def cut(count: int, parts: int) -> list[tuple[slice, float]]:
    """Cut a batch into parts of nearly equal size: the place of each and its share of the batch.

    Args:
        count: images in the batch.
        parts: how many; fewer where a part would have a single image, of which batch norm has no statistics.
    """
    parts = max(min(parts, count // 2), 1)
    ends = [count * i // parts for i in range(parts + 1)]
    return [(slice(start, end), (end - start) / count) for start, end in pairwise(ends)]


def differentiate_in_parts(
    differentiate: Callable[[Tensor, Tensor], Tensor], gradient: Tensor, rows: Tensor, labels: Tensor, parts: int
) -> Tensor:
    """Return the mean loss of a batch that is differentiated in parts, and leave its gradient in place.

    Args:
        differentiate: returns the mean loss of some images and leaves its gradient in `gradient`.
        gradient: where it does.
        rows: the images, shape ``[..., batch, features]``.
        labels: their labels, shape ``[..., batch]``.
        parts: how many; 1 is `differentiate` itself.
    """
    if parts == 1:
        return differentiate(rows, labels)
    total, losses = torch.zeros_like(gradient), []
    for piece, share in cut(labels.shape[-1], parts):
        losses.append(share * differentiate(rows[..., piece, :], labels[..., piece]))
        total.add_(gradient, alpha=share)
    gradient.copy_(total)
    return torch.stack(losses).sum(dim=0)
