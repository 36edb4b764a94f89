"""Choosing the product that computes a tied layer fastest, by one model of the costs."""

from dataclasses import dataclass

import numpy as np

from aen._typing import IntArray, Labels
from aen.groups.grid import Grid, cells_of
from aen.groups.orbits import Orbits
from aen.nn.involutions import free_involutions, further_moves, single_involutions
from aen.nn.products import ExpandedProduct, MergedProduct, Product, SpectralProduct, SplitProduct
from aen.nn.tying import Runs, long_runs, single_runs

# Nanoseconds of one training step on one core (batch 64), from `benchmarks/bench_products.py`. Only ratios matter.
_PER_MULTIPLICATION = 6.5  # forward and both gradients
_PER_GATHERED_SLOT = 3.5  # gather forward, segment sum backward
_PER_COPIED_SLOT = 1.0  # the same in long runs
_PER_TRANSFORMED_SLOT = 1.5  # to the characters and back
LONG_RUN = 16
_PER_STAGE = 60_000.0  # the further operations of a product that is not one matrix product


@dataclass(frozen=True, eq=False)
class Choice:
    """A product and how the layer's parameters reach its slots.

    Attributes:
        product: the product.
        run: slots that are copied together; see `aen.nn.tying.long_runs`.
        order: the orbit of each parameter, shape ``[orbits]``.
        runs: the orbits of the runs.
    """

    product: Product
    run: int
    order: IntArray
    runs: Orbits

    @property
    def nanoseconds(self) -> float:
        """Estimated time of a training step."""
        slots = len(self.product.slots)
        if self.runs.count == len(self.runs.labels):
            return _least(self.product)
        return _least(self.product) + slots * (_PER_GATHERED_SLOT if self.run < LONG_RUN else _PER_COPIED_SLOT)


def _least(product: Product) -> float:
    """Return the estimated time of a product whose slots need not be gathered."""
    cost = _PER_MULTIPLICATION * product.multiplications
    if not isinstance(product, ExpandedProduct):
        cost += _PER_STAGE + _PER_TRANSFORMED_SLOT * len(product.slots)
    return cost


def products_for(orbits: Orbits, in_grid: Grid, out_grid: Grid) -> list[Product]:
    """Return every product that computes a layer with these orbits. They depend on the orbits alone."""
    products: list[Product] = [ExpandedProduct(cells_of(in_grid), cells_of(out_grid))]
    if orbits.count < len(orbits.labels):
        labels = orbits.labels.reshape(cells_of(in_grid), cells_of(out_grid))
        in_group, out_group = _equal_rows(labels), _equal_rows(labels.T)
        if max(in_group) + 1 < len(in_group) or max(out_group) + 1 < len(out_group):
            products.append(MergedProduct(in_group, out_group))
        involutions = free_involutions(orbits, in_grid, out_grid)
        products += [SpectralProduct(involutions[:n]) for n in range(1, len(involutions) + 1)]
        if not involutions:
            products += [SplitProduct(move) for move in single_involutions(orbits, in_grid, out_grid)]
    return products


def choice_of(product: Product, orbits: Orbits, in_grid: Grid, out_grid: Grid) -> Choice:
    """Lay the parameters of a layer out for a product."""
    found = _in_long_runs(product, orbits)
    if found is None and isinstance(product, SpectralProduct):
        # Its representatives may come in another order, in which what is tied lies together.
        for move in further_moves(orbits, in_grid, out_grid):
            reordered = SpectralProduct(product.involutions, along=move.q)
            found = _in_long_runs(reordered, orbits)
            if found is not None:
                return Choice(reordered, *found)
    return Choice(product, *(found or single_runs(orbits.labels[product.slots], orbits.count)))


def _in_long_runs(product: Product, orbits: Orbits) -> Runs | None:
    lengths = [n for n in range(product.width, LONG_RUN - 1, -1) if product.width % n == 0]
    slots = len(product.slots)
    if slots == orbits.count:  # nothing is tied: one run
        lengths = [slots]
    return long_runs(orbits.labels[product.slots], orbits.count, lengths)


def choose_product(orbits: Orbits, in_grid: Grid, out_grid: Grid) -> Choice:
    """Return the product with the smallest estimated time."""
    best: Choice | None = None
    for product in sorted(products_for(orbits, in_grid, out_grid), key=_least):
        if best is not None and _least(product) >= best.nanoseconds:
            break
        choice = choice_of(product, orbits, in_grid, out_grid)
        if best is None or choice.nanoseconds < best.nanoseconds:
            best = choice
    assert best is not None  # noqa: S101 - the expanded product is always there
    return best


def _equal_rows(labels: Labels) -> IntArray:
    """Number the rows so that equal rows have equal numbers, the first row's being 0, and so on."""
    weights = np.random.default_rng(0).integers(1, 2**31, size=labels.shape[1])
    hashes = labels @ weights
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if not np.array_equal(labels[first[inverse]], labels):  # two different rows with one hash
        _, first, inverse = np.unique(labels, axis=0, return_index=True, return_inverse=True)
    numbers: IntArray = np.argsort(np.argsort(first))[inverse.reshape(-1)]
    return numbers
