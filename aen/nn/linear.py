"""Symmetrised linear layers: dense maps between grids whose weights are tied by a decomposition."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aen._typing import Float, Initialisation
from aen.errors import SpecError, did_you_mean
from aen.groups.decomposition import Decomposition
from aen.groups.grid import Grid, as_grid, cells_of, grid_text
from aen.groups.orbits import grid_orbits, layer_orbits
from aen.nn.choice import choose_product
from aen.nn.equivariance import equivariance_errors
from aen.nn.fixed import FixedTensors
from aen.nn.grid_type import GridType
from aen.nn.products import multiply
from aen.nn.tying import OrbitTable, single_runs


def initial_bound(initialisation: Initialisation, *, in_grid: Grid, weight_orbits: int) -> float:
    """Return b such that initial values are drawn from -b to b; see `SymmetrizedLinear`.

    Raises:
        SpecError: an unknown initialisation.
    """
    # The side of a square is the root of its cells, exactly.
    root = in_grid if isinstance(in_grid, int) else math.sqrt(cells_of(in_grid))
    bounds = {"fan_in": 1 / root, "published": 1 / math.sqrt(weight_orbits)}
    if initialisation not in bounds:
        raise SpecError(f"unknown initialisation {initialisation!r}{did_you_mean(initialisation, bounds)}.")
    return bounds[initialisation]


class SymmetrizedLinear(FixedTensors):
    r"""A dense layer between two grids, equivariant to every factor of a decomposition.

    .. math:: y = x W + b, \qquad W[p_g(i), q_g(j)] = W[i, j], \quad b[q_g(j)] = b[j]

    for every generator g, which acts on the input grid by p and on the output grid by q. The free parameters are one
    value per orbit of input-output pairs and one per orbit of output cells (AEN, arXiv 2104.04848).

    Args:
        in_grid: the input grid, by the side of a square or by ``(rows, columns)``; the layer takes one feature per
            cell, row by row.
        out_grid: the output grid.
        decomposition: what to be equivariant to; an empty one gives an ordinary dense layer.
        bias: whether to add the tied bias.
        initialisation: ``fan_in`` draws from ±1/sqrt(input cells), the fan-in of the expanded matrix; ``published``
            from ±1/sqrt(number of orbits), as the published implementation does (its bias too).
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        weight: one value per orbit of pairs, shape ``[weight orbits]``, in the order in which `product` reads them; see
            `orbit_values`.
        bias: one value per orbit of output cells, shape ``[output orbits]``, or None.
        product: the arithmetic, see `aen.nn.products`.

    Raises:
        GroupError: a factor does not fit one of the grids.
        SpecError: an unknown initialisation.
    """

    out_cells: Tensor
    _version = 2  # in a state of version 1, parameters stand in the orbits' own order

    def __init__(
        self,
        in_grid: Grid,
        out_grid: Grid,
        decomposition: Decomposition,
        *,
        bias: bool = True,
        initialisation: Initialisation = "fan_in",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(decomposition, Decomposition):
            raise SpecError(f"decomposition is {decomposition!r}; write Decomposition.of(['rot90', 'hflip']).")
        in_grid, out_grid = as_grid(in_grid), as_grid(out_grid)
        decomposition.check((in_grid, out_grid))
        self.in_grid, self.out_grid, self.decomposition = in_grid, out_grid, decomposition
        orbits = layer_orbits(decomposition.generators, in_grid, out_grid)
        choice = choose_product(orbits, in_grid, out_grid)
        self.product = choice.product
        self.weight_table = OrbitTable(choice.runs, choice.run)
        self.weight = nn.Parameter(torch.empty(orbits.count))
        # The orbit of each parameter: they stand in the order in which the product reads them.
        self.orders = {"weight": torch.from_numpy(choice.order)}
        self.bias: nn.Parameter | None = None
        if bias:
            cells = grid_orbits(decomposition.generators, out_grid)
            _, order, cells_in_order = single_runs(cells.labels[self.product.out_order], cells.count)
            self.bias_table = OrbitTable(cells_in_order)
            self.bias = nn.Parameter(torch.empty(cells.count))
            self.orders["bias"] = torch.from_numpy(order)
        self.fix("out_cells", torch.from_numpy(np.argsort(self.product.out_order)))
        self.reset_parameters(initialisation, generator)

    def reset_parameters(self, initialisation: Initialisation, generator: torch.Generator | None = None) -> None:
        """Draw new initial values."""
        bound = initial_bound(initialisation, in_grid=self.in_grid, weight_orbits=len(self.weight))
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                # Drawn on the CPU, in the orbits' own order, so that a seed means the same values on every device and
                # by every product.
                values = torch.empty(parameter.shape).uniform_(-1, 1, generator=generator)
                parameter.copy_(self.from_orbit_order(name, values))
                parameter.mul_(bound)

    @property
    def in_features(self) -> int:
        """Number of input features, the cells of the input grid."""
        return cells_of(self.in_grid)

    @property
    def out_features(self) -> int:
        """Number of output features, the cells of the output grid."""
        return cells_of(self.out_grid)

    def orbit_values(self, name: str) -> Float[Tensor, " orbits"]:
        """Return ``weight`` or ``bias`` in the orbits' own order: by the smallest position of each."""
        return self.to_orbit_order(name, getattr(self, name))

    def to_orbit_order(self, name: str, values: Float[Tensor, " orbits"]) -> Float[Tensor, " orbits"]:
        """Return values that stand as ``weight`` or ``bias`` does in the orbits' own order."""
        return values[torch.argsort(self.orders[name]).to(values.device)]

    def from_orbit_order(self, name: str, values: Float[Tensor, " orbits"]) -> Float[Tensor, " orbits"]:
        """Return values in the orbits' own order as ``weight`` or ``bias`` takes them."""
        return values[self.orders[name].to(values.device)]

    def expanded_weight(self) -> Float[Tensor, "inputs outputs"]:
        """Return the full matrix W; the layer computes ``x W + b``."""
        orbits = layer_orbits(self.decomposition.generators, self.in_grid, self.out_grid)
        labels = torch.from_numpy(orbits.labels.astype(np.int64)).to(self.weight.device)
        return self.orbit_values("weight")[labels].view(self.in_features, self.out_features)

    def expanded_bias(self) -> Float[Tensor, " outputs"]:
        """Return b, one value per output cell; zeros where the layer has none."""
        if self.bias is None:
            return self.weight.new_zeros(self.out_features)
        bias: Tensor = self.bias_table(self.bias)
        return bias[self.out_cells]

    def forward_features(self, features: Float[Tensor, "features batch"]) -> Float[Tensor, "outputs batch"]:
        """Compute the layer from the features of its product; the output is in `product.out_order`, cells first."""
        y = multiply(self.product, self.weight_table(self.weight), features)
        if self.bias is None:
            return y
        bias: Tensor = self.bias_table(self.bias)
        return y + bias.to(y.dtype).unsqueeze(1)  # under autocast the product has another type

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return ``x W + b``."""
        self.evaluate_output_shape(x.shape)
        rows: Tensor = self.product.rows(x.reshape(-1, self.in_features))
        y = self.forward_features(rows.t()).index_select(0, self.out_cells)
        return y.t().reshape(*x.shape[:-1], self.out_features)

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of ``f(g x) = g f(x)`` for every generator and for random words in them."""
        return equivariance_errors(
            self,
            self.decomposition.generators,
            in_grid=self.in_grid,
            out_grid=self.out_grid,
            words=words,
            seed=seed,
            like=self.weight,
        )

    @property
    def in_type(self) -> GridType:
        """The grid that it takes and what moves it."""
        return GridType(self.in_grid, self.decomposition)

    @property
    def out_type(self) -> GridType:
        """The grid that it gives and what moves it."""
        return GridType(self.out_grid, self.decomposition)

    def evaluate_output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output for inputs ``(*batch, in_features)``.

        Raises:
            SpecError: the last dimension is another.
        """
        if not shape or shape[-1] != self.in_features:
            raise SpecError(
                f"x has shape {tuple(shape)}; its last dimension must be {self.in_features}, the cells of a "
                f"{grid_text(self.in_grid)} grid. Flatten images first: x.flatten(1)."
            )
        return (*shape[:-1], self.out_features)

    def export(self) -> nn.Linear:
        """Return an ordinary dense layer of torch that computes the same."""
        plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None).to(self.weight)
        with torch.no_grad():
            plain.weight.copy_(self.expanded_weight().t())
            if self.bias is not None:
                plain.bias.copy_(self.expanded_bias())
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """Return what `print` shows of the layer."""
        return f"{grid_text(self.in_grid)} -> {grid_text(self.out_grid)}, {self.decomposition}"

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:  # noqa: ANN401 - torch's
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]]["layout"] = self._layout()  # noqa: SLF001 - torch's place for it

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        *args: Any,  # noqa: ANN401 - torch's; the last one is the list of errors
    ) -> None:
        if local_metadata.get("version") == 1:
            for name, order in self.orders.items():
                values = state_dict.get(f"{prefix}{name}")
                if values is not None and values.shape == order.shape:  # else torch says what is wrong
                    state_dict[f"{prefix}{name}"] = self.from_orbit_order(name, values)
        elif local_metadata.get("layout", self._layout()) != self._layout():
            args[-1].append(
                f"{prefix}weight and {prefix}bias are of a layer of another group or computed by another product, so "
                "they stand in another order than here; for another product save aen.nn.stored_state and read it by "
                "aen.nn.load_stored_state."
            )
            return
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def _layout(self) -> str:
        """Return a digest of the order of the parameters."""
        digest = hashlib.blake2b(digest_size=8)
        for order in self.orders.values():
            digest.update(order.numpy().tobytes())
        return digest.hexdigest()
