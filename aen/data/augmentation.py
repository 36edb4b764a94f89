"""Augmentation: random affine changes of the training images, drawn again in every epoch.

The six augmentations are those of the G-CNN children of AEN (arXiv 2104.04848). The chosen ones are composed into
one affine map per image, so that every image is interpolated only once.
"""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float
from aen.data.augmentation_names import check_augmentations

_FLIPS = frozenset({"hflip", "vflip"})

# Which augmentation each number drawn for an image belongs to.
_DRAWN = ("rotation", "hflip", "vflip", "translation", "translation", "scale", "shear")
_ROTATION = math.radians(30)
_TRANSLATION = 0.2  # of the side
_SCALE = 0.1
_SHEAR = math.radians(10)

# Pixels that are moved at once, of one channel; bounds the memory.
_CELLS = 2**18


class AffineAugmenter:
    """Augments all training images at once, on their device.

    An image is turned counter-clockwise by an angle of +-30 degrees, mirrored left and right, mirrored top and bottom
    (each with probability 1/2), shifted by +-20 % of the side along each axis, scaled by 0.9 to 1.1, and its rows are
    sheared by +-10 degrees, in this order, about its centre; what is not chosen is left out. All draws are uniform, on
    the CPU, so that every device moves an image alike. The draw for an image depends on the seed, the epoch and its
    place only, not on which other images there are or what else is chosen.

    Args:
        names: of the augmentations, see `aen.data.augmentation_names`.
        seed: of all draws, 0 or more.
        fill: what comes in from outside: the value that a black pixel has after the data set was standardised. None:
            the least value of the images given. The data set shifts and scales all pixels alike, so that this is
            black's value as soon as one of these images has one black pixel.

    Attributes:
        names: the augmentations in the order of `AUGMENTATIONS`.

    Raises:
        SpecError: an augmentation that does not exist.
    """

    def __init__(self, names: Iterable[str], seed: int, *, fill: float | None = None) -> None:
        self.names = check_augmentations(names)
        self.seed = seed
        self.fill = fill

    @torch.no_grad()
    def epoch(
        self, images: Float[Tensor, "n channels rows columns"], epoch_number: int
    ) -> Float[Tensor, "n channels rows columns"]:
        """Return every image augmented once; the images themselves if no augmentation is chosen.

        Flips alone move whole pixels and are exact. All else is interpolated, bilinearly.

        Args:
            images: all training images, as the data set has them.
            epoch_number: 0 or more. The same number gives the same images again.
        """
        if not self.names:
            return images
        draws = self._draw(len(images), epoch_number)
        fill = images.amin() if self.fill is None else self.fill
        flips = (draws[:, 1:3] < 0).to(images.device)
        maps = _affine_maps(draws, images.shape[-2] / images.shape[-1]).to(images.device, images.dtype)
        moved = torch.empty_like(images)
        size = max(1, _CELLS // (images.shape[-2] * images.shape[-1]))
        for start in range(0, len(images), size):
            chunk = slice(start, start + size)
            if _FLIPS.issuperset(self.names):
                moved[chunk] = _flip(images[chunk], flips[chunk])
            else:
                # Less the fill, so that the zeros that grid_sample takes from outside become it.
                torch.add(_sample(images[chunk] - fill, maps[chunk]), fill, out=moved[chunk])
        return moved

    def _draw(self, n: int, epoch_number: int) -> Tensor:
        """Return numbers in [-1, 1), shape ``[n, len(_DRAWN)]``; 0 for what is not chosen, which leaves it out."""
        # Row by row: one more image is drawn after all others. Mixed, because other draws start from the seed itself.
        mixed = np.random.SeedSequence([self.seed, epoch_number]).generate_state(1, np.uint64)
        source = torch.Generator().manual_seed(int(mixed[0]))
        draws = torch.rand(n, len(_DRAWN), generator=source, dtype=torch.float64) * 2 - 1
        return draws * torch.tensor([name in self.names for name in _DRAWN])


def _affine_maps(draws: Tensor, aspect: float) -> Tensor:
    """Return where each image's pixels come from, shape ``[n, 2, 3]``.

    Columns are the images of x, y and 1. x grows to the right, y downwards, both from -1 to 1 over the image.
    `aspect` is its height over its width: angles are those of pixels, not of x and y.
    """
    rotation, hflip, vflip, right, down, scale, shear = draws.unbind(1)
    cos, sin = torch.cos(_ROTATION * rotation), torch.sin(_ROTATION * rotation)
    # Backwards, as the maps go from the new image to the old one: the last augmentation is undone first.
    x = torch.stack([cos, sin / aspect], 1) * torch.where(hflip < 0, -1, 1).unsqueeze(1)
    y = torch.stack([-sin * aspect, cos], 1) * torch.where(vflip < 0, -1, 1).unsqueeze(1)
    shift = 2 * _TRANSLATION * (x * right.unsqueeze(1) + y * down.unsqueeze(1))
    factor = 1 + _SCALE * scale.unsqueeze(1)
    slope = aspect * torch.tan(_SHEAR * shear).unsqueeze(1)
    return torch.stack([x / factor, (y - x * slope) / factor, -shift], 2)


def _flip(images: Tensor, flips: Tensor) -> Tensor:
    hflip, vflip = flips.view(-1, 2, 1, 1, 1).unbind(1)
    images = torch.where(hflip, images.flip(3), images)
    return torch.where(vflip, images.flip(2), images)


def _sample(images: Tensor, maps: Tensor) -> Tensor:
    """Return the images moved, with zeros from outside."""
    rows, columns = (
        (2 * torch.arange(n, dtype=images.dtype, device=images.device) + 1) / n - 1 for n in images.shape[-2:]
    )
    x, y, one = maps.unsqueeze(2).unbind(3)
    # affine_grid takes several times as long as the sampling itself: it multiplies by a small matrix at every pixel,
    # where the sum of a row's and a column's part does.
    grid = (x * columns).unsqueeze(2) + (y * rows + one).unsqueeze(3)
    return torch.nn.functional.grid_sample(images, grid.permute(0, 2, 3, 1), align_corners=False)
