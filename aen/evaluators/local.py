"""LocalEvaluator: trains children on this machine."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, load_dataset
from aen.data.spec import DataSpec
from aen.errors import SpecError
from aen.evaluators.base import Activity, InTraining
from aen.evaluators.cache import CachingEvaluator, EvaluationCache
from aen.evaluators.processes import WorkerPool
from aen.evaluators.worker import train
from aen.results.evaluation import Evaluation
from aen.training.dense.population import population_bytes
from aen.training.device import check_device, check_threads, device_memory

if TYPE_CHECKING:
    from aen.results.store import ResultStore

POLL_SECONDS = 0.2


class LocalEvaluator(CachingEvaluator):
    """Evaluates on this machine: in this process, or in several.

    With one worker everything is trained in `submit`, and the futures that it returns are done. With more, a single
    spec is still trained at once in this process, as a step-by-step agent needs it; several specs go to the workers,
    and their futures are done later. The results are the same, bit for bit on a CPU.

    Args:
        store: where results are kept and looked up; None keeps them in memory.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads per worker.
        workers: processes that train.
        population: children that a worker trains together (see `aen.training.train_population`); specs that can be
            trained together are cut into populations in their order. Where so many would not fit into half of the
            device's memory, it is halved until they do. A result depends on it in its last bits.
        weights_folder: where weights go when they are kept, and where those of parents are found.
        debug: check of every child that inherits weights that it begins as the same function as its parent.
        notice: is told of weights that are damaged or missing, whose children are trained again; None: a warning.

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
        weights_folder: Path | str | None = None,
        debug: bool = False,
        notice: Callable[[str], None] | None = None,
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
        self._trained = 0
        self._pool = WorkerPool(workers)
        self._cache = EvaluationCache(store, weights_folder, notice)
        self._datasets: dict[DataSpec, Dataset] = {}
        self._in_flight: dict[str, Future[Evaluation]] = {}
        self._here: tuple[str, int, float] | None = None  # what this process trains itself, and since when

    @property
    def parallelism(self) -> int:
        """Workers times population."""
        return self.workers * self.population

    @property
    def capacity(self) -> int:
        """As many as are trained at a time, and with several workers as many again, so that none waits."""
        return self.parallelism if self.workers == 1 else 2 * self.parallelism

    @property
    def trained(self) -> int:
        """How many children it has trained, not counting those it looked up."""
        return self._trained

    def start(self) -> None:
        """Start the workers now, so that they are ready when the first specs are submitted."""
        if self.workers > 1:
            self._pool.start()

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs; see `aen.evaluators.Evaluator`.

        Specs that other processes are training are left for last and then waited for.

        Raises:
            SpecError: weights shall be kept but there is no folder for them.
        """
        self._cache.check_weights(keep_weights=keep_weights)
        futures: dict[str, Future[Evaluation]] = {}
        waiting = list({spec.key: spec for spec in specs}.values())
        while waiting:
            mine: list[ChildSpec] = []
            try:
                futures |= self._look_up(waiting, keep_weights=keep_weights)
                mine = [spec for spec in waiting if spec.key not in futures]
                # `mine` first, so that Ctrl-C in the middle of the claim leaves no lease behind
                mine = self._claim(mine, keep_weights=keep_weights)
                parents = self._cache.parents_to_train(mine)
                for future in self.submit(list(parents.values()), keep_weights=bool(parents)):
                    future.result()
                futures |= self._train(mine, keep_weights=keep_weights)
            except BaseException:
                self._cache.release([spec.key for spec in mine])
                raise
            waiting = [spec for spec in waiting if spec.key not in futures]
            if waiting:
                time.sleep(POLL_SECONDS)
        return [futures[spec.key] for spec in specs]

    def activity(self) -> Activity:
        """Return the counts; children that this process trains itself are not among them."""
        in_flight = len(self._in_flight)
        running = min(in_flight, self.parallelism)
        here, known = self._here, self._pool.in_training()
        if here is not None or self.workers == 1:
            name, children, since = here or (None, 0, time.monotonic())
            known = (InTraining("this process", None, name, children, time.monotonic() - since), *known)
        return Activity(self.workers, running, in_flight - running, self.trained, failed=0, in_training=known)

    def close(self) -> None:
        """End the workers, give back what they had not finished, and close the store."""
        self._pool.close()
        self._cache.close(list(self._in_flight))

    def _look_up(self, specs: Sequence[ChildSpec], *, keep_weights: bool) -> dict[str, "Future[Evaluation]"]:
        """Return by key what is known or in flight."""
        in_flight = dict(self._in_flight)  # a copy: results may arrive at any moment
        keys = [spec.key for spec in specs]
        found = {key: in_flight[key] for key in keys if key in in_flight}
        unknown = [key for key in keys if key not in found]
        for key, known in self._cache.known(unknown, keep_weights=keep_weights).items():
            found[key] = Future()
            found[key].set_result(known)
        return found

    def _claim(self, specs: Sequence[ChildSpec], *, keep_weights: bool) -> list[ChildSpec]:
        """Return those of the specs that are this evaluator's to train."""
        claims = self._cache.claim([spec.key for spec in specs], keep_weights=keep_weights)
        return [spec for spec in specs if spec.key not in claims or claims[spec.key].mine]

    def _train(self, specs: Sequence[ChildSpec], *, keep_weights: bool) -> dict[str, "Future[Evaluation]"]:
        """Cut specs into populations and train them, here or in the workers."""
        futures: dict[str, Future[Evaluation]] = {spec.key: Future() for spec in specs}
        for future in futures.values():
            future.set_running_or_notify_cancel()  # others may wait for it too, so it cannot be cancelled
        populations = list(self._populations(specs))
        here = self.workers == 1 or (len(populations) == 1 and not self._in_flight)
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
                self._here = population[0].name, len(population), time.monotonic()
                try:
                    evaluations = train(population, self._dataset(population[0].data), **options)
                finally:
                    self._here = None
                self._keep(population, evaluations, futures)
                continue
            self._in_flight |= {spec.key: futures[spec.key] for spec in population}
            trained = self._pool.submit(population, options)
            trained.add_done_callback(functools.partial(self._receive, population, futures))
        return futures

    def _receive(
        self,
        population: Sequence[ChildSpec],
        futures: "dict[str, Future[Evaluation]]",
        trained: "Future[list[Evaluation]]",
    ) -> None:
        """Store what a worker has trained."""
        try:
            self._keep(population, trained.result(), futures)
        except BaseException as error:  # noqa: BLE001 - it is raised by the futures
            self._cache.release([spec.key for spec in population])  # first, so that they can be submitted again at once
            for spec in population:
                self._in_flight.pop(spec.key, None)
                futures[spec.key].set_exception(error)

    def _keep(
        self,
        population: Sequence[ChildSpec],
        evaluations: Sequence[Evaluation],
        futures: "dict[str, Future[Evaluation]]",
    ) -> None:
        """Commit results, then hand them out."""
        self._cache.commit(list(zip(evaluations, population, strict=True)))
        outcomes = [self._cache.note(evaluation) for evaluation in evaluations]
        self._trained += len(outcomes)
        for spec, outcome in zip(population, outcomes, strict=True):
            self._in_flight.pop(spec.key, None)
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
        """Data sets are loaded again where they are needed; workers and their work stay here."""
        return self.__dict__ | {"_datasets": {}, "_in_flight": {}, "_pool": None, "_here": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._pool = WorkerPool(self.workers)
