"""Augmentation by generators: every training image is moved at random by a group, drawn again in every epoch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float
from aen.groups.generators import Generator

# Each generator is drawn so often, so that groups that are not abelian are reached everywhere.
_ROUNDS = 2
_MOST_POWERS = 256
# Cells that are moved at once; bounds the memory.
_CELLS = 2**21


class SymmetryAugmenter:
    """Moves every image by a product of random powers of the generators, drawn twice for each.

    Of abelian groups every element is equally likely. Whole pixels are moved, the same way in all channels. The draw
    for an image depends on the seed, the epoch and its place only, not on which other images there are.

    Args:
        generators: of the group.
        seed: of all draws, 0 or more.
    """

    def __init__(self, generators: Sequence[Generator], seed: int) -> None:
        self.generators, self.seed = tuple(generators), seed

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        """Return the images moved, as new tensors.

        Args:
            images: all training images, square.
            epoch_number: 0 or more. The same number gives the same images again.

        Raises:
            GroupError: a generator does not fit the images.
        """
        powers = [_powers(generator, images.shape[-1]).to(images.device) for generator in self.generators] * _ROUNDS
        # Mixed, because other draws start from the seed itself. One more image is drawn after all others.
        mixed = np.random.SeedSequence([self.seed, epoch_number, 2]).generate_state(1, np.uint64)
        source = torch.Generator().manual_seed(int(mixed[0]))
        drawn = torch.rand(len(images), len(powers), generator=source, dtype=torch.float64).to(images.device)
        flat = images.flatten(2)
        moved = torch.empty_like(flat)
        cells = flat.shape[-1]
        for chunk in torch.split(torch.arange(len(images), device=images.device), max(_CELLS // cells, 1)):
            origin = torch.arange(cells, device=images.device).expand(len(chunk), cells)
            for number, tables in enumerate(powers):
                which = (drawn[chunk, number] * len(tables)).long()
                origin = origin.gather(1, tables[which])
            moved[chunk] = flat[chunk].gather(2, origin.unsqueeze(1).expand(-1, flat.shape[1], -1))
        return moved.view(images.shape)


def _powers(generator: Generator, side: int) -> Tensor:
    """Return for each power of a generator, from 0 up, which cell the content of each cell comes from."""
    source = np.argsort(generator.permutation(side))
    tables = [np.arange(len(source))]
    while len(tables) < min(generator.order(side), _MOST_POWERS):
        tables.append(tables[-1][source])
    return torch.from_numpy(np.stack(tables))
