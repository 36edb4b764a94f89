"""The order of the batches, as a stream that can be entered at any batch, and micro-batches.

A micro-batch is a part of a batch: gradients of the micro-batches are summed before the optimiser takes its step, so
that less of a batch is in memory at a time (gradient accumulation).
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor


class BatchStream:
    """Endless batches of image indices, in a new order every epoch; the last batch of an epoch may be smaller.

    Args:
        places: the indices of the images.
        batch_size: images per batch.
        seed: of the orders.
    """

    def __init__(self, places: Tensor, batch_size: int, seed: int) -> None:
        self.places, self.batch_size = places, batch_size
        self.per_epoch = -(-len(places) // batch_size)
        self._seed = seed

    def count(self, before: float, epochs: float) -> int:
        """Return the number of batches between two numbers of epochs, rounded to the nearest; at least one."""
        return max(round(epochs * self.per_epoch) - round(before * self.per_epoch), 1)

    def epochs(self, start: int, count: int) -> Iterator[tuple[int, list[Tensor]]]:
        """Return consecutive batches, grouped by epoch: (number of the epoch, its batches).

        Args:
            start: number of the first batch, counted from the start of the stream.
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


def split_batch(count: int, micro_batches: int) -> list[tuple[slice, float]]:
    """Split a batch into micro-batches of nearly equal size: the slice of each and its share of the batch.

    Args:
        count: images in the batch.
        micro_batches: how many; fewer where one would be a single image, for which batch norm has no statistics.
    """
    micro_batches = max(min(micro_batches, count // 2), 1)
    ends = [count * i // micro_batches for i in range(micro_batches + 1)]
    return [(slice(start, end), (end - start) / count) for start, end in pairwise(ends)]


def differentiate_in_micro_batches(
    differentiate: Callable[[Tensor, Tensor], Tensor],
    gradient: Tensor,
    rows: Tensor,
    labels: Tensor,
    micro_batches: int,
) -> Tensor:
    """Return the mean loss of a batch and leave its gradient in `gradient`, one micro-batch at a time.

    Args:
        differentiate: returns the mean loss of some images and leaves its gradient in `gradient`.
        gradient: the buffer that `differentiate` writes to.
        rows: the images, shape ``[..., batch, features]``.
        labels: their labels, shape ``[..., batch]``.
        micro_batches: how many; 1 is `differentiate` itself.
    """
    if micro_batches == 1:
        return differentiate(rows, labels)
    total, losses = torch.zeros_like(gradient), []
    for piece, share in split_batch(labels.shape[-1], micro_batches):
        losses.append(share * differentiate(rows[..., piece, :], labels[..., piece]))
        total.add_(gradient, alpha=share)
    gradient.copy_(total)
    return torch.stack(losses).sum(dim=0)
