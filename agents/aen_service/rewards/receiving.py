"""Receives results of a service: reads them, fetches the weights that are wanted, and stores them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from aen._typing import JsonDict
from aen.errors import AenError
from aen.evaluators.cache import EvaluationCache
from aen.results.evaluation import Evaluation
from aen_service.rewards.connection import Connection, RemoteError
from aen_service.rewards.entries import Entry, evaluation_in

_MOST_BYTES = 2**32  # of a file of weights
_AT_ONCE = 4
_TRIES = 3  # of a child whose weights cannot be fetched
_GONE = 404

Outcome = Evaluation | AenError


class Receiver:
    """Receives results.

    Args:
        connection: to the service.
        cache: where results go, and the folder of weights.
        go_on: returns whether to ask again a service that cannot be reached.
    """

    def __init__(self, connection: Connection, cache: EvaluationCache, *, go_on: Callable[[], bool]) -> None:
        self._connection, self._cache, self._go_on = connection, cache, go_on

    def receive(self, items: Sequence[JsonDict], entries: Mapping[str, Entry | None]) -> dict[str, Outcome]:
        """Return by key what the service sends, once it is stored and its weights are there, or an error.

        Args:
            items: results as the service sends them.
            entries: the children; None: it is not wanted any more.
        """
        outcomes: dict[str, Outcome] = {}
        for item in items:
            found = evaluation_in(item)
            outcomes[item["key"]] = found or RemoteError(f"{self._connection.url}: {item.get('error')}")
        wanted = [e for e in _evaluations(outcomes) if e.weights is not None and _keeps(entries.get(e.key))]
        if wanted:
            with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), "aen-fetch") as pool:
                outcomes |= zip((e.key for e in wanted), pool.map(self._fetch, wanted), strict=True)
        kept = _evaluations(outcomes)
        specs = {key: entry.spec for key, entry in entries.items() if entry is not None}
        try:
            self._cache.commit([(e, specs[e.key]) for e in kept if e.key in specs])
        except AenError as error:
            return outcomes | {e.key: error for e in kept}
        return outcomes | {e.key: self._cache.note(e) for e in kept if e.status != "failed"}

    def settled(self, entry: Entry, outcome: Outcome) -> Outcome | None:
        """Return what a child's futures get; None: it is asked for again, since its weights were not there."""
        if not entry.keep or not isinstance(outcome, Evaluation) or self._cache.has_weights(outcome):
            return outcome
        entry.tries += 1
        if entry.tries < _TRIES:
            return None
        return RemoteError(
            f"{self._connection.url} does not keep the weights of {outcome.key} until they are fetched; its limit for "
            "weights is too small."
        )

    def _fetch(self, evaluation: Evaluation) -> Outcome:
        """Fetch weights; without them if the service does not have them any more."""
        folder = self._cache.weights_folder
        if folder is None:
            return evaluation
        name = f"{evaluation.key}.safetensors"  # not what the service says: it is a file of this machine
        evaluation = replace(evaluation, weights=name)
        if self._cache.has_weights(evaluation):
            return evaluation
        try:
            self._connection.fetch(f"/weights/{evaluation.key}", folder / name, most=_MOST_BYTES, go_on=self._go_on)
        except RemoteError as error:
            return replace(evaluation, weights=None) if error.status == _GONE else error
        except OSError as error:
            return RemoteError(f"the weights {folder / name} cannot be written: {error.strerror}.")
        if self._cache.has_weights(evaluation):
            return evaluation
        (folder / name).unlink(missing_ok=True)
        return RemoteError(f"{self._connection.url} sends weights of {evaluation.key} that are damaged.")


def _evaluations(outcomes: Mapping[str, Outcome]) -> list[Evaluation]:
    return [outcome for outcome in outcomes.values() if isinstance(outcome, Evaluation)]


def _keeps(entry: Entry | None) -> bool:
    return entry is not None and entry.keep
