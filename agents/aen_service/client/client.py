"""Client: submits searches to a service, watches them, and fetches what they found."""

import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from aen._files import new_file
from aen._secrets import remember_secret
from aen._typing import JsonDict
from aen_service.client.events import ServerEvent, parse_events
from aen_service.client.models import Page, RemoteSearch
from aen_service.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    QuotaError,
    ServiceError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from aen_service.searches.states import ENDED

_ERRORS = (
    InvalidRequestError,
    UnauthenticatedError,
    ForbiddenError,
    NotFoundError,
    ConflictError,
    TooLargeError,
    QuotaError,
    UnavailableError,
)
_BY_STATUS = {error.status: error for error in _ERRORS}
_GATEWAY = {502, 503, 504}  # of a proxy in front of a service that starts again
_SILENT_SECONDS = 45.0  # after which an event stream is opened again; the service sends something every 15
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
_LINES = 200


class Client:
    """A client of a service.

    An error of the service is raised with its words, as the `ServiceError` of its kind; a service that does not answer
    is an `UnavailableError`.

    Args:
        url: of the service, such as ``http://127.0.0.1:8700``.
        token: an operator's, or a viewer's to look only.
        timeout: seconds that an answer may take.
        patience: seconds for which `wait` and `events` bear a service that cannot be reached.

    Raises:
        InvalidRequestError: the address or the token does not have the form of one.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 30.0, patience: float = 300.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise InvalidRequestError(f"url is {url!r}; give one such as http://127.0.0.1:8700.", argument="url")
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise InvalidRequestError("token is empty or has other than printable characters.", argument="token")
        remember_secret(token)
        self.url = url.rstrip("/")
        self._patience, self._timeout = patience, timeout
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=timeout
        )

    def submit(
        self,
        preset: str | None = None,
        *,
        config: JsonDict | None = None,
        overrides: JsonDict | None = None,
        dataset: str | None = None,
        name: str | None = None,
    ) -> RemoteSearch:
        """Submit a search.

        Args:
            preset: name of a preset, such as ``digits``.
            config: a whole config, in place of a preset.
            overrides: values by dotted key, such as ``{"budget.children": 20}``.
            dataset: identifier of an uploaded data set.
            name: of the search; otherwise the config's.
        """
        given = {"preset": preset, "config": config, "overrides": overrides or {}, "dataset": dataset, "name": name}
        key = secrets.token_hex(16)  # a proxy that sends the request twice submits one search
        content = {name: value for name, value in given.items() if value is not None}
        return RemoteSearch.from_json(self._call("POST", "searches", json=content, headers={"Idempotency-Key": key}))

    def list(
        self,
        *,
        state: Sequence[str] = (),
        name: str | None = None,
        sort: str = "-created",
        page: int = 1,
        size: int = 50,
    ) -> Page[RemoteSearch]:
        """Return a page of the searches."""
        query: dict[str, Any] = {"state": [*state], "sort": sort, "page": page, "size": size}
        if name is not None:
            query["name"] = name
        return Page.from_json(self._call("GET", "searches", params=query), RemoteSearch.from_json)

    def get(self, search: str) -> RemoteSearch:
        """Return a search."""
        return RemoteSearch.from_json(self._call("GET", _path(search)))

    def wait(self, search: str, *, timeout: float | None = None, poll: float = 1.0) -> RemoteSearch:
        """Return a search once it has ended.

        Raises:
            TimeoutError: it has not ended in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        since = time.monotonic()
        while True:
            try:
                found = self.get(search)
                since = time.monotonic()
                if found.has_ended:
                    return found
            except UnavailableError:
                if time.monotonic() - since > self._patience:
                    raise
            if deadline is not None and time.monotonic() + poll > deadline:
                raise TimeoutError(f"search {search} has not ended within {timeout:g} s")
            time.sleep(poll)

    def stop(self, search: str) -> RemoteSearch:
        """Stop a search; all results are kept, and it can be resumed."""
        return RemoteSearch.from_json(self._call("POST", _path(search, "stop")))

    def resume(self, search: str) -> RemoteSearch:
        """Resume a search that was stopped, failed or was lost."""
        return RemoteSearch.from_json(self._call("POST", _path(search, "resume")))

    def move(self, search: str, position: int) -> RemoteSearch:
        """Give a search that waits another place in the queue, from 1."""
        return RemoteSearch.from_json(self._call("POST", _path(search, "move"), json={"position": position}))

    def clone(self, search: str, *, overrides: JsonDict | None = None, name: str | None = None) -> RemoteSearch:
        """Submit a search like another one, with changes."""
        content = {"overrides": overrides or {}, "name": name}
        return RemoteSearch.from_json(self._call("POST", _path(search, "clone"), json=content))

    def delete(self, search: str) -> None:
        """Delete a search that has ended, and its files."""
        self._call("DELETE", _path(search))

    def children(self, search: str, *, page: int = 1, size: int = 50, **query: str | int) -> Page[JsonDict]:
        """Return a page of the children of a search; further arguments sort and filter."""
        asked = {"page": page, "size": size, **query}
        return Page.from_json(self._call("GET", _path(search, "children"), params=asked))

    def classes(self, search: str, *, page: int = 1, size: int = 50, **query: str | int) -> Page[JsonDict]:
        """Return a page of the classes of a search; further arguments sort and filter."""
        asked = {"page": page, "size": size, **query}
        return Page.from_json(self._call("GET", _path(search, "classes"), params=asked))

    def curve(self, search: str, *, points: int = 500) -> JsonDict:
        """Return the learning curve of a search: lists of equal length."""
        return self._call("GET", _path(search, "curve"), params={"points": points})

    def summary(self, search: str) -> JsonDict:
        """Return the ``summary.json`` of a search, which `aen.results.SearchResult.from_json` reads."""
        return self._call("GET", _path(search, "summary"))

    def files(self, search: str) -> Sequence[JsonDict]:
        """Return name, size and media type of the files of a search."""
        found: Any = self._call("GET", _path(search, "files"))
        items: Sequence[JsonDict] = found["items"] if isinstance(found, dict) else found
        return items

    def download(self, search: str, name: str, path: str | Path) -> Path:
        """Fetch a file of a search to a path, or into a folder; it appears there complete or not at all."""
        target = Path(path) / Path(name).name if Path(path).is_dir() else Path(path)
        try:
            with self._http.stream("GET", _path(search, "files", name)) as answer:
                self._check(answer)
                with new_file(target, durable=True) as file:
                    for block in answer.iter_bytes():
                        file.write(block)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return target

    def log(self, search: str, *, after: int = 0, size: int = _LINES) -> JsonDict:
        """Return lines of a search's log, the first after a line's number."""
        return self._call("GET", _path(search, "log"), params={"after": after, "size": size})

    def events(self, search: str, *, after: int = 0) -> Iterator[ServerEvent]:
        """Yield the events of a search until it has ended: each line of its log once, in order, and its states.

        A connection that breaks is opened again where it broke, also after the service was killed.

        Args:
            search: its identifier.
            after: number of the line of the log after which to begin.

        Raises:
            ServiceError: there is no such search, or the service cannot be reached for longer than `patience`.
        """
        last, since, failures = after, time.monotonic(), 0
        while True:
            try:
                for event in self._stream(search, last):
                    since, failures = time.monotonic(), 0
                    if event.id is not None:
                        if event.id <= last:
                            continue
                        last = event.id
                    elif event.kind == "search" and event.data.get("state") in ENDED:
                        yield from self._rest(search, last)
                        yield event
                        return
                    yield event
            except UnavailableError:
                if time.monotonic() - since > self._patience:
                    raise
            time.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _stream(self, search: str, last: int) -> Iterator[ServerEvent]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
        timeout = httpx.Timeout(self._timeout, read=_SILENT_SECONDS)
        try:
            with self._http.stream("GET", _path(search, "events"), headers=headers, timeout=timeout) as answer:
                self._check(answer)
                yield from parse_events(answer.iter_lines())
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _rest(self, search: str, last: int) -> Iterator[ServerEvent]:
        """Yield the lines of the log of a search that has ended which the stream has not sent."""
        while items := self.log(search, after=last)["items"]:
            for item in items:
                last = int(item["id"])
                yield ServerEvent(last, str(item["event"]), {name: item[name] for name in item if name != "id"})

    def _call(self, method: str, path: str, **options: Any) -> JsonDict:  # noqa: ANN401 - of httpx
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        self._check(answer)
        try:
            content: JsonDict = answer.json() if answer.content else {}
        except ValueError as error:
            raise ServiceError(f"{self.url} does not answer as a service of aen does; check the address.") from error
        return content

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        answer.read()
        try:
            problem = answer.json()
            detail, argument = str(problem["detail"]), problem.get("argument")
        except (ValueError, KeyError, TypeError, AttributeError):
            detail, argument = (
                f"{self.url} answers {answer.status_code} {answer.reason_phrase}; check the address.",
                None,
            )
        kind = UnavailableError if answer.status_code in _GATEWAY else _BY_STATUS.get(answer.status_code, ServiceError)
        raise kind(detail, argument=argument, headers=dict(answer.headers))

    def _unreachable(self, error: httpx.HTTPError) -> UnavailableError:
        why = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
        return UnavailableError(f"cannot connect to {self.url} ({why}); `aen serve` starts a service.")


def _path(search: str, *more: str) -> str:
    return "/".join(("searches", *(quote(part, safe="") for part in (search, *more))))
