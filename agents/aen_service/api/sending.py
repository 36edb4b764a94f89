"""Sends a file that is open: whole, or the part that the header ``Range`` names."""

import os
import re
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus

from fastapi import Response
from fastapi.responses import StreamingResponse

from aen_service.problems import problem
from aen_service.reading.artefacts import Artefact

_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def tag_of(file: Artefact) -> str:
    """Return the header ``ETag`` of a file."""
    return f'"{file.bytes:x}-{int(file.modified * 1e6):x}"'


def send_file(
    number: int,
    file: Artefact,
    *,
    run: str,
    asked: str | None,
    known: str | None,
    headers: dict[str, str],
    inline: bool,
) -> Response:
    """Return a response with the content of a file, which it closes.

    Args:
        number: of the open file.
        file: what it is.
        run: name of the run, for the name under which a browser saves it.
        asked: the header ``Range``; one with several parts is ignored.
        known: the header ``If-None-Match``.
        headers: further ones.
        inline: whether a browser shows it instead of saving it.
    """
    tag = tag_of(file)
    saved_as = _UNSAFE.sub("_", f"{run}-{file.name.replace('/', '-')}")[-150:].lstrip("._-") or "file"
    headers = headers | {
        "ETag": tag,
        "Last-Modified": formatdate(file.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'{"inline" if inline else "attachment"}; filename="{saved_as}"',
    }
    if known is not None and known.removeprefix("W/") == tag:
        os.close(number)
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = _part(asked, file.bytes)
    if part is None:
        os.close(number)
        said = f"the header Range is {str(asked)[:60]!r}, outside of the {file.bytes:,} bytes of the file."
        return problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "range not satisfiable",
            said,
            argument="Range",
            headers={"Content-Range": f"bytes */{file.bytes}"},
        )
    start, end = part
    status = HTTPStatus.OK
    if (start, end) != (0, file.bytes):
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.bytes}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(_content(number, start, end), status, headers=headers, media_type=file.media)


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; None: the file has no such part."""
    found = None if asked is None else _RANGE.fullmatch(asked.strip())
    if found is None or found[0] == "bytes=-":
        return 0, size
    if not found[1]:  # the last bytes
        last = min(int(found[2]), size)
        return (size - last, size) if last else None
    start, end = int(found[1]), size if not found[2] else min(int(found[2]) + 1, size)
    return (start, end) if start < end else None


def _content(number: int, start: int, end: int) -> Iterator[bytes]:
    try:
        while start < end:
            data = os.pread(number, min(_BLOCK, end - start), start)
            if not data:  # it was cut meanwhile
                return
            start += len(data)
            yield data
    finally:
        os.close(number)
