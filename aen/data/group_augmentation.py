"""Augmentation by a group: every training image is moved by a random element, drawn again in every epoch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, Int, IntArray
from aen.groups.elements import enumerate_elements
from aen.groups.generators import permutation_order
from aen.groups.planar import PlanarGroup

MOST_ELEMENTS = 1024  # of a group that is enumerated; of a larger one, random words are drawn
_WORDS = 256  # drawn for each epoch
_LETTERS = 64  # of each word
_AT_ONCE = 4096  # images that are moved at once, which limits the memory


class GroupAugmenter:
    """Moves all training images at once, on their device, each by an element drawn uniformly from a group.

    Whole pixels are moved. The draw for an image depends on the seed, the epoch and its place only, not on which other
    images there are.

    Args:
        group: by name, a subgroup of D4.
        seed: of all draws, 0 or more.
    """

    def __init__(self, group: str, seed: int) -> None:
        self.group, self.seed = PlanarGroup.of(group), seed

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        """Return the images moved, as new tensors.

        Args:
            images: all training images, square.
            epoch_number: 0 or more. The same number gives the same images again.
        """
        drawn = _drawn(len(images), self.group.order, self.seed, epoch_number).to(images.device)
        flat = images.flatten(2)
        moved = torch.empty_like(flat)
        for place, element in enumerate(self.group.elements):
            chosen = drawn == place
            cells = torch.from_numpy(np.argsort(element.permutation(*images.shape[2:]))).to(images.device)
            moved[chosen] = flat[chosen][..., cells]
        return moved.view(images.shape)


class PermutationAugmenter:
    """Moves all training images at once, each by an element of the group that permutations of the cells generate.

    The element is drawn uniformly if the group has at most `MOST_ELEMENTS` elements. Of a larger group each epoch has
    256 random words, products of 64 random powers of the generators, among which each image draws. The draw for an
    image depends on the seed, the epoch and its place only, not on which other images there are.

    Args:
        generators: permutations of the cells.
        cells: number of cells of an image.
        seed: of all draws, 0 or more.
    """

    def __init__(self, generators: Sequence[IntArray], cells: int, seed: int) -> None:
        self.generators, self.cells, self.seed = tuple(generators), cells, seed
        elements = enumerate_elements(self.generators, cells, MOST_ELEMENTS)
        self._elements = None if elements is None else torch.from_numpy(elements)

    def draw(self, images: int, epoch_number: int) -> tuple[Int[Tensor, "moves cells"], Int[Tensor, " images"]]:
        """Return the moves of an epoch, as permutations of the cells, and the number of the move of each image."""
        moves = self._words(epoch_number) if self._elements is None else self._elements
        return moves, _drawn(images, len(moves), self.seed, epoch_number)

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        """Return the images moved, as new tensors; the same number of the epoch gives the same images again."""
        moves, drawn = (tensor.to(images.device) for tensor in self.draw(len(images), epoch_number))
        flat = images.flatten(2)
        moved = [
            rows.gather(2, moves[chosen].unsqueeze(1).expand_as(rows))
            for rows, chosen in zip(torch.split(flat, _AT_ONCE), torch.split(drawn, _AT_ONCE), strict=True)
        ]
        return torch.cat(moved).view(images.shape)

    def _words(self, epoch_number: int) -> Tensor:
        source = np.random.default_rng([self.seed, epoch_number, 2])
        words = np.tile(np.arange(self.cells), (_WORDS, 1))
        powers = [_powers(generator) for generator in self.generators]
        for _ in range(_LETTERS):
            letters = source.integers(len(powers), size=_WORDS)
            for letter, table in enumerate(powers):
                chosen = np.flatnonzero(letters == letter)
                exponents = source.integers(len(table), size=len(chosen))
                words[chosen] = np.take_along_axis(words[chosen], table[exponents], axis=1)
        return torch.from_numpy(words)


def _powers(generator: IntArray) -> IntArray:
    """Return all powers of a permutation, shape ``[order, cells]``."""
    found = [np.arange(len(generator))]
    for _ in range(permutation_order(generator) - 1):
        found.append(generator[found[-1]])
    return np.stack(found)


def _drawn(images: int, choices: int, seed: int, epoch_number: int) -> Int[Tensor, " images"]:
    """Return a number below `choices` for each image, drawn uniformly."""
    # Mixed, because other draws start from the seed itself. One more image is drawn after all others.
    mixed = np.random.SeedSequence([seed, epoch_number, 1]).generate_state(1, np.uint64)
    source = torch.Generator().manual_seed(int(mixed[0]))
    return (torch.rand(images, generator=source, dtype=torch.float64) * choices).long()
