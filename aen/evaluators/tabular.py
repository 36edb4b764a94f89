"""TabularEvaluator: looks evaluations up in a table and trains nothing."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.evaluators.base import Evaluator
from aen.results.evaluation import Evaluation


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
        futures: list[Future[Evaluation]] = []
        for spec in specs:
            futures.append(Future())
            futures[-1].set_result(self.look_up(spec))
        return futures
