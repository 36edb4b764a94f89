"""Grid types: the inputs and outputs of tied dense layers, and how a decomposition permutes them."""

from dataclasses import dataclass

from torch import Tensor

from aen.groups.decomposition import Decomposition
from aen.groups.generators import Generator
from aen.nn.equivariance import move


@dataclass(frozen=True)
class GridType:
    """A square grid of cells, flat, and the factors that move it.

    Attributes:
        side: of the grid.
        decomposition: what acts.
    """

    side: int
    decomposition: Decomposition

    @property
    def features(self) -> int:
        """Number of cells."""
        return self.side**2

    def transform(self, x: Tensor, generator: Generator) -> Tensor:
        """Return ``g x`` for features ``[*batch, cells]``."""
        return move(x, generator.permutation(self.side))
