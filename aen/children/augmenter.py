"""Augmenter: the interface of augmentations, which change the training images before every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from aen._typing import Float


class Augmenter(Protocol):
    """Changes the training images, reproducibly: the same images and epoch give the same result."""

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        """Return the images to train on in an epoch, counted from 0; the ones given stay as they are."""
        ...


@dataclass(frozen=True)
class _Chain:
    """Several augmentations, one after the other."""

    parts: tuple[Augmenter, ...]

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        for part in self.parts:
            images = part.epoch(images, epoch_number)
        return images


def chained(parts: Sequence[Augmenter]) -> Augmenter | None:
    """Return one augmenter that applies several in their order; None for none."""
    return _Chain(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)
