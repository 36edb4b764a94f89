"""Compression of pages and of JSON."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST_BYTES = 1000
_LEVEL = 5  # the highest that costs about as little time as it saves on a fast line
# Event streams must not wait for more to compress; parts of files have other bytes when they are compressed.
_NOT_COMPRESSED = ("/events", "/report")
_FILES = "/files/"


class Compression:
    """Compresses responses, except event streams and files of searches.

    No response has both a secret and something that a stranger chose, from whose compressed length the secret could be
    guessed: tokens and sessions are in header fields alone.

    Args:
        app: what answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=_LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope.get("path", "")
        plain = scope["type"] != "http" or path.endswith(_NOT_COMPRESSED) or _FILES in path
        await (self._plain if plain else self._compressed)(scope, receive, send)
