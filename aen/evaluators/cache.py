"""EvaluationCache: what is known of specs, in memory and in a store, so that no evaluator trains one twice."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.evaluators.base import Evaluator
from aen.results.evaluation import Evaluation

if TYPE_CHECKING:
    from aen.results.store import Claim, ResultStore


class EvaluationCache:
    """Evaluations by key: those of this process in memory, and all of them in the store, if there is one.

    Args:
        store: where results are kept; None: in memory alone.
        weights_folder: where kept weights are.
    """

    def __init__(self, store: "ResultStore | None", weights_folder: Path | str | None) -> None:
        self.store = store
        self.weights_folder = None if weights_folder is None else Path(weights_folder)
        self._known: dict[str, Evaluation] = {}

    def check_weights(self, *, keep_weights: bool) -> None:
        """Check that there is a folder for weights, if they are wanted.

        Raises:
            SpecError: there is none.
        """
        if keep_weights and self.weights_folder is None:
            raise SpecError("keep_weights needs an evaluator with a weights_folder.")

    def known(self, keys: Sequence[str], *, keep_weights: bool) -> dict[str, Evaluation]:
        """Return what is known by key, marked as looked up; where weights are wanted, only what has them."""
        found = {key: self._known[key] for key in keys if key in self._known}
        if self.store is not None and len(found) < len(keys):
            fresh = self.store.get_many([key for key in keys if key not in found])
            found |= fresh
            # Failures can be deleted from the store to be tried again, so the store is asked about them every time.
            self._known |= {key: evaluation for key, evaluation in fresh.items() if evaluation.status != "failed"}
        return {
            key: evaluation.as_looked_up()
            for key, evaluation in found.items()
            if not keep_weights or self.has_weights(evaluation)
        }

    def has_weights(self, evaluation: Evaluation) -> bool:
        """Return whether an evaluation's weights exist, or never will."""
        if evaluation.status != "ok":
            return True
        folder = self.weights_folder
        return folder is not None and evaluation.weights is not None and (folder / evaluation.weights).is_file()

    def claim(self, keys: Sequence[str]) -> "dict[str, Claim]":
        """Ask the store for leases to train specs; those that need none have no entry and are the caller's."""
        # A result without the weights that are wanted now is trained again; that needs no lease.
        asked = [key for key in keys if key not in self._known]
        return {} if self.store is None else self.store.claim_many(asked)

    def release(self, keys: Collection[str]) -> None:
        """Give leases back; those of others stay. Errors of the store are ignored, since leases expire."""
        if self.store is not None and keys:
            with suppress(AenError):
                self.store.release_many(list(keys))

    def commit(self, results: Sequence[tuple[Evaluation, ChildSpec]]) -> None:
        """Store results; only then may they be handed out."""
        if self.store is not None:
            self.store.commit_many(results)

    def note(self, evaluation: Evaluation) -> Evaluation:
        """Remember a result that was stored; return what to hand out.

        The first result stays, and new weights are added. A failure gives way to a result and never takes its place.
        """
        known = self._known.get(evaluation.key)
        if known is not None and "failed" not in (known.status, evaluation.status):
            evaluation = replace(known, weights=evaluation.weights, looked_up=False)
        if evaluation.status != "failed" or (known is None and self.store is None):
            self._known[evaluation.key] = evaluation
        return evaluation

    def recall(self, evaluation: Evaluation) -> None:
        """Remember a result that another process stored."""
        self._known[evaluation.key] = evaluation

    def close(self, unfinished: Collection[str]) -> None:
        """Give back the leases of what was not finished, and close the store."""
        self.release(unfinished)
        if self.store is not None:
            self.store.close()


class CachingEvaluator(Evaluator):
    """An evaluator with an `EvaluationCache`."""

    _cache: EvaluationCache

    @property
    def store(self) -> "ResultStore | None":
        """Where results are kept and looked up."""
        return self._cache.store

    @property
    def weights_folder(self) -> Path | None:
        """Where weights go when they are kept, and where those of parents are found."""
        return self._cache.weights_folder

    @weights_folder.setter
    def weights_folder(self, folder: Path | None) -> None:
        self._cache.weights_folder = folder
