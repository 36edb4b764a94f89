"""TableEvaluator: an Evaluator that looks children up in a table."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import get_args

from aen.bench.table import Noise, Table
from aen.children.spec import ChildSpec
from aen.errors import SpecError, TableError, did_you_mean
from aen.evaluators.base import Evaluator
from aen.evaluators.tabular import KnownFuture
from aen.results.evaluation import Evaluation


class TableEvaluator(Evaluator):
    """Answers with the results of a table; nothing is trained.

    Args:
        table: the table.
        noise: ``seed``: the result of the child's own seed; ``mean``: the mean over the table's seeds.
        epoch: after which the children were measured; None: the last one.

    Raises:
        TableError: the table does not have this epoch.
    """

    def __init__(self, table: Table, *, noise: Noise = "seed", epoch: int | None = None) -> None:
        if noise not in get_args(Noise):
            raise TableError(f"unknown noise {noise!r}{did_you_mean(str(noise), get_args(Noise))}.")
        self.table, self.noise, self.epoch = table, noise, epoch
        self._child = table.definition.child
        self._training = replace(self._child.training, curve=False)  # which tells more, but trains alike
        self._known: dict[tuple[str, int], Evaluation] = {}
        table.entry(0, epoch=epoch)

    def look_up(self, spec: ChildSpec) -> Evaluation:
        """Return the evaluation of a child.

        Raises:
            TableError: the table does not have it: it is of another space, class or seed.
        """
        known = self._known.get((spec.class_key, spec.seed))
        if known is None:
            known = self._known[spec.class_key, spec.seed] = self._made(spec)
        return known

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Look the specs up; the futures are done."""
        if keep_weights:
            raise SpecError("keep_weights needs an evaluator that trains; a table has no weights.")
        return [KnownFuture(self.look_up(spec)) for spec in specs]

    def start(self) -> None:
        """Do nothing: there are no workers."""
        return

    def close(self) -> None:
        """Do nothing: nothing is held."""
        return

    def _made(self, spec: ChildSpec) -> Evaluation:
        table = self.table
        if spec.data != self._child.data or replace(spec.training, curve=False) != self._training:
            raise TableError(f"table {table.name} is of other data or another training than the child {spec.name}.")
        place = table.place_of_class.get(spec.class_key)
        if place is None:
            raise TableError(f"table {table.name} has no class {spec.class_key} ({spec.name}); is it of another space?")
        entry = table.entry(place, seed=spec.seed if self.noise == "seed" else None, epoch=self.epoch)
        return Evaluation(
            key=spec.key,
            class_key=spec.class_key,
            seed=spec.seed,
            status="ok" if entry.train_accuracy or entry.validation_accuracy else "diverged",
            train_loss=entry.train_loss,
            train_accuracy=entry.train_accuracy,
            validation_loss=entry.validation_loss,
            validation_accuracy=entry.validation_accuracy,
            parameters=entry.parameters,
            epochs=float(entry.epoch),
            seconds=entry.seconds,
            device="cpu",
            threads=1,
            looked_up=True,
        )
