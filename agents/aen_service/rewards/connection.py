"""The connection of a `RemoteEvaluator` to its service: requests, and errors in words."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from aen._files import new_file
from aen._secrets import remember_secret
from aen._text import printable, shortened
from aen._typing import JsonDict
from aen.errors import AenError

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0
_LONGEST_PAUSE = 5.0
_BUSY = (429, 502, 503, 504)
_PROBLEM = "application/problem+json"
_PATH = "/api/v1/evaluations"
_Result = TypeVar("_Result")


class RemoteError(AenError):
    """A service that cannot be reached, or that refuses what it is asked."""

    def __init__(self, message: str, status: int | None = None, argument: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.argument = argument


class _BusyError(Exception):
    """An answer that says to come again in some seconds; `error` is what is raised once the patience ends."""

    def __init__(self, error: RemoteError, status: int, seconds: float) -> None:
        super().__init__(str(error))
        self.error, self.status, self.seconds = error, status, seconds


class Connection:
    """Sends requests to the reward service; safe to use from several threads.

    Args:
        url: address of the service, such as ``http://127.0.0.1:8700``.
        token: of an operator.
        patience: seconds for which a service that cannot be reached, or is busy, is asked again.

    Raises:
        RemoteError: the address is none.
    """

    def __init__(self, url: str, token: str, patience: float) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or port == 0:
            raise RemoteError(f"url is {url!r}; give the address of a service, such as http://127.0.0.1:8700.")
        if not token.isascii() or not token.isprintable() or not token.strip():
            raise RemoteError("token is empty, or has characters that no token has; `aen tokens add NAME` makes one.")
        remember_secret(token)
        self.url = url.rstrip("/")
        self._patience = patience
        # An address of this machine is never asked by way of a proxy.
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=parts.hostname not in {"127.0.0.1", "localhost", "::1"},
        )

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        content: bytes | None = None,
        query: dict[str, Any] | None = None,
        go_on: Callable[[], bool] = lambda: True,
        patience: float | None = None,
    ) -> JsonDict:
        """Send a request; return the JSON of its answer.

        A service that cannot be reached, or is busy, is asked again, as long as `go_on` returns True.

        Raises:
            RemoteError: the service refuses, or it could not be reached for the time of the patience.
        """

        def send() -> JsonDict:
            headers = {"Content-Type": "application/json"} if content is not None else None
            answer = self._client.request(method, f"{_PATH}{path}", content=content, params=query, headers=headers)
            self._check(answer)
            return _json(answer, self.url)

        return self._repeat(send, go_on, self._patience if patience is None else patience)

    def abilities(self, patience: float) -> list[int]:
        """Return workers and capacity, and the limits of items and bytes of a request and of children in flight.

        Raises:
            RemoteError: as for `ask`, or the service is of another version.
        """
        said = self.ask("GET", patience=patience)
        try:
            return [int(said[name]) for name in ("workers", "capacity", "items", "bytes", "in_flight")]
        except (KeyError, TypeError, ValueError) as error:
            raise RemoteError(f"{self.url} is a service of another version of aen; install the same one.") from error

    def fetch(self, path: str, file: Path, *, most: int, go_on: Callable[[], bool] = lambda: True) -> None:
        """Download a file, which appears complete or not at all.

        Args:
            path: as for `ask`.
            file: where it goes; its folder exists.
            most: bytes that it may have.
            go_on: as for `ask`.

        Raises:
            RemoteError: the service refuses or could not be reached, or the file is too large.
            OSError: it cannot be written.
        """

        def send() -> None:
            with self._client.stream("GET", f"{_PATH}{path}") as answer:
                if not answer.is_success:
                    answer.read()
                self._check(answer)
                with new_file(file, durable=True) as target:
                    for block in answer.iter_bytes():
                        target.write(block)
                        if target.tell() > most:
                            raise RemoteError(f"{self.url} sends more than {most:,} bytes for {path}.")

        self._repeat(send, go_on, self._patience)

    def _check(self, answer: httpx.Response) -> None:
        """Raise what an answer says, if it is no success."""
        if answer.is_success:
            return
        error = _refusal(answer, self.url)
        if not _may_pass(answer):
            raise error
        raise _BusyError(error, answer.status_code, _retry_after(answer))

    def _repeat(self, send: Callable[[], _Result], go_on: Callable[[], bool], patience: float) -> _Result:
        """Send a request again until it succeeds, is refused, or the patience ends."""
        deadline, pause = time.monotonic() + patience, 0.05
        while True:
            wait = pause
            try:
                return send()
            except _BusyError as busy:
                error, wait = busy.error, max(pause, busy.seconds)
                if busy.status == 429:  # noqa: PLR2004 - the service is there: no end to the patience
                    deadline = max(deadline, time.monotonic() + wait + patience)
            except httpx.HTTPError as failed:
                error = RemoteError(
                    f"cannot connect to {self.url} ({failed or type(failed).__name__}); is `aen serve` running?"
                )
            if time.monotonic() + wait > deadline or not go_on():
                raise error
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - so that clients do not come all at once
            pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _json(answer: httpx.Response, url: str) -> JsonDict:
    if answer.status_code == httpx.codes.NO_CONTENT:
        return {}
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RemoteError(f"{url} is no service of aen: its answer is no JSON; give the address that `aen serve` says.")
    return found


def _refusal(answer: httpx.Response, url: str) -> RemoteError:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("detail"), str):
        said = f"{url} is no service of aen: it answers {answer.status_code}; give the address that `aen serve` says."
        return RemoteError(said, answer.status_code)
    said = f"{url} refuses: {printable(shortened(found['detail'], 2000))}"
    return RemoteError(said, answer.status_code, str(found.get("argument") or ""))


def _may_pass(answer: httpx.Response) -> bool:
    """Say whether the same request may succeed later. A service that ends answers 500 without a problem."""
    ending = answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and _PROBLEM not in answer.headers.get(
        "Content-Type", ""
    )
    return answer.status_code in _BUSY or ending


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(max(float(answer.headers.get("Retry-After", "0")), 0.0), 60.0)
    except ValueError:
        return 0.0
