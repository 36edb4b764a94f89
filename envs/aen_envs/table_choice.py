"""TableChoice: which results of a benchmark table an environment shows."""

import os
from collections.abc import Mapping
from typing import Any

from aen._fields import shown
from aen.bench import Table, TableEvaluator, load
from aen.bench.table import Noise
from aen.errors import TableError
from aen.spaces import DecompositionSpace, GCNNSpace, Space
from aen_envs.arguments import checked_child_seed, whole_number

# The id of the environment of the tables of each type of space.
ID_OF_SPACE: Mapping[type[Space], str] = {
    DecompositionSpace: "aen/GroupDecompositionTabular-v0",
    GCNNSpace: "aen/GCNNDesignTabular-v0",
}
MICROSECONDS = 1_000_000


class TableChoice:
    """Which results of a table an environment shows, after checking the arguments.

    Args:
        kind: the type of space that the environment needs.
        table: a table, or the name of one.
        folder: where tables are looked for by name; None: those that aen ships.
        noise: ``seed`` or ``mean``.
        epoch: after which the children were measured; None: the last one.
        child_seed: the seed of every child; None: the table's first one.

    Attributes:
        table: the table.
        evaluator: looks children up in it.
        seed: of every child.
        accuracy: validation accuracy of each class.
        regret: of each class; see `aen.bench.Table.regret`.
        microseconds: of each class's training, whole numbers, so that sums do not depend on their order.

    Raises:
        TableError: there is no such table, seed or epoch, or the table is of another type of space.
    """

    def __init__(
        self,
        kind: type[Space],
        table: object,
        folder: object,
        *,
        noise: Noise,
        epoch: object,
        child_seed: object,
    ) -> None:
        self.table = _found(table, folder)
        definition = self.table.definition
        if not isinstance(definition.space, kind):
            name = type(definition.space).__name__
            other = next((env for space, env in ID_OF_SPACE.items() if isinstance(definition.space, space)), None)
            remedy = f"use {other}" if other else "there is no tabular environment for it"
            raise TableError(
                f"table {self.table.name} is of a {name}, but {ID_OF_SPACE[kind]} needs a {kind.__name__}; {remedy}."
            )
        after = None if epoch is None else whole_number("epoch", epoch)
        self.evaluator = TableEvaluator(self.table, noise=noise, epoch=after)
        self.seed = definition.seeds[0] if child_seed is None else checked_child_seed(child_seed)
        looked_up = self.seed if noise == "seed" else None
        entries = [self.table.entry(place, seed=looked_up, epoch=after) for place in range(len(definition.classes))]
        self.accuracy = [each.validation_accuracy for each in entries]
        self.regret: list[float] = self.table.regret.tolist()
        self.microseconds = [round(each.seconds * MICROSECONDS) for each in entries]

    def __deepcopy__(self, memo: dict[int, Any]) -> "TableChoice":
        """Copies share it: it never changes."""
        return self


def _found(table: object, folder: object) -> Table:
    if isinstance(table, str):
        if not isinstance(folder, str | os.PathLike | None):
            raise TableError(f"folder is {shown(folder)} but must be a path, or None for the tables that aen ships.")
        return load(table, folder)  # type: ignore[arg-type]
    if not isinstance(table, Table):
        raise TableError(f"table is {shown(table)} but must be the name of a table, such as 'digits-04', or a Table.")
    if folder is not None:
        raise TableError(f"folder is {shown(folder)} but table is no name; leave folder out.")
    return table
