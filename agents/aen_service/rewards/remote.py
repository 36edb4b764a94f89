"""RemoteEvaluator: an evaluator whose children are trained by a service on another machine."""

import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.data.own.paths import own_path
from aen.errors import AenError
from aen.evaluators import Activity
from aen.evaluators.cache import CachingEvaluator, EvaluationCache
from aen.evaluators.tabular import KnownFuture
from aen.results.evaluation import Evaluation
from aen_service.rewards.connection import Connection, RemoteError
from aen_service.rewards.entries import Canceller, Entry, content_of, settle
from aen_service.rewards.receiving import Receiver

if TYPE_CHECKING:
    from aen.results.store import ResultStore

_LINGER_SECONDS = 0.002  # for further specs, before a request is sent
_WAIT_SECONDS = 20.0  # for results, in one request
_GONE = 404
_REFUSED = re.compile(r"items\.(?P<place>\d{1,6})\.\w+")  # what the service says is wrong
_SPARE_BYTES = 4096  # of a request, besides its items


class RemoteEvaluator(CachingEvaluator):
    """Evaluates on the machine of a service, `aen serve`; all clients and searches of it share one result store.

    Specs that are submitted within two milliseconds go in one request, and results come back as they are ready. At most
    as many children as the service allows are in flight. A future that is cancelled takes its child out of the
    service's queue, unless somebody else wants it. If the service is restarted, unfinished children are sent again.
    Evaluations equal those of a `LocalEvaluator` with one thread, bit for bit on CPUs of one kind. Children find the
    weights of their parents at the service; kept ones are fetched, too.

    Args:
        url: address of the service, such as ``http://127.0.0.1:8700``.
        token: of an operator; `aen tokens add NAME` makes one.
        store: where results are kept and looked up on this machine, besides the service; None: in memory.
        weights_folder: where the weights of children go that are submitted with `keep_weights`.
        datasets: identifiers of uploaded data sets by the path of the same data on this machine.
        patience: seconds for which a service that cannot be reached is asked again before the futures fail.

    Raises:
        RemoteError: the service cannot be reached, or the token is not valid.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        store: "ResultStore | None" = None,
        weights_folder: Path | str | None = None,
        datasets: Mapping[str, str] | None = None,
        patience: float = 300.0,
    ) -> None:
        self._url, self._token, self._patience = url, token, patience
        self._cache = EvaluationCache(store, weights_folder)
        self._datasets = {own_path(path): name for path, name in (datasets or {}).items()}
        self._connect(0.0)

    def _connect(self, patience: float) -> None:
        """Start without anything in flight, and ask the service what it can do."""
        self._begin()
        try:
            said = self._connection.abilities(patience)
            self._workers, self._capacity, self._most_items, self._most_bytes, self._most_in_flight = said
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        """Start without anything in flight, in this process."""
        self._connection = Connection(self._url, self._token, self._patience)
        self._receiver = Receiver(self._connection, self._cache, go_on=lambda: not self._closed)
        self._pid = os.getpid()
        self._versions: JsonDict = {}
        self._workers = self._capacity = 1
        self._most_items, self._most_bytes, self._most_in_flight = 1, 2**16, 1
        self._entries: dict[str, Entry] = {}
        self._outgoing: deque[str] = deque()
        self._cancelled: list[str] = []
        self._sent: set[str] = set()
        self._batch: str | None = None
        self._after = 0
        self._trained = self._failed = 0
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def parallelism(self) -> int:
        """The number of the service's workers."""
        return self._workers

    @property
    def capacity(self) -> int:
        """How many children keep the service's workers busy."""
        return min(self._capacity, self._most_in_flight)

    @property
    def trained(self) -> int:
        """How many children the service has trained for this evaluator, not counting those it looked up."""
        return self._trained

    def start(self) -> None:
        """Start nothing: the service starts its workers."""

    def activity(self) -> Activity:
        """Return the counts of the children of this evaluator."""
        with self._changed:
            unfinished = len(self._entries)
        running = min(unfinished, self._workers)
        return Activity(self._workers, running, unfinished - running, self._trained, self._failed)

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list["Future[Evaluation]"]:
        """Send specs to the service; see `aen.evaluators.Evaluator`. Thread-safe; waits for nothing.

        Raises:
            SpecError: weights are to be kept without a folder for them, or of an uploaded data set.
            RemoteError: the evaluator is closed.
        """
        self._cache.check_weights(keep_weights=keep_weights)
        known = self._cache.known([spec.key for spec in specs], keep_weights=keep_weights)
        contents = {s.key: content_of(s, self._datasets, keep=keep_weights) for s in specs if s.key not in known}
        if os.getpid() != self._pid:  # forked: threads and connections are the other process's
            self._connect(self._patience)
        futures: list[Future[Evaluation]] = []
        with self._changed:
            if self._closed:
                raise RemoteError("the evaluator is closed; make a new one.")
            for spec in specs:
                found = known.get(spec.key)
                futures.append(KnownFuture(found) if found is not None else Future())
                if found is not None:
                    continue
                entry = self._entries.get(spec.key)
                if entry is None:
                    entry = self._entries[spec.key] = Entry(spec, contents[spec.key], keep_weights)
                    self._outgoing.append(spec.key)
                elif keep_weights and not entry.keep:  # if it was sent, it is sent again for its weights
                    entry.keep, entry.content = True, contents[spec.key]
                entry.futures.append(futures[-1])
                futures[-1].add_done_callback(Canceller(self.cancelled, spec.key))
            self._start()
            self._changed.notify_all()
        return futures

    def close(self) -> None:
        """Cancel what is unfinished, and close the connection and the store."""
        with self._changed:
            self._closed = True
            batch, self._batch = self._batch, None
            self._changed.notify_all()
        self._fail(RemoteError("the evaluator is closed; make a new one."))
        if batch is not None:
            with suppress(RemoteError):
                self._connection.ask("DELETE", f"/{batch}", patience=0.0)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._connection.close()
        self._cache.close([])

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the address alone: another process opens its own connection and has nothing in flight."""
        kept = {"store": self.store, "weights_folder": self.weights_folder}
        return kept | {"url": self._url, "token": self._token, "datasets": self._datasets, "patience": self._patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._url, self._token, self._patience = state["url"], state["token"], state["patience"]
        self._datasets = state["datasets"]
        self._cache = EvaluationCache(state["store"], state["weights_folder"])
        self._connect(self._patience)

    def _start(self) -> None:
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
                for work, name in ((self._send, "aen-remote-send"), (self._read, "aen-remote-read"))
            ]
            for thread in self._threads:
                thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Carry out the work of a thread; whatever ends it is raised by the futures."""
        while not self._closed:
            try:
                work()
            except RemoteError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - a future that is never done would be worse
                self._fail(RemoteError(f"the connection to {self._url} failed: {type(error).__name__}: {error}"))

    def _send(self) -> None:
        with self._changed:
            while not (self._closed or self._cancelled or (self._outgoing and self._room() > 0)):
                self._changed.wait()
            if self._closed:
                return
        if len(self._outgoing) < self._most_items:
            time.sleep(_LINGER_SECONDS)
        with self._changed:
            cancelled, self._cancelled = self._cancelled, []
            keys, contents = self._next()
            batch = self._batch
        if cancelled and batch is not None:
            with suppress(RemoteError):  # the batch may be gone, and with it the children
                self._ask("POST", f"/{batch}/cancel", json.dumps({"keys": cancelled}).encode())
        if keys:
            self._post(batch, keys, contents)

    def _room(self) -> int:
        return self._most_in_flight - len(self._sent)

    def _next(self) -> tuple[list[str], list[bytes]]:
        """Take what goes into one request."""
        keys: list[str] = []
        contents: list[bytes] = []
        size = _SPARE_BYTES
        while self._outgoing and len(keys) < min(self._most_items, self._room()):
            entry = self._entries.get(self._outgoing[0])
            if entry is not None and contents and size + len(entry.content) + 2 > self._most_bytes:
                break
            key = self._outgoing.popleft()
            if entry is not None:  # else it was cancelled
                keys.append(key)
                contents.append(entry.content)
                size += len(entry.content) + 2
        return keys, contents

    def _post(self, batch: str | None, keys: list[str], contents: list[bytes]) -> None:
        if not self._versions:
            from aen_service.rewards.specs import versions  # the first request needs it, `aen_service` does not

            self._versions = versions()
        body = b'{"versions":%b,"items":[%b]}' % (json.dumps(self._versions).encode(), b",".join(contents))
        with self._changed:
            self._sent.update(keys)
        try:
            said = self._ask("POST", "" if batch is None else f"/{batch}", body)
        except RemoteError as error:
            if error.status == _GONE and batch is not None:
                self._send_again(batch)
            else:
                self._refused(keys, error)
            return
        with self._changed:
            if batch is None:
                self._batch, self._after = str(said["id"]), 0
            self._changed.notify_all()

    def _refused(self, keys: list[str], error: RemoteError) -> None:
        """Fail the child that the service refuses, and send the others again; fail all if it does not say which."""
        found = _REFUSED.fullmatch(error.argument or "")
        if found is None or int(found["place"]) >= len(keys):
            self._fail(error, keys)
            return
        bad = keys[int(found["place"])]
        with self._changed:
            self._sent.difference_update(keys)
            self._outgoing.extendleft(key for key in reversed(keys) if key != bad)
        self._fail(error, [bad])

    def _send_again(self, batch: str | None) -> None:
        """Queue everything that is unfinished for a new batch: the service has forgotten the old one."""
        with self._changed:
            if self._batch == batch:
                self._batch = None
                self._sent.clear()
                self._outgoing = deque(self._entries)
                self._changed.notify_all()

    def _ask(self, method: str, path: str, content: bytes | None = None, **query: Any) -> JsonDict:  # noqa: ANN401
        return self._connection.ask(method, path, content=content, query=query or None, go_on=lambda: not self._closed)

    def _read(self) -> None:
        with self._changed:
            while not (self._closed or (self._batch is not None and self._sent)):
                self._changed.wait()
            if self._closed:
                return
            batch, after = self._batch, self._after
        try:
            said = self._ask("GET", f"/{batch}", after=after, wait=_WAIT_SECONDS)
        except RemoteError as error:
            if error.status != _GONE:
                raise
            self._send_again(batch)
            return
        with self._changed:
            entries = {item["key"]: self._entries.get(item["key"]) for item in said["items"]}
        outcomes = self._receiver.receive(said["items"], entries)
        done: list[tuple[Future[Evaluation], Evaluation | AenError]] = []
        with self._changed:
            if self._batch != batch:
                return
            self._workers, self._capacity, self._after = said["workers"], said["capacity"], said["last"]
            for key, outcome in outcomes.items():
                self._sent.discard(key)
                entry = self._entries.get(key)
                self._failed += not isinstance(outcome, Evaluation) or outcome.status == "failed"
                self._trained += isinstance(outcome, Evaluation) and not outcome.looked_up
                if entry is None:
                    continue
                settled = self._receiver.settled(entry, outcome)
                if settled is None:
                    self._outgoing.append(key)
                    continue
                del self._entries[key]
                done += [(future, settled) for future in entry.futures]
            self._changed.notify_all()
        for future, outcome in done:
            settle(future, outcome)

    def _fail(self, error: RemoteError, keys: Sequence[str] | None = None) -> None:
        """Have the futures of some children raise an error; None: of all."""
        with self._changed:
            chosen = list(self._entries) if keys is None else keys
            entries = [entry for key in chosen if (entry := self._entries.pop(key, None)) is not None]
            self._sent.difference_update(chosen)
            if keys is None:
                self._outgoing.clear()
                self._batch = None
            self._changed.notify_all()
        for entry in entries:
            for future in entry.futures:
                settle(future, error)

    def cancelled(self, key: str) -> None:
        """Forget a child of which all futures were cancelled."""
        with self._changed:
            entry = self._entries.get(key)
            if entry is not None and all(future.cancelled() for future in entry.futures):
                del self._entries[key]
                if key in self._sent:
                    self._sent.discard(key)
                    self._cancelled.append(key)
                self._changed.notify_all()
