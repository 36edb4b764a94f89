"""Orbits: which weight positions of a layer share one value.

Generators act on an input grid X and an output grid Y by permutations p and q. A weight matrix W is equivariant iff
``W[p(x), q(y)] = W[x, y]`` for every generator, so its free parameters are the orbits of the pairs (p, q) on X x Y.
The partition for a set of generators is the join of the partitions of its members: each further generator is a
connected-components problem on the orbits found so far, never on single weights again.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from aen._typing import IntArray, Labels
from aen.groups.generators import Generator

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
        moved = self.labels[permutation]
        edges = (np.ones(len(moved), dtype=np.int8), (self.labels, moved))
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
def grid_orbits(generators: tuple[Generator, ...], side: int) -> Orbits:
    """Return the orbits of the generators on the cells of one grid."""
    return _join_all(Orbits.discrete(side * side), (generator.permutation(side) for generator in generators))


@functools.lru_cache(maxsize=64)
def layer_orbits(generators: tuple[Generator, ...], in_side: int, out_side: int) -> Orbits:
    """Return the orbits of the generators on the weights of a layer, position ``x * out_side**2 + y``.

    Args:
        generators: what the layer must be equivariant to; none leaves every weight free.
        in_side: side of the input grid X.
        out_side: side of the output grid Y.
    """
    pairs = (pair_permutation(g.permutation(in_side), g.permutation(out_side)) for g in generators)
    return _join_all(Orbits.discrete(in_side**2 * out_side**2), pairs)


def _join_all(orbits: Orbits, permutations: Iterable[IntArray]) -> Orbits:
    for permutation in permutations:
        orbits = orbits.join(permutation)
    orbits.labels.setflags(write=False)
    return orbits
