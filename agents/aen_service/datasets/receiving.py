"""Receives an upload: the parts of a multipart form go to files as they come, never into memory as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from aen._text import printable, shortened
from aen_service.errors import InvalidRequestError, TooLargeError

IDLE_SECONDS = 30.0  # without a byte, after which an upload is given up
_FLUSH_BYTES = 2**20
_MOST_FILES = 8
_LONGEST_FIELD = 1000
_LONGEST_FILE_NAME = 100
_MAX_BOUNDARY = 70


class Upload:
    """The fields and files of a form; a multipart parser calls it back.

    Args:
        folder: where the files go, under their own names.
        limit: bytes of all files together.

    Attributes:
        fields: the text of each field by its name.
        files: the files by name, in the order in which they came.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.fields: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        self._folder = folder
        self._left = limit
        self._limit = limit
        self._header = [b"", b""]
        self._headers: dict[str, bytes] = {}
        self._field: str | None = None
        self._text = b""
        self._file: IO[bytes] | None = None
        self._pending: list[str | bytes] = []  # the name of a file, then its content
        self._pending_bytes = 0
        self._ended = False

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """Return the functions that the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._close,
            "on_end": self._end,
        }

    async def flush(self, *, all_of_it: bool = False) -> None:
        """Write what has come, in a thread."""
        if self._pending and (all_of_it or self._pending_bytes >= _FLUSH_BYTES):
            await run_in_threadpool(self._write)

    def finish(self) -> None:
        """Check that the form has come whole.

        Raises:
            InvalidRequestError: it has not.
        """
        if not self._ended:
            raise InvalidRequestError("the upload ended before the form was whole; send it again.", argument="file")

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._headers = {}

    def _add_header(self, part: int, data: bytes) -> None:
        self._header[part] += data

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").lower()] = value
        self._header = [b"", b""]

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        field = options.get(b"name", b"").decode(errors="replace")
        name = options.get(b"filename")
        if name is None:
            if field in self.fields or len(self.fields) >= _MOST_FILES:
                raise InvalidRequestError(
                    f"the form has the field {printable(field[:50])!r} twice.", argument=field[:50]
                )
            self._field, self._text = field, b""
            return
        if field != "file":
            raise InvalidRequestError(
                f"the form has a file named {printable(field[:50])!r}; name it file.", argument="file"
            )
        known = file_name(name.decode(errors="replace"))
        if len(self.files) >= _MOST_FILES or known.lower() in {other.lower() for other in self.files}:
            raise InvalidRequestError(
                f"the form has more than {_MOST_FILES} files, or {known!r} twice; pack images into a zip.",
                argument="file",
            )
        self.files[known] = self._folder / known
        self._pending.append(known)

    def _data(self, data: bytes) -> None:
        if self._field is not None:
            self._text += data
            if len(self._text) > _LONGEST_FIELD:
                raise InvalidRequestError(
                    f"{printable(self._field[:50])} has more than {_LONGEST_FIELD} bytes.", argument=self._field[:50]
                )
            return
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(
                f"file has more than {self._limit:,} bytes, the most that may be uploaded; leave images out, or make "
                "them smaller.",
                argument="file",
            )
        self._pending.append(bytes(data))
        self._pending_bytes += len(data)

    def _close(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._text.decode(errors="replace")
            self._field = None

    def _end(self) -> None:
        self._ended = True

    def _write(self) -> None:
        for data in self._pending:
            if isinstance(data, str):
                self.close()
                self._file = (self._folder / data).open("xb")
            elif self._file is not None:
                self._file.write(data)
        self._pending, self._pending_bytes = [], 0


def file_name(given: str) -> str:
    """Return the name under which an uploaded file is kept, without folders.

    Raises:
        InvalidRequestError: it is none.
    """
    name = PurePosixPath(given.replace("\\", "/")).name
    fits = name and len(name.encode()) <= _LONGEST_FILE_NAME and name.isprintable() and not name.startswith(".")
    if not fits or any(sign in name for sign in '<>:"|?*@'):
        raise InvalidRequestError(
            f"the file's name is {shortened(printable(given))!r}; give a plain name of up to {_LONGEST_FILE_NAME} "
            "bytes, such as images.npz.",
            argument="file",
        )
    return name


async def receive(stream: AsyncIterator[bytes], content_type: str, folder: Path, limit: int) -> Upload:
    """Read a form whose files go into a folder.

    Args:
        stream: the body of the request.
        content_type: the header.
        folder: an empty folder.
        limit: bytes of the files together.

    Raises:
        InvalidRequestError: it is no multipart form, or a damaged one.
        TooLargeError: the files are too large.
        OSError: they cannot be written.
    """
    kind, options = parse_options_header(content_type[:1000])
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise InvalidRequestError(
            "the request is no form; send the data set as multipart/form-data with the field file, such as "
            "curl -F file=@images.npz.",
            argument="file",
        )
    upload = Upload(folder, limit)
    parser = MultipartParser(boundary, cast("dict", upload.callbacks()))  # type: ignore[type-arg, arg-type]
    received = 0
    try:
        while True:
            chunk = await _next(stream)
            if chunk is None:
                break
            received += len(chunk)
            if received > limit + _FLUSH_BYTES:  # what is around the files
                raise TooLargeError(f"the request has more than {limit:,} bytes.", argument="file")
            parser.write(chunk)
            await upload.flush()
        with suppress(FormParserError):
            parser.finalize()
        upload.finish()
        await upload.flush(all_of_it=True)
    except FormParserError as error:
        raise InvalidRequestError(
            f"the form is damaged: {shortened(printable(str(error)))}.", argument="file"
        ) from error
    except ClientDisconnect as error:
        raise InvalidRequestError("the client ended the upload.", argument="file") from error
    finally:
        upload.close()
    return upload


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await asyncio.wait_for(anext(stream), IDLE_SECONDS)
    except StopAsyncIteration:
        return None
    except TimeoutError as error:
        raise InvalidRequestError(
            f"no byte of the upload came for {IDLE_SECONDS:g} seconds; send it again.", argument="file"
        ) from error
