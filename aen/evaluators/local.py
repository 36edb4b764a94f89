"""LocalEvaluator: trains children on this machine."""

import functools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, load_dataset
from aen.data.spec import DataSpec
from aen.errors import SpecError
from aen.evaluators.base import Activity
from aen.evaluators.cache import KeepsLedger, Ledger
from aen.evaluators.processes import WorkerPool, train
from aen.results.evaluation import Evaluation
from aen.training.dense.population import population_bytes
from aen.training.device import check_device, check_threads, device_memory

if TYPE_CHECKING:
    from aen.results.store import ResultStore

POLL_SECONDS = 0.2


class LocalEvaluator(KeepsLedger):
    """Evaluates on this machine: in this process, or in several.

    With one worker everything is trained when it is submitted, and the futures that `submit` returns are done. With
    more, a single spec is still trained at once in this process, as an agent that goes step by step wants it; several
    go to the workers, and their futures are done when they are. The results are the same, bit for bit on a CPU.

    Args:
        store: where results are kept and looked up; None keeps them in memory.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads per worker.
        workers: processes that train.
        population: children that a worker trains side by side (see `aen.training.train_population`); those that go
            together are cut into populations in the order in which they come. Where so many would not fit into half of
            the device's memory, it is halved until they do. A result depends on it in its last bits.
        weights_folder: where weights go when they are kept, and where those of parents are found.
        debug: check of every child that goes on from a parent's weights that it begins as the same function.

    Attributes:
        trained: how many children it has trained, not counting those it looked up.
        capacity: how many specs it works on at a time, and as many again, so that no worker waits.

    Raises:
        SpecError: the device is not here, or there are fewer cores than threads.
    """

    def __init__(
        self,
        store: "ResultStore | None" = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        workers: int = 1,
        population: int = 1,
        weights_folder: Path | None = None,
        debug: bool = False,
    ) -> None:
        check_device(device)
        if workers < 1 or population < 1:
            raise SpecError(f"workers is {workers} and population {population}; each must be at least 1.")
        check_threads(threads, workers)
        self.device = device
        self.threads = threads
        self.workers = workers
        self.population = population
        self.debug = debug
        self.trained = 0
        self.capacity = population if workers == 1 else 2 * workers * population
        self._pool = WorkerPool(workers)
        self._ledger = Ledger(store, weights_folder)
        self._datasets: dict[DataSpec, Dataset] = {}
        self._flying: dict[str, Future[Evaluation]] = {}

    def start(self) -> None:
        """Start the workers now, so that they are there when the first specs come."""
        if self.workers > 1:
            self._pool.start()

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs; see `aen.evaluators.Evaluator`.

        Specs that other processes are training are left for last and then waited for.

        Raises:
            SpecError: weights shall be kept but there is no folder for them.
        """
        self._ledger.check_weights(keep_weights=keep_weights)
        futures: dict[str, Future[Evaluation]] = {}
        waiting = list({spec.key: spec for spec in specs}.values())
        while waiting:
            mine: list[ChildSpec] = []
            try:
                futures |= self._look_up(waiting, keep_weights=keep_weights)
                mine = [spec for spec in waiting if spec.key not in futures]
                # `mine` first, so that Ctrl-C in the middle of the claim leaves no lease behind
                mine = self._claim(mine)
                futures |= self._train(mine, keep_weights=keep_weights)
            except BaseException:
                self._ledger.release([spec.key for spec in mine])
                raise
            waiting = [spec for spec in waiting if spec.key not in futures]
            if waiting:
                time.sleep(POLL_SECONDS)
        return [futures[spec.key] for spec in specs]

    def activity(self) -> Activity:
        """Return what it is at; children that this process trains itself are not seen from outside."""
        flying = len(self._flying)
        running = min(flying, self.workers * self.population)
        return Activity(self.workers, running, flying - running, self.trained, failed=0)

    def close(self) -> None:
        """End the workers, give back what they had not finished, and close the store."""
        self._pool.close()
        self._ledger.close(list(self._flying))

    def _look_up(self, specs: Sequence[ChildSpec], *, keep_weights: bool) -> dict[str, "Future[Evaluation]"]:
        """Return by key what is known or on its way."""
        flying = dict(self._flying)  # one look: they may land at any moment
        keys = [spec.key for spec in specs]
        found = {key: flying[key] for key in keys if key in flying}
        unknown = [key for key in keys if key not in found]
        for key, known in self._ledger.known(unknown, keep_weights=keep_weights).items():
            found[key] = Future()
            found[key].set_result(known)
        return found

    def _claim(self, specs: Sequence[ChildSpec]) -> list[ChildSpec]:
        """Return those of the specs that are this evaluator's to train."""
        claims = self._ledger.claim([spec.key for spec in specs])
        return [spec for spec in specs if spec.key not in claims or claims[spec.key].mine]

    def _train(self, specs: Sequence[ChildSpec], *, keep_weights: bool) -> dict[str, "Future[Evaluation]"]:
        """Cut specs into populations and train them, here or in the workers."""
        futures: dict[str, Future[Evaluation]] = {spec.key: Future() for spec in specs}
        for future in futures.values():
            future.set_running_or_notify_cancel()  # others may wait for it too: nobody can cancel it
        populations = list(self._populations(specs))
        here = self.workers == 1 or (len(populations) == 1 and not self._flying)
        for population, size in populations:
            options: dict[str, Any] = {
                "size": size,
                "device": self.device,
                "threads": self.threads,
                "weights_folder": self.weights_folder if keep_weights else None,
                "parents_folder": self.weights_folder,
                "debug": self.debug,
            }
            if here:
                evaluations = train(population, self._dataset(population[0].data), **options)
                self._keep(population, evaluations, futures)
                continue
            self._flying |= {spec.key: futures[spec.key] for spec in population}
            trained = self._pool.submit(population, options)
            trained.add_done_callback(functools.partial(self._land, population, futures))
        return futures

    def _land(
        self,
        population: Sequence[ChildSpec],
        futures: "dict[str, Future[Evaluation]]",
        trained: "Future[list[Evaluation]]",
    ) -> None:
        """Take in what a worker has trained."""
        try:
            self._keep(population, trained.result(), futures)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the futures is told
            for spec in population:
                self._flying.pop(spec.key, None)
                futures[spec.key].set_exception(error)
            self._ledger.release([spec.key for spec in population])

    def _keep(
        self,
        population: Sequence[ChildSpec],
        evaluations: Sequence[Evaluation],
        futures: "dict[str, Future[Evaluation]]",
    ) -> None:
        """Commit results, then hand them out."""
        self._ledger.commit(list(zip(evaluations, population, strict=True)))
        outcomes = [self._ledger.note(evaluation) for evaluation in evaluations]
        self.trained += len(outcomes)
        for spec, outcome in zip(population, outcomes, strict=True):
            self._flying.pop(spec.key, None)
            futures[spec.key].set_result(outcome)

    def _populations(self, specs: Sequence[ChildSpec]) -> Iterator[tuple[list[ChildSpec], int]]:
        """Cut specs that go together, in their order, into populations of the size that fits."""
        together: dict[ChildSpec, list[ChildSpec]] = {}
        for spec in specs:
            together.setdefault(spec.population_key or spec, []).append(spec)
        for shared, group in together.items():
            size = self.population if shared.population_key is not None else 1
            while size > 1 and population_bytes(shared, size) * self.workers > device_memory(self.device) // 2:
                size //= 2
            for start in range(0, len(group), size):
                yield group[start : start + size], size

    def _dataset(self, spec: DataSpec) -> Dataset:
        if spec not in self._datasets:
            self._datasets[spec] = load_dataset(spec).to(self.device)
        return self._datasets[spec]

    def __getstate__(self) -> dict[str, Any]:
        """Data sets are loaded again where they are needed; workers and what they are at stay here."""
        return self.__dict__ | {"_datasets": {}, "_flying": {}, "_pool": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._pool = WorkerPool(self.workers)
