"""Chains of tables: sums over several groups' tied values that share their gathers."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from aen._typing import Float, IntArray
from aen.groups.orbits import Orbits
from aen.nn.tying import OrbitTable


class TableChain(nn.Module):
    """Expands the values of several tables to the same points and adds them up, and sums points back to all of them.

    What a group ties, its subgroups tie too. So the values of D4 need not be gathered to every point: they are added to
    those of C4, a quarter as many, these to those of C2, and only what is left to the points. Sums go the other way.

    Args:
        tables: all to the same points.
        counts: number of values of each table.
    """

    def __init__(self, tables: Sequence[OrbitTable], counts: Sequence[int]) -> None:
        super().__init__()
        points = int(max((len(table.labels) for table in tables if table.tied), default=max(counts)))
        labels = [_labels(table, points) for table in tables]
        self.order = sorted(range(len(tables)), key=lambda i: counts[i])  # the most tied first
        # parents[i]: to which table's values those of table i are added; None: to the points.
        self.parents: list[int | None] = []
        steps = []
        for i, table in enumerate(tables):
            finer = [j for j in self.order if counts[j] > counts[i] and _refines(labels[j], counts[j], labels[i])]
            parent = finer[0] if finer else None
            self.parents.append(parent)
            if parent is None or not tables[parent].tied:
                steps.append(table)
            else:
                between = labels[i][_first(labels[parent], counts[parent])]
                steps.append(OrbitTable(Orbits(between.astype(np.int32), counts[i])))
        self.steps = nn.ModuleList(steps[i] for i in self.order)

    def expand(self, values: Sequence[Float[Tensor, " values"]]) -> Float[Tensor, " points"]:
        """Return the sum of all tables' expansions, without automatic differentiation; `values` are overwritten."""
        full: Tensor | None = None
        for i, step in zip(self.order, self._steps(), strict=True):
            expanded, parent = step.expand(values[i]), self.parents[i]
            if parent is not None:
                values[parent].add_(expanded)
            else:
                full = expanded if full is None else full.add_(expanded)
        assert full is not None  # noqa: S101 - the least tied table has no parent
        return full

    def sums(self, points: Float[Tensor, " points"]) -> list[Float[Tensor, " values"]]:
        """Return each table's sums over its orbits; those of a table that ties nothing are the points themselves."""
        found = [points] * len(self.order)
        for i, step in zip(reversed(self.order), reversed(self._steps()), strict=True):
            parent = self.parents[i]
            found[i] = step.sums(points if parent is None else found[parent])
        return found

    def _steps(self) -> list[OrbitTable]:
        return list(self.steps)  # type: ignore[arg-type]


def _labels(table: OrbitTable, points: int) -> IntArray:
    if not table.tied:
        return np.arange(points)
    every: Tensor = table.labels.long() * table.run
    runs = (every.unsqueeze(1) + torch.arange(table.run)).reshape(-1)
    return runs.numpy()


def _first(labels: IntArray, count: int) -> IntArray:
    """Return one point of each orbit."""
    first = np.empty(count, dtype=np.int64)
    first[labels] = np.arange(len(labels))
    return first


def _refines(finer: IntArray, count: int, coarser: IntArray) -> bool:
    """Say whether every orbit of a partition lies in one orbit of another."""
    return bool(np.array_equal(coarser[_first(finer, count)][finer], coarser))
