"""The ledger: what is known of specs, in memory and in a store, so that no evaluator trains one twice."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.results.evaluation import Evaluation

if TYPE_CHECKING:
    from aen.results.store import Claim, ResultStore


class Ledger:
    """Evaluations by key: those of this process in memory, and all of them in the store, if there is one.

    Args:
        store: where results are kept; None: in memory alone.
        weights_folder: where kept weights are.
    """

    def __init__(self, store: "ResultStore | None", weights_folder: Path | None) -> None:
        self.store = store
        self.weights_folder = weights_folder
        self._known: dict[str, Evaluation] = {}

    def check_weights(self, *, keep_weights: bool) -> None:
        """Check that there is a place for weights, if they are wanted.

        Raises:
            SpecError: there is none.
        """
        if keep_weights and self.weights_folder is None:
            raise SpecError("keep_weights needs an evaluator with a weights_folder.")

    def known(self, keys: Sequence[str], *, keep_weights: bool) -> dict[str, Evaluation]:
        """Return by key what is known, marked as looked up; where weights are wanted, only what has them."""
        found = {key: self._known[key] for key in keys if key in self._known}
        if self.store is not None and len(found) < len(keys):
            fresh = self.store.get_many([key for key in keys if key not in found])
            found |= fresh
            # What failed may be tried again by whoever deletes it: of that the store is asked every time.
            self._known |= {key: evaluation for key, evaluation in fresh.items() if evaluation.status != "failed"}
        return {
            key: replace(evaluation, looked_up=True)
            for key, evaluation in found.items()
            if not keep_weights or self.has_weights(evaluation)
        }

    def has_weights(self, evaluation: Evaluation) -> bool:
        """Say whether an evaluation's weights are there, or never will be."""
        if evaluation.status != "ok":
            return True
        folder = self.weights_folder
        return folder is not None and evaluation.weights is not None and (folder / evaluation.weights).is_file()

    def claim(self, keys: Sequence[str]) -> "dict[str, Claim]":
        """Ask the store for the right to train specs; those that need no asking have no entry and are the caller's."""
        # A result without the weights that are wanted now is trained again; that needs no lease.
        asked = [key for key in keys if key not in self._known]
        return {} if self.store is None else self.store.claim_many(asked)

    def release(self, keys: Collection[str]) -> None:
        """Give leases back; those of others stay. A store that refuses is left alone: leases run out by themselves."""
        if self.store is not None and keys:
            with suppress(AenError):
                self.store.release_many(list(keys))

    def commit(self, results: Sequence[tuple[Evaluation, ChildSpec]]) -> None:
        """Store results, before anyone hears of them."""
        if self.store is not None:
            self.store.commit_many(results)

    def note(self, evaluation: Evaluation) -> Evaluation:
        """Take in a result that was stored; return what to hand out.

        The first result stays, and new weights are added. A failure gives way to a result and never takes its place.
        """
        known = self._known.get(evaluation.key)
        if known is not None and "failed" not in (known.status, evaluation.status):
            evaluation = replace(known, weights=evaluation.weights, looked_up=False)
        if evaluation.status != "failed" or (known is None and self.store is None):
            self._known[evaluation.key] = evaluation
        return evaluation

    def recall(self, evaluation: Evaluation) -> None:
        """Take in a result that another process stored."""
        self._known[evaluation.key] = evaluation

    def close(self, unfinished: Collection[str]) -> None:
        """Give back the leases of what was not finished, and close the store."""
        self.release(unfinished)
        if self.store is not None:
            self.store.close()


class KeepsLedger:
    """What evaluators have in common that keep a ledger."""

    _ledger: Ledger

    @property
    def store(self) -> "ResultStore | None":
        """Where results are kept and looked up."""
        return self._ledger.store

    @property
    def weights_folder(self) -> Path | None:
        """Where weights go when they are kept, and where those of parents are found."""
        return self._ledger.weights_folder

    @weights_folder.setter
    def weights_folder(self, folder: Path | None) -> None:
        self._ledger.weights_folder = folder
