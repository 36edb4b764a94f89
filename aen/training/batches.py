"""The order of the batches: a stream that can be entered anywhere, so that a training can be cut into slices."""

from collections.abc import Iterator

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
