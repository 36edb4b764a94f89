"""Measuring how equivariant a map between grids is: over all generators and over random words in them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from aen._typing import IntArray
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of

Word = tuple[Generator, ...]


def random_words(generators: Sequence[Generator], count: int, seed: int, longest: int = 8) -> tuple[Word, ...]:
    """Return `count` random products of generators, of length 2 to `longest`."""
    if not generators:
        return ()
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest + 1, size=count)
    return tuple(tuple(generators[i] for i in rng.integers(len(generators), size=n)) for n in lengths)


def word_permutation(word: Word, grid: Grid) -> IntArray:
    """Return the permutation of a word on a grid; its last generator moves first, as in a product of maps."""
    permutation = np.arange(cells_of(grid))
    for generator in reversed(word):
        permutation = generator.permutation(grid)[permutation]
    return permutation


def move(x: Tensor, permutation: IntArray) -> Tensor:
    """Move the last dimension of `x`: what stands at i stands at ``permutation[i]`` afterwards."""
    return x[..., torch.from_numpy(np.argsort(permutation)).to(x.device)]


def equivariance_errors(
    function: Callable[[Tensor], Tensor],
    generators: Sequence[Generator],
    *,
    in_grid: Grid,
    out_grid: Grid | None,
    words: int,
    seed: int,
    like: Tensor,
) -> Mapping[str, float]:
    """Return ``|f(g x) - g f(x)| / |f(x)|`` for every generator g and for random words in them.

    Args:
        function: maps ``[n, input cells]`` to ``[n, output cells]``, or to anything if `out_grid` is None.
        generators: the generators to try.
        in_grid: the input grid.
        out_grid: the output grid; None asks for invariance, ``f(g x) = f(x)``.
        words: how many random words to try besides the single generators.
        seed: of the words and the random input.
        like: a tensor that says which device and dtype the input has.

    Returns:
        The relative error by readable word, such as ``rot90`` or ``rot90 hflip rot90``.
    """
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(16, cells_of(in_grid), generator=source, dtype=torch.float64).to(like)
    errors: dict[str, float] = {}
    with torch.no_grad():
        y = function(x)
        for word in (*((g,) for g in generators), *random_words(generators, words, seed)):
            expected = y if out_grid is None else move(y, word_permutation(word, out_grid))
            got = function(move(x, word_permutation(word, in_grid)))
            error = torch.linalg.vector_norm(got - expected) / torch.linalg.vector_norm(y).clamp_min(1e-30)
            errors[" ".join(str(g) for g in word)] = float(error)
    return errors
