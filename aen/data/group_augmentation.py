"""Augmentation by a group: every training image is moved by a random element, drawn again in every epoch."""

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup


def check_group(name: str) -> str:
    """Return the usual name of the group, or nothing for none and for ``C1``, which moves nothing.

    Raises:
        SpecError: a group that does not act exactly on pixels.
    """
    if not name:
        return ""
    group = PlanarGroup.of(name)
    if not group.is_exact:
        raise SpecError(f"augment is {group}, which does not act exactly on pixels; use D4 or one of its subgroups.")
    return group.name if group.order > 1 else ""


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
        # Mixed, because other draws start from the seed itself. One more image is drawn after all others.
        mixed = np.random.SeedSequence([self.seed, epoch_number, 1]).generate_state(1, np.uint64)
        source = torch.Generator().manual_seed(int(mixed[0]))
        drawn = torch.rand(len(images), generator=source, dtype=torch.float64)
        drawn = (drawn * self.group.order).long().to(images.device)
        flat = images.flatten(2)
        moved = torch.empty_like(flat)
        for place, element in enumerate(self.group.elements):
            chosen = drawn == place
            cells = torch.from_numpy(np.argsort(element.permutation(*images.shape[2:]))).to(images.device)
            moved[chosen] = flat[chosen][..., cells]
        return moved.view(images.shape)
