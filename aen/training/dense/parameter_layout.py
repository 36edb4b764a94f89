"""ParameterLayout: the positions of a child's parameters in one vector, and the full weights that they expand to."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from aen._typing import IntArray
from aen.children.dense import DenseSpec
from aen.groups.grid import cells_of
from aen.groups.orbits import Orbits, grid_orbits, layer_orbits
from aen.nn.linear import initial_bound
from aen.nn.tying import Blocks, segment_layout

LINE = 16  # numbers in a cache line


def full_shapes(spec: DenseSpec) -> list[tuple[int, ...]]:
    """Return the shapes of a child's full matrices: weight and bias of each layer, then of the head."""
    shapes: list[tuple[int, ...]] = []
    for i, o in spec.layer_shapes:
        shapes += [(cells_of(i), cells_of(o)), (cells_of(o),)]
    return [*shapes, (spec.classes, cells_of(spec.grids[-1])), (spec.classes,)]


class ParameterLayout:
    """One child's parameters: each in the orbits' own order, weight and bias of each layer, then of the head.

    Args:
        spec: the child.

    Attributes:
        labels: for each entry of the full matrices (see `full_shapes`), the parameter that it is.
        count: number of parameters.
    """

    def __init__(self, spec: DenseSpec) -> None:
        self.spec = spec
        self._parts: list[tuple[str, int, float]] = []  # name, parameters, range of the initial values
        labels: list[IntArray] = []
        for number, (i, o) in enumerate(spec.layer_shapes):
            generators = spec.layer_decompositions[number].generators
            weight, bias = layer_orbits(generators, i, o), grid_orbits(generators, o)
            bound = initial_bound(spec.initialisation, in_grid=i, weight_orbits=weight.count)
            labels.append(self._add(f"layers.{number}.weight", weight, bound))
            if spec.bias == "scalar_after_relu":  # one number per layer, for all of its cells
                own = bound if spec.initialisation == "published" else 0.0
                labels.append(self._add(f"scalar_bias.{number}", Orbits(np.zeros_like(bias.labels), 1), own))
            else:
                labels.append(self._add(f"layers.{number}.bias", bias, bound))
        self._cells = grid_orbits(spec.layer_decompositions[-1].generators, spec.grids[-1])
        inputs = self._cells.labels if spec.head == "invariant" else np.arange(cells_of(spec.grids[-1]), dtype=np.int32)
        count = int(inputs.max()) + 1
        head = (np.arange(spec.classes, dtype=np.int32)[:, None] * count + inputs).reshape(-1)
        labels.append(self._add("head.linear.weight", Orbits(head, spec.classes * count), 1 / math.sqrt(count)))
        labels.append(self._add("head.linear.bias", Orbits.discrete(spec.classes), 1 / math.sqrt(count)))
        self.labels = np.concatenate(labels)

    def _add(self, name: str, orbits: Orbits, bound: float) -> IntArray:
        labels = orbits.labels.astype(np.int64) + self.count
        self._parts.append((name, orbits.count, bound))
        return labels

    @property
    def count(self) -> int:
        """Number of parameters."""
        return sum(count for _, count, _ in self._parts)

    def initial_values(self) -> Tensor:
        """Draw the initial values that `aen.children.build_child` draws."""
        source = torch.Generator().manual_seed(self.spec.seed)
        values: dict[str, Tensor] = {}
        scalars = [part for part in self._parts if part[0].startswith("scalar_bias")]
        for name, count, bound in [part for part in self._parts if part not in scalars]:
            if name.startswith("head"):
                values[name] = torch.empty(count).uniform_(-bound, bound, generator=source)
            else:
                values[name] = torch.empty(count).uniform_(-1, 1, generator=source).mul_(bound)
        drawn = torch.zeros(len(scalars))  # the child draws them last, together
        if any(bound for _, _, bound in scalars):
            drawn = drawn.uniform_(-1, 1, generator=source) * torch.tensor([bound for _, _, bound in scalars])
        values |= {name: own.view(1) for (name, _, _), own in zip(scalars, drawn, strict=True)}
        return torch.cat([values[name] for name, _, _ in self._parts])

    def cell_weights(self) -> Tensor:
        """Return one over the size of each cell's orbit, the weights of the invariant head's mean."""
        return torch.from_numpy((1 / self._cells.sizes())[self._cells.labels].astype(np.float32))

    def stored_state(self, values: Tensor) -> dict[str, Tensor]:
        """Return a vector of parameters by the names that the child's module gives them; see `aen.nn.stored`."""
        parts = torch.split(values, [count for _, count, _ in self._parts])
        state = {name: part for (name, _, _), part in zip(self._parts, parts, strict=True)}
        scalars = [name for name in state if name.startswith("scalar_bias")]
        if scalars:
            state["scalar_bias"] = torch.cat([state.pop(name) for name in scalars])
        state["head.linear.weight"] = state["head.linear.weight"].view(self.spec.classes, -1)
        return state


def rest_of_line(count: int) -> int:
    """Return how many numbers have to be added for a whole number of cache lines."""
    return -count % LINE


def aligned_points(shapes: Sequence[tuple[int, ...]]) -> tuple[IntArray, int]:
    """Return the positions of the entries of a child's full matrices, aligned to cache lines, and the length."""
    points, end = [], 0
    for shape in shapes:
        size = math.prod(shape)
        points.append(np.arange(end, end + size))
        end += size + rest_of_line(size)
    return np.concatenate(points), end


def merged_layouts(
    layouts: Sequence[ParameterLayout], starts: IntArray, points: IntArray, weights: int
) -> tuple[IntArray, Blocks, IntArray]:
    """Combine the orbit sums of all children: orbits of one size form one block, across children."""
    by_size: dict[int, list[tuple[IntArray, IntArray]]] = {}
    for number, layout in enumerate(layouts):
        order, blocks, places = segment_layout(layout.labels, layout.count)
        segments = np.arange(layout.count) if places is None else np.argsort(places)
        at = done = 0
        for size, count in blocks:
            rows = points[order[at : at + size * count]].reshape(size, count) + number * weights
            by_size.setdefault(size, []).append((rows, segments[done : done + count] + starts[number]))
            at, done = at + size * count, done + count
    orders, blocks_of_all, places_of_all = [], [], []
    for size, parts in sorted(by_size.items()):
        rows = np.concatenate([part[0] for part in parts], axis=1)
        orders.append(rows.reshape(-1))
        blocks_of_all.append((size, rows.shape[1]))
        places_of_all.append(np.concatenate([part[1] for part in parts]))
    return np.concatenate(orders), tuple(blocks_of_all), np.argsort(np.concatenate(places_of_all))
