"""The trainer of a service on a Ray cluster: a job that evaluates what remote clients want with a `RayEvaluator`.

``python -m aen_service.rewards.ray_trainer FOLDER STORE WEIGHTS WORKERS`` runs on the head of the cluster. It ends when
it has nothing to do for a minute, so that its workers leave the cluster to others, and when the service has ended.
"""

import queue
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from aen._secrets import hide_secrets
from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators import Evaluator
from aen.results.evaluation import Evaluation
from aen.results.store import ResultStore
from aen_agents.evaluators.ray import RayEvaluator
from aen_service.rewards.exchange import Answer, Exchange, Status

IDLE_SECONDS = 60.0
SILENT_SECONDS = 60.0  # without a sign of the service, after which it has ended
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 1.0
_MOST_ANSWERS = 1000  # in one file


class Trainer:
    """Evaluates what is asked through an exchange.

    Args:
        exchange: with the service.
        evaluator: of the children.
        idle_seconds: without anything to do, after which it ends.
        silent_seconds: without a sign of the service, after which it ends.
    """

    def __init__(
        self,
        exchange: Exchange,
        evaluator: Evaluator,
        *,
        idle_seconds: float = IDLE_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._exchange, self._evaluator = exchange, evaluator
        self._idle_seconds, self._silent_seconds = idle_seconds, silent_seconds
        self._done: queue.SimpleQueue[Answer | AenError] = queue.SimpleQueue()
        self._unfinished = 0

    def run(self) -> None:
        """Evaluate until there is nothing more to do.

        Raises:
            AenError: the cluster or the store is lost.
            OSError: the folder cannot be used.
        """
        now = time.monotonic()
        busy = heard = now
        reported, heartbeat = 0.0, self._exchange.heartbeat()
        while heartbeat is not None:
            for specs, keep in self._exchange.asked():
                self._submit(specs, keep=keep)
            self._answer()
            now = time.monotonic()
            if self._unfinished:
                busy = now
            if now - reported >= _REPORT_SECONDS:
                reported = now
                self._report()
            before, heartbeat = heartbeat, self._exchange.heartbeat()
            if heartbeat != before:
                heard = now
            if now - heard > self._silent_seconds or now - busy > self._idle_seconds:
                return

    def _submit(self, specs: Sequence[ChildSpec], *, keep: bool) -> None:
        futures = self._evaluator.submit(specs, keep_weights=keep)
        self._unfinished += len(futures)
        for spec, future in zip(specs, futures, strict=True):
            future.add_done_callback(partial(self._put, spec.key))

    def _put(self, key: str, done: "Future[Evaluation]") -> None:
        self._done.put(_answer(key, done))

    def _answer(self) -> None:
        """Return what is done; wait a moment if nothing is."""
        answers: list[Answer] = []
        with suppress(queue.Empty):
            answers.append(self._checked(self._done.get(timeout=_POLL_SECONDS)))
            while len(answers) < _MOST_ANSWERS:
                answers.append(self._checked(self._done.get_nowait()))
        if answers:
            self._exchange.answer(answers)
            self._unfinished -= len(answers)

    @staticmethod
    def _checked(done: Answer | AenError) -> Answer:
        if isinstance(done, AenError):
            raise done
        return done

    def _report(self) -> None:
        found = self._evaluator.activity()
        status = Status(found.workers, self._evaluator.capacity, found.running, found.trained, found.failed)
        self._exchange.report(status)


def _answer(key: str, done: "Future[Evaluation]") -> Answer | AenError:
    """Return the answer, or the error with which the evaluator has stopped: another trainer then takes over."""
    error = done.exception()
    if error is None:
        return Answer(key, done.result())
    return error if isinstance(error, AenError) else Answer(key, error=hide_secrets(str(error)) or type(error).__name__)


def main(arguments: Sequence[str]) -> int:
    """Run a trainer; return the exit status."""
    folder, store, weights, workers = arguments
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # `ray job stop`: what is in flight is given back
    exchange = Exchange(Path(folder))
    error: str | None = None
    try:
        if exchange.heartbeat() is not None:  # else the service has ended before this job began
            made = RayEvaluator(ResultStore(store), weights_folder=Path(weights), workers=int(workers) or None)
            with closing(made) as evaluator:
                Trainer(exchange, evaluator).run()
    except (AenError, OSError) as problem:
        error = hide_secrets(str(problem))
        if exchange.heartbeat() is not None:
            traceback.print_exc()
    with suppress(OSError):  # the folder is gone if the service has ended
        exchange.end(error)
    return 0 if error is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
