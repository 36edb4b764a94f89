"""A data set that needs no files: 600 grey images of 8x8 cells, with horizontal (0) or vertical (1) stripes."""

import torch

from aen.data import Pool, Source

N, SIDE = 600, 8


def load() -> Pool:
    """Return all images; the same on every call."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(N) % 2
    first = torch.randint(2, (N, 1, 1), generator=random)  # whether the first stripe is dark or light
    rows = ((torch.arange(SIDE)[:, None] + first) % 2).expand(N, SIDE, SIDE).float()
    stripes = torch.where(labels[:, None, None] == 0, rows, rows.transpose(1, 2))
    noise = 0.5 * torch.randn(N, SIDE, SIDE, generator=random)
    return Pool((stripes + noise)[:, None], labels)


STRIPES = Source(load, side=SIDE, classes=2, images=(N,), origin="toy-plugins")
