"""LocalEvaluator: trains children one after the other in this process."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, load_dataset
from aen.data.spec import DataSpec
from aen.errors import SpecError
from aen.results.evaluation import Evaluation
from aen.training.device import check_device, check_threads
from aen.training.loop import train_child

if TYPE_CHECKING:
    from aen.results.store import ResultStore

POLL_SECONDS = 0.2


class LocalEvaluator:
    """Evaluates in this process, at once: the futures that `submit` returns are done.

    Args:
        store: where results are kept and looked up; None keeps them in memory.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads per training.
        weights_folder: where weights go when they are kept.

    Attributes:
        trained: how many children it has trained, not counting those it looked up.
        capacity: how many specs it works on at a time.

    Raises:
        SpecError: the device is not here, or there are fewer cores than threads.
    """

    def __init__(
        self,
        store: "ResultStore | None" = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        weights_folder: Path | None = None,
    ) -> None:
        check_device(device)
        check_threads(threads)
        self.store = store
        self.device = device
        self.threads = threads
        self.weights_folder = weights_folder
        self.trained = 0
        self.capacity = 1
        self._known: dict[str, Evaluation] = {}
        self._datasets: dict[DataSpec, Dataset] = {}

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs, in order; see `aen.evaluators.Evaluator`.

        A spec that another process is training is left for last and then waited for.

        Raises:
            SpecError: weights shall be kept but there is no folder for them.
        """
        if keep_weights and self.weights_folder is None:
            raise SpecError("keep_weights needs an evaluator with a weights_folder.")
        done: dict[str, Evaluation] = {}
        waiting = list({spec.key: spec for spec in specs}.values())
        while waiting:
            elsewhere = []
            for spec in waiting:
                evaluation = self._look_up_or_train(spec, keep_weights=keep_weights)
                if evaluation is None:
                    elsewhere.append(spec)
                else:
                    done[spec.key] = evaluation
            if elsewhere:
                time.sleep(POLL_SECONDS)
            waiting = elsewhere
        futures: list[Future[Evaluation]] = []
        for spec in specs:
            future: Future[Evaluation] = Future()
            future.set_result(done[spec.key])
            futures.append(future)
        return futures

    def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            self.store.close()

    def _look_up_or_train(self, spec: ChildSpec, *, keep_weights: bool) -> Evaluation | None:
        """Return the evaluation, or None while another process is at it."""
        known = self._known.get(spec.key)
        if known is None and self.store is not None:
            known = self.store.get(spec.key)
        if known is not None and (not keep_weights or self._has_weights(known)):
            self._known[spec.key] = known
            return replace(known, looked_up=True)
        # A result without the weights that are wanted now is trained again; that needs no lease.
        try:
            if self.store is not None and known is None and not self.store.claim(spec.key).mine:
                return None
            evaluation = train_child(
                spec,
                self._dataset(spec.data),
                device=self.device,
                threads=self.threads,
                weights_folder=self.weights_folder if keep_weights else None,
            )
            if self.store is not None:
                self.store.commit(evaluation, spec)
            if known is not None:
                evaluation = replace(known, weights=evaluation.weights, looked_up=False)
        except BaseException:
            if self.store is not None:
                self.store.release(spec.key)
            raise
        self._known[spec.key] = evaluation
        self.trained += 1
        return evaluation

    def _has_weights(self, evaluation: Evaluation) -> bool:
        if evaluation.status != "ok":
            return True
        folder = self.weights_folder
        return folder is not None and evaluation.weights is not None and (folder / evaluation.weights).is_file()

    def _dataset(self, spec: DataSpec) -> Dataset:
        if spec not in self._datasets:
            self._datasets[spec] = load_dataset(spec).to(self.device)
        return self._datasets[spec]

    def __getstate__(self) -> dict[str, Any]:
        """Data sets are loaded again where they are needed."""
        return self.__dict__ | {"_datasets": {}}
