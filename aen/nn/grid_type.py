"""Grid types: the inputs and outputs of tied dense layers, and how a decomposition permutes them."""

from dataclasses import dataclass

from torch import Tensor

from aen.groups.decomposition import Decomposition
from aen.groups.generators import Generator
from aen.groups.grid import Grid, cells_of
from aen.nn.equivariance import move


@dataclass(frozen=True)
class GridType:
    """A grid of cells, flat, and the factors that move it.

    Attributes:
        grid: the side of a square, or rows and columns.
        decomposition: what acts.
    """

    grid: Grid
    decomposition: Decomposition

    @property
    def features(self) -> int:
        """Number of cells."""
        return cells_of(self.grid)

    def transform(self, x: Tensor, generator: Generator) -> Tensor:
        """Return ``g x`` for features ``[*batch, cells]``."""
        return move(x, generator.permutation(self.grid))
