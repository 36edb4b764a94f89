"""Dense layers between grids that mix decompositions."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aen._typing import Float, Weighting
from aen.errors import SpecError
from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid, as_grid, cells_of, grid_text
from aen.groups.orbits import grid_orbits, layer_orbits
from aen.nn.linear import SymmetrizedLinear
from aen.nn.mixture import Mixture
from aen.nn.stored import load_stored_state
from aen.nn.tying import OrbitTable, orbit_mean_matrix


class MixedSymmetrizedLinear(nn.Module):
    """A `SymmetrizedLinear` that mixes decompositions: a dense layer between two grids with mixed weights.

    Args:
        in_grid: the input grid: the side of a square, or rows and columns.
        out_grid: the output grid.
        decompositions: one per branch.
        weighting: see `aen.nn.mixture.Mixture`.
        keep_norm: see `aen.nn.mixture.Mixture`.
        temperature: see `aen.nn.mixture.Mixture`.
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        mixture: the branches' values, in the orbits' own order, and alpha.
        bias: one free value per output cell: no group ties it.
    """

    def __init__(
        self,
        in_grid: Grid,
        out_grid: Grid,
        decompositions: Sequence[Decomposition],
        *,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_grid, self.out_grid = as_grid(in_grid), as_grid(out_grid)
        self.decompositions = tuple(decompositions)
        branches = [SymmetrizedLinear(in_grid, out_grid, d, generator=generator) for d in decompositions]
        self.mixture = Mixture(
            [d.name for d in decompositions],
            [OrbitTable(layer_orbits(d.generators, in_grid, out_grid)) for d in decompositions],
            [branch.orbit_values("weight").detach().clone() for branch in branches],
            weighting=weighting,
            keep_norm=keep_norm,
            temperature=temperature,
        )
        self.bias = nn.Parameter(torch.zeros(cells_of(out_grid)))

    @property
    def alpha(self) -> nn.Parameter | None:
        """The strengths before the softmax, one per decomposition."""
        return self.mixture.alpha

    def expanded_weight(self) -> Float[Tensor, "inputs outputs"]:
        """Return the full matrix W; the layer computes ``x W + b``."""
        full: Tensor = self.mixture(self.mixture.strengths())
        return full.view(cells_of(self.in_grid), cells_of(self.out_grid))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return ``x W + b``."""
        self.evaluate_output_shape(x.shape)
        y = x @ self.expanded_weight()
        return y + self.bias.to(y.dtype)  # under autocast the product has another type

    def evaluate_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output for inputs ``(*batch, input cells)``.

        Raises:
            SpecError: the last dimension is another.
        """
        if not shape or shape[-1] != cells_of(self.in_grid):
            raise SpecError(
                f"x has shape {tuple(shape)}; its last dimension must be {cells_of(self.in_grid)}, the cells of a "
                f"{grid_text(self.in_grid)} grid. Flatten images first: x.flatten(1)."
            )
        return (*shape[:-1], cells_of(self.out_grid))

    def export(self) -> nn.Linear:
        """Return an ordinary dense layer of torch that computes the same."""
        plain = nn.Linear(cells_of(self.in_grid), cells_of(self.out_grid)).to(self.bias)
        with torch.no_grad():
            plain.weight.copy_(self.expanded_weight().t())
            plain.bias.copy_(self.bias)
        return plain.train(self.training)

    @torch.no_grad()
    def discretise(self) -> SymmetrizedLinear:
        """Return the layer of the strongest branch alone; its bias is the mean over each orbit of cells."""
        place = self.mixture.strongest()
        layer = SymmetrizedLinear(
            self.in_grid, self.out_grid, self.decompositions[place], generator=torch.Generator()
        ).to(self.bias)
        cells = orbit_mean_matrix(grid_orbits(self.decompositions[place].generators, self.out_grid)).to(self.bias)
        # The mixture's values stand in the orbits' own order, as those of a file do.
        load_stored_state(layer, {"weight": self.mixture.branch(place), "bias": self.bias @ cells})
        return layer.train(self.training)

    def penalty(self, factors: Mapping[str, float]) -> Float[Tensor, ""]:
        """Return an L2 penalty, one factor per decomposition's name; see `aen.nn.mixture.Mixture.penalty`."""
        return self.mixture.penalty(factors)
