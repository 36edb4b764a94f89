"""Moving every image of a data set once at random, which gives the data a known symmetry.

As in the G-MNIST benchmark of AEN (arXiv 2104.04848): a rotation turns every image, every other chosen generator is
applied to an image with probability 1/2, each independently, in the order given.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from aen._typing import IntArray, Num
from aen.data.spec import Angles
from aen.errors import DataError, did_you_mean
from aen.groups.generators import Generator
from aen.groups.grid import as_grid

# Images that are turned by any angle at once; bounds the memory.
_CHUNK = 1000
# Third number of the seed of the draw that says which images stay as they are.
_STAYS = 1


def move_images(
    images: Num[Tensor, "n channels rows columns"],
    moves: Sequence[str],
    *,
    angles: Angles,
    seed: int,
    places: IntArray | None = None,
    share: float = 1.0,
) -> Num[Tensor, "n channels rows columns"]:
    """Return the images, each moved once.

    The draw for an image depends on the seed and its place only, not on which other images there are.

    Args:
        images: uint8 images stay uint8: turned by any angle, their pixels are rounded.
        moves: generators, such as ``["rot90", "hflip"]``.
        angles: what ``rot90`` means: ``quarter`` turns, uniform over the four; or ``any`` angle, uniform over the
            circle, with bilinear interpolation and zeros from outside.
        seed: of all draws.
        places: each image's place in its data set, shape ``[n]``; None: 0, 1, 2, ...
        share: of the images that are moved; the others stay as they are.

    Raises:
        DataError: unknown angles.
        GroupError: a generator that is unknown or does not fit the images.
    """
    if angles not in ("quarter", "any"):
        raise DataError(f"unknown angles {angles!r}{did_you_mean(angles, ['quarter', 'any'])}.")
    n, channels, rows, columns = images.shape
    places = np.arange(n) if places is None else places
    drawn = int(places.max(initial=-1)) + 1
    kept = None if share == 1 else np.random.default_rng([seed, 0, _STAYS]).random(drawn)[places] >= share
    for number, generator in enumerate(Generator.parse(move) for move in moves):
        draw = np.random.default_rng([seed, number])
        permutation = generator.permutation(as_grid((rows, columns)))
        if generator.name == "rot90" and angles == "any":
            angle = draw.uniform(-np.pi, np.pi, size=drawn)[places]
            turned = _rotate(images, angle)
            images = turned if kept is None else torch.where(_column(kept), images, turned)
            continue
        turns = 4 if generator.name == "rot90" else 2
        times = draw.integers(turns, size=drawn)[places]
        if kept is not None:
            times[kept] = 0
        inverse = np.argsort(permutation)
        cells = np.arange(rows * columns)
        flat = images.reshape(n, channels, -1)
        moved = flat.clone()
        for time in range(1, turns):
            cells = inverse[cells]
            chosen = torch.from_numpy(times == time)
            moved[chosen] = flat[chosen][..., torch.from_numpy(cells)]
        images = moved.reshape(images.shape)
    return images


def _column(chosen: npt.NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(chosen).reshape(-1, 1, 1, 1)


def _rotate(images: Tensor, angles: npt.NDArray[np.float64]) -> Tensor:
    if images.dtype == torch.uint8:
        # In double precision, so that no machine's last bit decides how a pixel is rounded.
        turned = torch.empty_like(images)
        for start in range(0, len(images), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            turned[chunk] = _rotate(images[chunk].double(), angles[chunk]).round_().clamp_(0, 255)
        return turned
    cos, sin, zero = torch.from_numpy(np.cos(angles)), torch.from_numpy(np.sin(angles)), torch.zeros(len(angles))
    theta = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1).to(images.dtype)
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)
