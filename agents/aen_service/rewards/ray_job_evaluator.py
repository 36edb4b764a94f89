"""RayJobEvaluator: has children trained by a job on a Ray cluster; the process that serves requests stays small."""

import logging
import secrets
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aen.children.spec import ChildSpec
from aen.errors import AenError, StoreError
from aen.evaluators import Activity, Evaluator
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.errors import file_error
from aen_service.errors import UnavailableError
from aen_service.rewards.exchange import Answer, Exchange, Status

if TYPE_CHECKING:
    from aen_service.job_server import JobServer

POLL_SECONDS = 0.2  # between looks for results
CHECK_SECONDS = 5.0  # between looks whether the job runs, and between signs of life for it
PATIENCE_SECONDS = 300.0  # for which a cluster may be away before children fail
TRIES = 3  # of jobs that end without a result, after which children fail
_MOST_IN_FILE = 500
_STOP_SECONDS = 20  # that a job has to end
_LOG = logging.getLogger("aen_service")


@dataclass
class _Job:
    """A job that was submitted.

    Attributes:
        name: by which the cluster knows it.
        exchange: with it.
        answered: how many children it has answered.
        checked: when it was last looked at.
    """

    name: str
    exchange: Exchange
    answered: int = 0
    checked: float = field(default_factory=time.monotonic)


class RayJobEvaluator(Evaluator):
    """Evaluates specs by a job on the head of a cluster, `aen_service.rewards.ray_trainer`, which has a `RayEvaluator`.

    The job is submitted when there is something to train, and ends when there is not. If it is lost, another one takes
    over what is unfinished; what was trained is in the store.

    Args:
        jobs: of the cluster.
        folder: of this evaluator alone, on a file system that the head shares under the same path.
        store: file of the results.
        weights_folder: where weights go when they are kept, and where those of parents are found.
        workers: number of workers; None: as many as the cluster has room for.
        kept: is told the key of a child whose weights were written.
    """

    def __init__(
        self,
        jobs: "JobServer",
        folder: Path,
        *,
        store: Path,
        weights_folder: Path,
        workers: int | None = None,
        kept: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._jobs, self._folder, self._kept = jobs, folder, kept
        self._arguments = [str(store.absolute()), str(weights_folder.absolute()), str(workers or 0)]
        self._status = Status(workers or 1, 4 * (workers or 1), 0, 0, 0)
        self._lock = threading.Lock()
        self._unfinished: dict[str, tuple[ChildSpec, bool, Future[Evaluation]]] = {}
        self._job: _Job | None = None
        self._trained = self._failed = self._fruitless = 0
        self._next_start = 0.0
        self._away: float | None = None  # since when the cluster does not answer
        self._closed = threading.Event()
        shutil.rmtree(folder, ignore_errors=True)  # of a service that was killed
        self._poller = threading.Thread(target=self._poll, name="aen-ray-results", daemon=True)
        self._poller.start()

    @property
    def parallelism(self) -> int:
        """The number of workers."""
        return max(self._status.workers, 1)

    @property
    def capacity(self) -> int:
        """As many as keep all workers busy."""
        return self._status.capacity

    @property
    def trained(self) -> int:
        """How many children were trained for it, not counting those looked up."""
        return self._trained

    def activity(self) -> Activity:
        """Return the counts."""
        running = min(self._status.running, len(self._unfinished)) if self._job is not None else 0
        waiting = max(len(self._unfinished) - running, 0)
        return Activity(self.parallelism, running, waiting, self._trained, self._failed)

    def start(self) -> None:
        """Do nothing: the job is submitted when there is something to train."""
        return

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Evaluate the specs; see `aen.evaluators.Evaluator`. Thread-safe; does not wait for training.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._lock:
            new = {spec.key: spec for spec in specs if spec.key not in self._unfinished}
            if new and self._job is not None:
                try:
                    _ask(self._job.exchange, list(new.values()), keep=keep_weights)
                except OSError as error:
                    raise self._unusable(error) from error
            self._unfinished |= {key: (spec, keep_weights, Future()) for key, spec in new.items()}
            return [self._unfinished[spec.key][2] for spec in specs]

    def close(self) -> None:
        """Stop the job; futures that are not done raise a `WorkerError`."""
        self._closed.set()
        self._poller.join()
        with self._lock:
            job = self._job
        if job is not None:
            self._remove(job)
            with suppress(UnavailableError):
                self._jobs.stop(job.name)
        self._fail(WorkerError("the evaluator was closed before this child was trained."))
        shutil.rmtree(self._folder, ignore_errors=True)

    def _poll(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            try:
                if self._job is None:
                    self._start()
                else:
                    self._look_at(self._job)
            except UnavailableError as error:
                self._wait_for_cluster(error)
            except OSError as error:
                self._drop(self._job)
                self._fail(self._unusable(error))
            except Exception as error:  # noqa: BLE001 - whatever the cluster answers, nobody shall wait forever
                _LOG.exception("the children of remote clients cannot be trained on Ray")
                self._drop(self._job)
                self._fail(WorkerError(f"the children cannot be trained on Ray: {type(error).__name__}: {error}"))

    def _start(self) -> None:
        """Submit a job if there is something to train."""
        if not self._unfinished or time.monotonic() < self._next_start:
            return
        self._next_start = time.monotonic() + CHECK_SECONDS
        self._jobs.check()
        self._away = None
        name = f"aen-rewards-{secrets.token_hex(8)}"
        job = _Job(name, Exchange((self._folder / name).absolute()))
        job.exchange.create()
        with self._lock:
            for keep in (False, True):
                _ask(job.exchange, [spec for spec, keeps, _ in self._unfinished.values() if keeps is keep], keep=keep)
            self._job = job
        words = ["python", "-P", "-m", "aen_service.rewards.ray_trainer", str(job.exchange.folder), *self._arguments]
        try:
            self._jobs.submit(
                name,
                shlex.join(words),
                environment={"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_SECONDS)},
                metadata={"name": "rewards for remote agents"},
            )
        except UnavailableError:
            self._drop(job)
            raise
        _LOG.info("children of remote clients are trained by the job %s", name)

    def _look_at(self, job: _Job) -> None:
        """Take the results of a job, and see whether it runs."""
        self._take(job)
        self._status = job.exchange.status() or self._status
        ended, error = job.exchange.ended()
        if ended:
            self._end(job, error)
        elif time.monotonic() - job.checked > CHECK_SECONDS:
            job.checked = time.monotonic()
            job.exchange.beat()
            if not self._jobs.is_alive(job.name):
                ended, error = job.exchange.ended()
                self._end(job, error if ended else self._jobs.message(job.name) or "it was killed")
            self._away = None

    def _end(self, job: _Job, error: str | None) -> None:
        """Go on without a job that has ended; the next one gets what is unfinished."""
        self._take(job)
        self._drop(job)
        self._fruitless = 0 if error is None or job.answered else self._fruitless + 1
        if error is not None:
            _LOG.warning("the job %s, which trains children of remote clients, has ended: %s", job.name, error)
        if self._fruitless >= TRIES:
            self._fruitless = 0
            self._fail(
                WorkerError(f"{TRIES} jobs on Ray at {self._jobs.address} gave no result; the last one: {error}")
            )

    def _wait_for_cluster(self, error: UnavailableError) -> None:
        """Try again later, for a while."""
        now = time.monotonic()
        if self._away is None:
            self._away = now
            _LOG.warning("%s", error)
        if now - self._away > PATIENCE_SECONDS:
            self._away = None
            self._drop(self._job)
            self._fail(error)

    def _take(self, job: _Job) -> None:
        for answers in job.exchange.answers():
            job.answered += len(answers)
            self._finish(answers)

    def _finish(self, answers: Sequence[Answer]) -> None:
        done: list[tuple[Answer, Future[Evaluation]]] = []
        with self._lock:
            for answer in answers:
                _, _, future = self._unfinished.pop(answer.key, (None, None, None))
                if future is not None:
                    done.append((answer, future))
        for answer, future in done:
            evaluation = answer.evaluation
            new = evaluation is not None and not evaluation.looked_up
            self._trained += new
            self._failed += evaluation is None or (new and evaluation.status == "failed")
            if evaluation is None:
                future.set_exception(WorkerError(answer.error or "the training gave no result."))
                continue
            if new and evaluation.weights is not None:
                self._kept(answer.key)
            future.set_result(evaluation)

    def _fail(self, error: AenError) -> None:
        with self._lock:
            unfinished, self._unfinished = self._unfinished, {}
        self._failed += len(unfinished)
        for _, _, future in unfinished.values():
            future.set_exception(error)

    def _drop(self, job: _Job | None) -> None:
        with self._lock:
            self._job = None
        if job is not None:
            self._remove(job)

    @staticmethod
    def _remove(job: _Job) -> None:
        """Remove the folder of a job, which then ends. It is renamed first, so that the job sees no half of it."""
        folder = job.exchange.folder
        with suppress(OSError):
            shutil.rmtree(folder.rename(folder.with_suffix(".removed")), ignore_errors=True)

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(str(file_error(self._folder, error, "Make room or repair it.")))


def _ask(exchange: Exchange, specs: Sequence[ChildSpec], *, keep: bool) -> None:
    for start in range(0, len(specs), _MOST_IN_FILE):
        exchange.ask(specs[start : start + _MOST_IN_FILE], keep=keep)
