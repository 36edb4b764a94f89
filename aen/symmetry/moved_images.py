"""Images moved by random elements of a group."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from aen._typing import IntArray
from aen.errors import GroupError
from aen.groups.decomposition import Decomposition
from aen.groups.elements import enumerate_elements
from aen.groups.generators import Generator
from aen.groups.grid import as_grid

# Of larger groups, so many random products of generators stand for all elements.
_MOST_ELEMENTS = 512
_MOST_NUMBERS = 16_000_000  # of a table of elements; bounds the memory
_WORD = 64  # generators in a random product


def cell_permutation(generator: Generator, grid: tuple[int, int]) -> IntArray:
    """Return where each cell of a grid of (rows, columns) moves to.

    Raises:
        GroupError: the generator does not fit the grid.
    """
    return generator.permutation(as_grid(grid))


def moving_elements(factor: Decomposition, grid: tuple[int, int], draw: np.random.Generator) -> IntArray:
    """Return the elements of a factor's group that move the images, without the identity, ``[elements, cells]``.

    Of a group of more than 512 elements these are its generators, random products of them, and the inverses of both.
    With every element its inverse is there, so that an image and the image moved by a random one of them can be
    exchanged if the images are invariant.

    Raises:
        GroupError: a generator does not fit the grid, or no cell moves.
    """
    generators = [cell_permutation(generator, grid) for generator in factor.generators]
    cells = grid[0] * grid[1]
    most = max(16, min(_MOST_ELEMENTS, _MOST_NUMBERS // cells))
    elements = enumerate_elements(generators, cells, most)
    if elements is None:
        elements = _random_elements(np.stack(generators), most, draw)
    moving: IntArray = elements[(elements != np.arange(cells)).any(axis=1)]
    if not len(moving):
        raise GroupError(
            f"factor {factor.name!r} moves nothing on images of {grid[0]}x{grid[1]}; leave it out of factors."
        )
    return moving


def element_set(elements: IntArray) -> frozenset[bytes]:
    """Return a checksum of each element: of two groups these sets are equal only if the groups move cells alike.

    Two groups of more than 512 elements that move cells alike may have different sets, as their elements are drawn.
    """
    return frozenset(hashlib.sha256(row.tobytes()).digest() for row in np.ascontiguousarray(elements))


def _random_elements(generators: IntArray, count: int, draw: np.random.Generator) -> IntArray:
    words = np.tile(np.arange(generators.shape[1]), (max(count // 2 - len(generators), 1), 1))
    for _ in range(_WORD):
        chosen = generators[draw.integers(len(generators), size=len(words))]
        step = np.take_along_axis(chosen, words, axis=1)
        # A generator is left out half of the time, so that products of all lengths occur.
        words = np.where(draw.integers(2, size=(len(words), 1)), step, words)
    elements = np.concatenate([generators, words])
    return np.concatenate([elements, np.argsort(elements, axis=1)])


def move(images: Tensor, elements: IntArray, chosen: IntArray) -> Tensor:
    """Return images ``[n, channels, cells]``, each moved by the element that is chosen for it."""
    # The elements' inverses are drawn as often as they are, so reading from p[i] does as well as writing to it.
    source = torch.from_numpy(elements[chosen])[:, None].expand(-1, images.shape[1], -1)
    return images.gather(2, source)
