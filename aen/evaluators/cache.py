"""EvaluationCache: what is known of specs, in memory and in a store, so that no evaluator trains one twice."""

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import AenError, SpecError
from aen.evaluators.base import Evaluator
from aen.results.evaluation import Evaluation
from aen.training.weights import what_is_wrong_with

if TYPE_CHECKING:
    from aen.results.store import Claim, ResultStore


class EvaluationCache:
    """Evaluations by key: those of this process in memory, and all of them in the store, if there is one.

    Args:
        store: where results are kept; None: in memory alone.
        weights_folder: where kept weights are.
        notice: is told, once for each file, of weights that are damaged or missing, so that a child is trained again;
            None: a warning about damaged ones.
    """

    def __init__(
        self,
        store: "ResultStore | None",
        weights_folder: Path | str | None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self.store = store
        self.weights_folder = None if weights_folder is None else Path(weights_folder)
        self._notice = notice
        self._known: dict[str, Evaluation] = {}
        self._intact: dict[str, tuple[int, int, int]] = {}  # files that were read and found intact, by key
        self._reported: set[str] = set()
        self._has_folder = False

    def check_weights(self, *, keep_weights: bool) -> None:
        """Check that there is a folder for weights, if they are wanted; the first time it is created.

        Raises:
            SpecError: there is none.
        """
        if not keep_weights:
            return
        if self.weights_folder is None:
            raise SpecError("keep_weights needs an evaluator with a weights_folder.")
        if not self._has_folder:
            # Not later: a folder that was removed meanwhile must not come back with the next weights alone in it.
            self.weights_folder.mkdir(parents=True, exist_ok=True)
            self._has_folder = True

    def known(self, keys: Sequence[str], *, keep_weights: bool) -> dict[str, Evaluation]:
        """Return what is known by key, marked as looked up; where weights are wanted, only what has intact ones."""
        found = {key: self._known[key] for key in keys if key in self._known}
        # Another process may have added the weights meanwhile.
        unknown = [key for key in keys if key not in found or (keep_weights and found[key].weights is None)]
        if self.store is not None and unknown:
            fresh = self.store.get_many(unknown)
            found |= fresh
            # Failures can be deleted from the store to be tried again, so the store is asked about them every time.
            self._known |= {key: evaluation for key, evaluation in fresh.items() if evaluation.status != "failed"}
        if keep_weights:
            self._report_lost(found.values())
            found = {key: evaluation for key, evaluation in found.items() if self.has_weights(evaluation)}
        return {key: evaluation.as_looked_up() for key, evaluation in found.items()}

    def has_weights(self, evaluation: Evaluation) -> bool:
        """Return whether an evaluation's weights are there, intact, or will never be."""
        return evaluation.status != "ok" or (
            evaluation.weights is not None and self._what_is_wrong(evaluation.key, evaluation.weights) is None
        )

    def parents_to_train(self, specs: Iterable[ChildSpec]) -> dict[str, ChildSpec]:
        """Return by key the stored parents of some specs whose weights are missing or damaged.

        A spec whose parent is not in the store either is left to the training, which says so.
        """
        wanted = {spec.parent for spec in specs if spec.parent is not None}
        lost = [key for key in sorted(wanted) if self._what_is_wrong(key, f"{key}.safetensors") is not None]
        if not lost or self.store is None or self.weights_folder is None:
            return {}
        self._report_lost(self.store.get_many(lost).values())
        return self.store.specs(lost)

    def _what_is_wrong(self, key: str, name: str) -> str | None:
        """Return why the weights of a key cannot be used, or None; a file that has not changed is read once."""
        if self.weights_folder is None:
            return "missing"
        path = self.weights_folder / name
        with suppress(OSError):
            found = os.stat(path)  # noqa: PTH116 - Path.stat takes longer
            mark = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._intact.get(key) == mark:
                return None
            wrong = what_is_wrong_with(key, path)
            if wrong is None:
                self._intact[key] = mark
            return wrong
        return what_is_wrong_with(key, path)

    def _report_lost(self, evaluations: Iterable[Evaluation]) -> None:
        """Say which weights that a store names cannot be used; missing ones all at once."""
        if self.store is None:  # what is in memory alone may drop weights that it can train again
            return
        missing: list[Path] = []
        for evaluation in evaluations:
            key, name = evaluation.key, evaluation.weights
            if evaluation.status != "ok" or name is None or self.weights_folder is None or key in self._reported:
                continue
            wrong, path = self._what_is_wrong(key, name), self.weights_folder / name
            if wrong is None:
                continue
            self._reported.add(key)
            if wrong == "missing":
                missing.append(path)
            else:
                self._tell(f"weights {path} are {wrong}: the child {key} is trained again")
        if missing and self._notice is not None:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            self._tell(f"weights {missing[0]}{more} are missing: trained again")

    def _tell(self, text: str) -> None:
        if self._notice is None:
            warnings.warn(text, stacklevel=2)
        else:
            self._notice(text)

    def claim(self, keys: Sequence[str], *, keep_weights: bool = False) -> "dict[str, Claim]":
        """Ask the store for leases to train specs.

        Args:
            keys: of what `known` does not return.
            keep_weights: as for `known`: results without intact weights are trained again.
        """
        if self.store is None:
            return {}
        claims = self.store.claim_many(keys, again=self._known.keys() if keep_weights else ())
        for key, claim in claims.items():
            if claim.mine and claim.evaluation is not None and self.has_weights(claim.evaluation):
                # Another process has added them since `known` was asked.
                self.recall(claim.evaluation)
                self.release([key])
                claims[key] = replace(claim, mine=False)
        return claims

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
