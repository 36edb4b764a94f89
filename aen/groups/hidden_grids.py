"""Hidden grids for a dense child on which every factor of an alphabet acts as it does on the images.

A layer is tied by the joint action on its input and output grid. Where a shift has order 7 on one and 5 on the other,
their joint action has order 35, which ties far more weights than the symmetry asks for.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from itertools import combinations

from aen.errors import GroupError
from aen.groups.alphabet import Alphabet
from aen.groups.classes import MAX_LAYER_WEIGHTS
from aen.groups.decomposition import Decomposition
from aen.groups.generators import Generator, permutation_order
from aen.groups.grid import MAX_CELLS, MAX_SIDE, Grid, as_grid, cells_of, grid_text, shape_of

TARGET_CELLS = 256
_FARTHEST = 4  # a hidden grid has at least a quarter and at most four times as many rows and columns as would be best


def hidden_grids(grid: Grid, alphabet: Alphabet, *, cells: int = TARGET_CELLS, count: int = 2) -> tuple[Grid, ...]:
    """Choose the hidden grids of a dense child.

    Every factor fits the chosen grid, and every generator has the order there that it has on the images; so has the
    product of any two generators, if there is such a grid. Of these the one is chosen whose size and proportions are
    nearest to `cells` and to those of the images: for images of 28x28 and shifts by a quarter it is 16x16, for shifts
    by a seventh 14x14. Shifts by cells, whose orders seldom agree, should be fractions; see `Alphabet.in_fractions`.

    Args:
        grid: of the images.
        alphabet: factors that fit the images; see `Alphabet.fitting`.
        cells: about how many cells a hidden grid shall have.
        count: number of hidden grids; all are the same.

    Raises:
        GroupError: a factor does not fit the images, or there is no such grid.
    """
    grid = as_grid(grid)
    if cells < 1 or count < 1:
        raise GroupError(f"cells is {cells} and count {count}; both must be 1 or more.")
    alphabet.check([grid])
    generators = Decomposition(alphabet.factors).generators
    # The greatest order first: it rules out most grids.
    singles = sorted(((g,) for g in generators), key=lambda word: -_order(word, grid))
    pairs = list(combinations(generators, 2))
    second: Grid | None = None
    for candidate in _candidates(grid, cells):
        if cells_of(candidate) * max(cells_of(grid), cells_of(candidate)) > MAX_LAYER_WEIGHTS:
            continue
        try:
            if not _agree(singles, grid, candidate):
                continue
            alphabet.check([candidate])
        except GroupError:  # a factor does not fit
            continue
        if _agree(pairs, grid, candidate):
            return (candidate,) * count
        second = second or candidate
    if second is None:
        raise GroupError(
            f"no hidden grid of about {cells} cells fits all factors ({', '.join(alphabet.names)}) as images of "
            f"{grid_text(grid)} do; offer fewer factors, or shifts by a fraction of the side such as hshift(1/4)."
        )
    return (second,) * count


def _agree(words: Iterable[tuple[Generator, ...]], grid: Grid, candidate: Grid) -> bool:
    """Say whether products of generators have the same order on both grids."""
    return all(_order(word, grid) == _order(word, candidate) for word in words)


@functools.lru_cache(maxsize=4096)
def _order(word: tuple[Generator, ...], grid: Grid) -> int:
    cells = word[0].permutation(grid)
    for generator in word[1:]:
        cells = cells[generator.permutation(grid)]
    return permutation_order(cells)


def _candidates(grid: Grid, cells: int) -> Iterator[Grid]:
    """Return grids of about that many cells and about the proportions of the images, the best first, then their own."""
    rows, columns = shape_of(grid)
    best = math.sqrt(cells * rows / columns), math.sqrt(cells * columns / rows)
    if min(best) < 1:  # of a long signal of few channels: it has one row at least
        best = (1.0, float(cells)) if rows < columns else (float(cells), 1.0)
    nearby = [range(max(1, int(n / _FARTHEST)), max(1, math.ceil(n * _FARTHEST)) + 1) for n in best]
    if rows == columns:
        shapes = [(n, n) for n in nearby[0] if n <= MAX_SIDE]
    else:
        shapes = [(r, c) for r in nearby[0] for c in nearby[1] if r * c <= MAX_CELLS]
    # Rounded, so that of grids that are equally near the smaller one comes first on every machine.
    distance = {s: round(sum(abs(math.log(n / b)) for n, b in zip(s, best, strict=True)), 6) for s in shapes}
    shapes.sort(key=lambda shape: (distance[shape], shape))
    yield from (as_grid(shape) for shape in shapes)
    yield grid
