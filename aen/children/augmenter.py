"""Augmenter: the interface of augmentations, which change the training images before every epoch."""

from typing import Protocol

from torch import Tensor

from aen._typing import Float


class Augmenter(Protocol):
    """Changes the training images, reproducibly: the same images and epoch give the same result."""

    def epoch(self, images: Float[Tensor, "n c h w"], epoch_number: int) -> Float[Tensor, "n c h w"]:
        """Return the images to train on in an epoch, counted from 0; the ones given stay as they are."""
        ...
