"""Orbits: which weight positions of a layer share one value.

Generators act on an input grid X and an output grid Y by permutations p and q. A weight matrix W is equivariant iff
``W[p(x), q(y)] = W[x, y]`` for every generator, so its free parameters are the orbits of the pairs (p, q) on X x Y.
The partition for a set of generators is the join of the partitions of its members: each further generator is a
connected-components problem on the orbits found so far, never on single weights again.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from aen._typing import IntArray, Labels
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of

_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Orbits:
    """A partition of ``range(n)`` into orbits.

    Attributes:
        labels: the orbit of each point, shape ``[n]``; orbits are numbered by their smallest point, so equal partitions
            have equal labels.
        count: number of orbits.
    """

    labels: Labels
    count: int

    @classmethod
    def discrete(cls, n: int) -> "Orbits":
        """Return the finest partition: every point alone."""
        return cls(np.arange(n, dtype=np.int32), n)

    def join(self, permutation: IntArray) -> "Orbits":
        """Return the finest partition that is coarser than this one and kept by `permutation`."""
        if self.is_kept_by(permutation):
            return self
        return self._merge_orbits(self.labels, self.labels[permutation])

    def merge(self, points: IntArray | Labels, others: IntArray | Labels) -> "Orbits":
        """Return the finest partition that is coarser than this one and puts each of `points` with its one of `others`.

        Both have shape ``[k]``.
        """
        return self._merge_orbits(self.labels[points], self.labels[others])

    def _merge_orbits(self, orbits: Labels, others: Labels) -> "Orbits":
        edges = (np.ones(len(orbits), dtype=np.int8), (orbits, others))
        graph = csr_array(edges, shape=(self.count, self.count))
        count, component = connected_components(graph, directed=False)
        # Components come numbered by their smallest orbit, and orbits by their smallest point: the order is canonical.
        return Orbits(component[self.labels], int(count))

    def is_kept_by(self, permutation: IntArray) -> bool:
        """Say whether `permutation` moves no point out of its orbit."""
        # A sample refuses most permutations at once.
        sample = slice(None, None, max(len(permutation) // _SAMPLE, 1))
        if not np.array_equal(self.labels[permutation[sample]], self.labels[sample]):
            return False
        return bool(np.array_equal(self.labels[permutation], self.labels))

    def sizes(self) -> IntArray:
        """Return the number of points in each orbit, shape ``[count]``."""
        return np.bincount(self.labels, minlength=self.count)


def pair_permutation(p: IntArray, q: IntArray) -> IntArray:
    """Return the joint action on X x Y: pair ``x * len(q) + y`` moves to ``p[x] * len(q) + q[y]``."""
    return (p[:, None] * len(q) + q[None, :]).reshape(-1)


@functools.lru_cache(maxsize=512)
def grid_orbits(generators: tuple[Generator, ...], grid: Grid) -> Orbits:
    """Return the orbits of the generators on the cells of one grid."""
    cells = Orbits.discrete(cells_of(grid))
    if generators:
        # All generators in one merge: on a grid the overhead of the calls dominates.
        moved = np.concatenate([generator.permutation(grid) for generator in generators])
        cells = cells.merge(np.tile(cells.labels, len(generators)), moved)
    cells.labels.setflags(write=False)
    return cells


@functools.lru_cache(maxsize=64)
def layer_orbits(generators: tuple[Generator, ...], in_grid: int, out_grid: Grid) -> Orbits:
    """Return the orbits of the generators on the weights of a layer, position ``x * (cells of Y) + y``.

    Args:
        generators: what the layer must be equivariant to; none leaves every weight free.
        in_grid: the input grid X.
        out_grid: the output grid Y.
    """
    actions = [(g.permutation(in_grid), g.permutation(out_grid)) for g in generators]
    orbits = pair_orbits(grid_orbits(generators, in_grid), actions, cells_of(out_grid))
    orbits.labels.setflags(write=False)
    return orbits


def pair_orbits(rows: Orbits, actions: Sequence[tuple[IntArray, IntArray]], n_columns: int) -> Orbits:
    """Return the orbits of permutation pairs (p, q) on X x Y, by orbits and stabilisers.

    An orbit of X x Y meets the row of its X-orbit's first point x0 in an orbit of the stabiliser of x0 on Y. So every
    row is carried to its x0, and only rows whose relations are not yet kept join anything: where the action on X is
    free, none does.

    Args:
        rows: the orbits of the p on X.
        actions: the pairs; none leaves every point alone.
        n_columns: number of points of Y.

    Returns:
        The orbits of points ``x * n_columns + y``.
    """
    nodes = _carried(rows, actions, n_columns)
    stabiliser = Orbits.discrete(rows.count * n_columns)
    labels = nodes
    for p, q in actions:
        wrong = np.flatnonzero((labels != labels[p][:, q]).any(axis=1))
        while len(wrong):
            # One relation per X-orbit at a time: it often settles the others of its orbit.
            _, first = np.unique(rows.labels[wrong], return_index=True)
            chosen = wrong[first]
            stabiliser = stabiliser.merge(nodes[chosen].reshape(-1), nodes[p[chosen]][:, q].reshape(-1))
            left = stabiliser.labels[nodes[wrong]] != stabiliser.labels[nodes[p[wrong]][:, q]]
            wrong = wrong[left.any(axis=1)]
        if stabiliser.count < rows.count * n_columns:
            labels = stabiliser.labels[nodes]
    # An X-orbit's first point is its smallest, so the numbering by smallest point is that of the carried rows.
    return Orbits(labels.reshape(-1), stabiliser.count)


def _carried(rows: Orbits, actions: Sequence[tuple[IntArray, IntArray]], n_columns: int) -> Labels:
    """Return, for each point (x, y), the point of the first row of its X-orbit from which a group element carries it.

    Points of first rows are numbered ``orbit of x * n_columns + y``; shape ``[len(X), n_columns]``.
    """
    _, frontier = np.unique(rows.labels, return_index=True)
    nodes = np.empty((len(rows.labels), n_columns), dtype=np.int32)
    nodes[frontier] = np.arange(rows.count * n_columns, dtype=np.int32).reshape(rows.count, n_columns)
    reached = np.zeros(len(rows.labels), dtype=bool)
    reached[frontier] = True
    while not reached.all():
        found = []
        for p, q in actions:
            new = ~reached[p[frontier]]
            source = frontier[new]
            nodes[p[source][:, None], q] = nodes[source]
            reached[p[source]] = True
            found.append(p[source])
        frontier = np.concatenate(found)
    return nodes
