"""Evaluator: what turns specs into evaluations, whoever trains them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from aen.children.spec import ChildSpec
from aen.results.evaluation import Evaluation


@runtime_checkable
class Evaluator(Protocol):
    """Trains children, or looks them up; an environment does not know which."""

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        """Start the evaluation of some specs.

        Args:
            specs: what to evaluate; equal keys are trained once.
            keep_weights: keep the trained weights and name their file in the evaluation.

        Returns:
            One future per spec, in the same order.
        """
        ...

    def close(self) -> None:
        """Stop working and free what is held."""
        ...


def evaluate(evaluator: Evaluator, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Evaluation]:
    """Submit specs and wait for all of them."""
    return [future.result() for future in evaluator.submit(specs, keep_weights=keep_weights)]
