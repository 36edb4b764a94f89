"""Weight tying: one free value per orbit, gathered into the weights; the gradient is summed back orbit by orbit."""

import copy
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from aen._typing import Float, Int, IntArray, Labels
from aen.groups.orbits import Orbits
from aen.nn.differentiation import is_transformed
from aen.nn.fixed import FixedTensors

Blocks = tuple[tuple[int, int], ...]


def segment_layout(labels: IntArray | Labels, count: int) -> tuple[IntArray, Blocks, IntArray | None]:
    """Lay a sum over segments out as sums over the first dimension of matrices, which is fast and has one fixed order.

    Args:
        labels: the segment of each point, shape ``[n]``.
        count: number of segments; none is empty.

    Returns:
        ``order``, shape ``[n]``: the points, segments of equal size together, each such block as a matrix
        ``[size, segments]`` in row-major order; the blocks' shapes; and where each segment's sum stands among the
        blocks' results, or None where that is in its place already.
    """
    n = len(labels)
    # Points sorted by segment: a transposition of a sparse matrix is a counting sort.
    by_segment = csr_array((np.ones(n, dtype=np.int8), labels, np.arange(n + 1)), shape=(n, count)).tocsc()
    sizes = np.diff(by_segment.indptr)
    order, blocks, places = [], [], []
    for size in np.unique(sizes):
        segments = np.flatnonzero(sizes == size)
        order.append(by_segment.indices[by_segment.indptr[segments] + np.arange(size)[:, None]].reshape(-1))
        blocks.append((int(size), len(segments)))
        places.append(segments)
    place = np.concatenate(places)
    in_place = np.array_equal(place, np.arange(count))
    return np.concatenate(order).astype(np.int64), tuple(blocks), None if in_place else np.argsort(place)


def segment_sums(
    values: Tensor, order: Tensor, blocks: Blocks, places: Tensor | None, out: Tensor | None = None
) -> Tensor:
    """Sum the rows of `values` ``[n, run]`` over the segments of a `segment_layout`; shape ``[segments, run]``."""
    laid = values.index_select(0, order)
    if len(blocks) == 1 and places is None:
        return torch.sum(laid.view(*blocks[0], *laid.shape[1:]), dim=0, out=out)
    parts = torch.split(laid, [size * count for size, count in blocks])
    sums = [
        part if size == 1 else part.view(size, count, *part.shape[1:]).sum(dim=0)
        for part, (size, count) in zip(parts, blocks, strict=True)
    ]
    if places is None:
        return torch.cat(sums, out=out)
    return torch.index_select(torch.cat(sums), 0, places, out=out)


class _Gather(torch.autograd.Function):
    """The expansion of an `OrbitTable`; its gradient is the sum over each orbit, in one fixed order on every device."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, table: "OrbitTable") -> Tensor:  # noqa: ANN401
        ctx.table = table
        return table.expand(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        table: OrbitTable = ctx.table
        return table.sums(grads[0]), None


class _TransformedGather(torch.autograd.Function):
    """The same for the transforms of `torch.func` and forward derivatives; each call takes much longer."""

    generate_vmap_rule = True

    @staticmethod
    def forward(values: Tensor, table: "OrbitTable") -> Tensor:
        return table.expand(values)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
        del output
        ctx.table = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        table: OrbitTable = ctx.table
        return table.sums(grads[0]), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:  # noqa: ANN401
        table: OrbitTable = ctx.table
        return table.expand(tangents[0])


def _index(points: IntArray | Labels) -> Int[Tensor, " n"]:
    """Return places to gather from; layers have fewer than 2^31 weights, and half as many bytes are read faster."""
    return torch.from_numpy(points.astype(np.int32))


class OrbitTable(FixedTensors):
    """Expands the values of orbits to the values of points.

    The tables follow from the group and are not learned; see `aen.nn.fixed.FixedTensors`.

    Args:
        orbits: the orbit of each point; or of each run of points, if runs of this length are tied as a whole.
        run: number of values that stand for each orbit, and of points that stand for each of its members.

    Attributes:
        tied: whether any two points share a value; where not, points and values are the same.
    """

    labels: Tensor
    order: Tensor
    places: Tensor | None

    def __init__(self, orbits: Orbits, run: int = 1) -> None:
        super().__init__()
        self.run = run
        self.tied = orbits.count < len(orbits.labels)
        if self.tied:
            order, self.blocks, places = segment_layout(orbits.labels, orbits.count)
            self.fix("labels", _index(orbits.labels))
            self.fix("order", _index(order))
            self.fix("places", None if places is None else torch.from_numpy(places))

    @classmethod
    def of_members(cls, members: IntArray) -> "OrbitTable":
        """Return the table of orbits of one size by their members.

        Args:
            members: the points of each orbit, shape ``[size, orbits]``; together every point once.
        """
        size, count = members.shape
        table = cls(Orbits(np.zeros(0, dtype=np.int32), 0))
        table.tied = size > 1
        if table.tied:
            labels = np.empty(size * count, dtype=np.int64)
            labels[members] = np.arange(count)
            table.blocks = ((size, count),)
            table.fix("labels", _index(labels))
            table.fix("order", _index(members.reshape(-1)))
            table.fix("places", None)
        return table

    def forward(self, values: Float[Tensor, " values"]) -> Float[Tensor, " points"]:
        """Return the value of each point's orbit; where nothing is tied, `values` itself."""
        if not self.tied:
            return values
        gather = _TransformedGather if is_transformed() else _Gather
        expanded: Tensor = gather.apply(values, self)  # type: ignore[no-untyped-call]
        return expanded

    def expand(self, values: Float[Tensor, " values"]) -> Float[Tensor, " points"]:
        """Do the same without automatic differentiation."""
        if not self.tied:
            return values
        if self.run == 1:
            return values.index_select(0, self.labels)
        return values.reshape(self._rows).index_select(0, self.labels).reshape(-1)

    def sums(
        self, points: Float[Tensor, " points"], out: Float[Tensor, " values"] | None = None
    ) -> Float[Tensor, " values"]:
        """Return the sum over each orbit, in `out` if given: the transposed `expand`."""
        if not self.tied:
            return points if out is None else out.copy_(points)
        target = None if out is None else out.view(self._rows)
        return segment_sums(points.reshape(self._rows), self.order, self.blocks, self.places, target).reshape(-1)

    def shared(self) -> "OrbitTable":
        """Return another module with the same tensors: each layer has its own, which may go to another device."""
        return copy.copy(self)

    def sizes(self) -> Int[Tensor, "*values"]:
        """Return how many points share each value; a single number where it is the same for all."""
        if not self.tied:
            return torch.ones((), dtype=torch.int64)
        device = self.labels.device
        if len(self.blocks) == 1:
            return torch.full((), self.blocks[0][0], device=device)
        sizes = torch.cat([torch.full((count,), size, device=device) for size, count in self.blocks])
        return (sizes if self.places is None else sizes[self.places]).repeat_interleave(self.run)

    def first(self, points: Float[Tensor, " points"]) -> Float[Tensor, " values"]:
        """Return one point's value for each orbit: undoes `expand`."""
        if not self.tied:
            return points
        starts = accumulate((size * count for size, count in self.blocks), initial=0)
        parts = [self.order[at : at + count] for at, (_, count) in zip(starts, self.blocks, strict=False)]
        place = torch.cat(parts)
        if self.places is not None:
            place = place[self.places]
        return points.view(self._rows).index_select(0, place).view(-1)

    @property
    def _rows(self) -> tuple[int, ...]:
        # Rows of one value would be copied one by one.
        return (-1,) if self.run == 1 else (-1, self.run)


Runs = tuple[int, IntArray, Orbits]


def long_runs(labels: IntArray | Labels, count: int, lengths: Iterable[int]) -> Runs | None:
    """Find the longest runs of points that are tied as a whole, so that they can be copied as a whole.

    Args:
        labels: the orbit of each point, shape ``[n]``; none of the orbits is empty.
        count: number of orbits.
        lengths: what to try, longest first; each is above 1 and divides n.

    Returns:
        The length of the runs, the orbit of each value when values stand in the order in which the points first need
        them, shape ``[count]``, and the orbits of the runs; None if there are no runs of these lengths.
    """
    draw = np.random.default_rng(0).integers(1, 2**31, size=len(labels))
    for length in lengths:
        if count % length:
            continue
        rows = labels.reshape(-1, length)
        _, first, inverse = np.unique(rows @ draw[:length], return_index=True, return_inverse=True)
        # As many values as orbits: no two different runs share an orbit, and none meets one twice.
        if len(first) * length == count and np.array_equal(rows[first[inverse]], rows):
            order = rows[np.sort(first)].reshape(-1).astype(np.int64)
            place = np.argsort(np.argsort(first))
            return length, order, Orbits(place[inverse.reshape(-1)].astype(np.int32), len(first))
    return None


def single_runs(labels: IntArray | Labels, count: int) -> Runs:
    """Return the same for runs of one point, which always works."""
    first = np.full(count, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    order = np.argsort(first)
    place = np.empty(count, dtype=np.int32)
    place[order] = np.arange(count, dtype=np.int32)
    return 1, order, Orbits(place[labels], count)


def orbit_mean_matrix(orbits: Orbits) -> Float[Tensor, "points orbits"]:
    """Return the matrix M with ``(x @ M)[o]`` = mean of x over orbit o."""
    labels: Int[Tensor, " points"] = torch.from_numpy(orbits.labels.astype(np.int64))
    matrix = torch.zeros(len(labels), orbits.count, device="cpu")
    matrix[torch.arange(len(labels), device="cpu"), labels] = 1.0
    return matrix / matrix.sum(dim=0)
