"""The page's own files: read once, and served under a name of their contents, so that browsers keep them."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Request, Response

from aen_service.errors import NotFoundError

_MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT = "public, max-age=31536000, immutable"


@cache
def static_files() -> dict[str, tuple[bytes, bytes]]:
    """Return the contents of each file by its path below ``static/``, as it is and compressed."""
    found: dict[str, tuple[bytes, bytes]] = {}

    def read(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                read(entry, f"{prefix}{entry.name}/")
            elif entry.name.rpartition(".")[2] in _MEDIA:
                content = entry.read_bytes()
                found[f"{prefix}{entry.name}"] = content, gzip.compress(content, mtime=0)

    read(files("aen_service.pages") / "static", "")
    return found


@cache
def version() -> str:
    """Return a digest of all files."""
    digest = hashlib.sha256()
    for name, (content, _) in static_files().items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def static_url(name: str) -> str:
    """Return the address of a file.

    Raises:
        KeyError: there is no such file.
    """
    if name not in static_files():
        raise KeyError(name)
    return f"/static/{version()}/{name}"


def serve_static(request: Request, digest: str, name: str) -> Response:
    """Answer a request for a file; a name is looked up as it is, never in the file system."""
    if digest != version() or name not in static_files():
        raise NotFoundError("there is no such file.")
    plain, packed = static_files()[name]
    wants = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": _KEPT, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if wants:
        headers["Content-Encoding"] = "gzip"
    media = f"{_MEDIA[name.rpartition('.')[2]]}; charset=utf-8"
    return Response(packed if wants else plain, headers=headers, media_type=media)
