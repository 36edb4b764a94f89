"""TabularEvaluator: looks evaluations up in a table and trains nothing."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.evaluators.base import Evaluator
from aen.results.evaluation import Evaluation

_MAKING = threading.Lock()


class KnownFuture(Future[Evaluation]):
    """A future that is done from the start.

    It makes the lock of a Future, which takes longer than looking an evaluation up, when more than `result` is used.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._known = evaluation

    def result(self, timeout: float | None = None) -> Evaluation:
        """Return the evaluation."""
        del timeout
        return self._known

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any attribute
        with _MAKING:
            if "_condition" not in vars(self):
                super().__init__()
                super().set_result(self._known)
        return object.__getattribute__(self, name)


class TabularEvaluator(Evaluator):
    """Answers from a table of evaluations.

    Args:
        table: the evaluation of each spec by its `key`, or a function that returns the evaluation of a spec, or None
            if it has none.

    Raises:
        SpecError: by `submit`, if a spec is not in the table, or if weights are wanted.
    """

    def __init__(self, table: Mapping[str, Evaluation] | Callable[[ChildSpec], Evaluation | None]) -> None:
        self._table = table

    def look_up(self, spec: ChildSpec) -> Evaluation:
        """Return the evaluation of a spec."""
        found = self._table(spec) if callable(self._table) else self._table.get(spec.key)
        if found is None:
            raise SpecError(f"the table has no evaluation of {spec.name}, seed {spec.seed} (key {spec.key}).")
        return found.as_looked_up()

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Look the specs up; the futures are done."""
        if keep_weights:
            raise SpecError("keep_weights needs an evaluator that trains; a table has no weights.")
        return [KnownFuture(self.look_up(spec)) for spec in specs]
