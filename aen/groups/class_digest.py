"""ClassDigest: the key of a network class, a hash of its grids and of the orbits of its layers."""

import hashlib
from collections.abc import Sequence

import numpy as np

from aen.groups.grid import Grid, as_grid, grid_text
from aen.groups.orbits import Orbits


class ClassDigest:
    """A hash of the child's grids, then of the orbits of one layer after the other.

    Children that begin alike share what they begin with: see `with_layer`.

    Args:
        grids: the child's grids, input first.
    """

    def __init__(self, grids: Sequence[Grid]) -> None:
        texts = (str(grid) if isinstance(grid, int) else grid_text(grid) for grid in map(as_grid, grids))
        self._hash = hashlib.sha256(",".join(texts).encode())

    def with_layer(self, orbits: Orbits) -> "ClassDigest":
        """Return the digest of the same child with one layer more; this one is not changed."""
        longer = ClassDigest(())
        longer._hash = self._hash.copy()
        longer._hash.update(np.ascontiguousarray(orbits.labels, dtype="<i4").data)
        return longer

    @property
    def key(self) -> str:
        """The name of a class with these layers: 16 hexadecimal digits."""
        return self._hash.hexdigest()[:16]
