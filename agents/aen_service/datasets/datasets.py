"""The uploaded data sets of a service: their files below its folder, and their rows in its database."""

import errno
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from aen._text import printable
from aen._typing import JsonDict
from aen.data.files import unreadable
from aen.data.own.idx import is_idx
from aen.data.own.paths import split_pin
from aen.data.own.rules import SKIP_BROKEN
from aen.errors import AenError, DataError
from aen_service.database import DATASETS, Database
from aen_service.datasets import folders
from aen_service.datasets.inspection import inspect
from aen_service.datasets.receiving import Upload, receive
from aen_service.datasets.unpacking import check_archive, unpack
from aen_service.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    QuotaError,
    UnavailableError,
    argument_of,
)
from aen_service.searches.records import ACTIVE, Searches
from aen_service.settings import Settings
from aen_service.tokens import Token

_TABLES = (".parquet", ".arrow", ".feather")
_LONGEST_NAME = 100
_UPLOADS = 4  # at the same time
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class HasDatasets(Protocol):
    """The service, of which this module may not know more."""

    datasets: "Datasets"


@dataclass(frozen=True)
class Dataset:
    """An uploaded data set; the attributes are the columns of `DATASETS`."""

    id: str
    token: str
    name: str
    path: str
    bytes: int
    created: float
    description: JsonDict


class Datasets:
    """The data sets of a service.

    Args:
        settings: of the service.
        database: of the service.
        searches: which use them.
    """

    def __init__(self, settings: Settings, database: Database, searches: Searches) -> None:
        self._settings = settings
        self._database = database
        self._searches = searches
        self._uploading: dict[str, int] = {}  # bytes that uploads may still take, by their identifier
        self._lock = threading.Lock()

    def clean(self) -> None:
        """Remove what a killed service left of uploads, and of data sets that were being deleted."""
        known = {row.id for row in self._database.rows(sa.select(DATASETS.c.id))}
        folders.clean(self._settings.folder / "data", known, self._database.shown)

    def get(self, dataset: str) -> Dataset:
        """Return a data set.

        Raises:
            NotFoundError: there is none with this identifier.
        """
        rows = self._database.rows(sa.select(DATASETS).where(DATASETS.c.id == dataset))
        if not rows:
            raise NotFoundError(
                f"there is no data set {dataset[:40]!r}; GET /api/v1/datasets lists them.", argument="dataset"
            )
        return Dataset(**rows[0]._mapping)  # noqa: SLF001 - the documented way to the columns by name

    def page(self, page: int, size: int, sort: str) -> tuple[int, list[Dataset]]:
        """Return how many data sets there are, and some of them; `sort` is a column, perhaps behind a minus."""
        column = DATASETS.c[sort.removeprefix("-")]
        query = sa.select(DATASETS).order_by(column.desc() if sort.startswith("-") else column.asc(), DATASETS.c.id)
        total = self._database.rows(sa.select(sa.func.count()).select_from(DATASETS))[0][0]
        rows = self._database.rows(query.limit(size).offset((page - 1) * size))
        return total, [Dataset(**row._mapping) for row in rows]  # noqa: SLF001

    def folder(self, dataset: Dataset) -> Path:
        """Return the folder of a data set's files."""
        return self._settings.folder / "data" / dataset.id

    def place(self, dataset: str) -> str:
        """Return what `data.path` is for a search of a data set: its path, pinned to its content.

        Raises:
            NotFoundError: there is none with this identifier.
        """
        found = self.get(dataset)
        return f"{self._settings.folder / found.path}@{found.description['pin']}"

    def overrides(self, dataset: str) -> JsonDict:
        """Return the other overrides of a search of a data set: how its images were read when it was uploaded.

        Raises:
            NotFoundError: there is none with this identifier.
        """
        return {"data.skip_broken": True} if self.get(dataset).description.get("skip_broken") else {}

    async def add(self, token: Token, stream: AsyncIterator[bytes], content_type: str, length: int | None) -> Dataset:
        """Receive a data set and describe it. After an error nothing is left.

        Args:
            token: whose it is.
            stream: the body of the request, a form with the field ``file``, perhaps several times, ``name`` and
                ``skip_broken``.
            content_type: the header.
            length: bytes of the body, if it is known.

        Raises:
            ServiceError: the form or the data cannot be used, it is too large, or there is no room.
        """
        dataset = secrets.token_hex(12)
        limit = await run_in_threadpool(self._reserve, dataset, token, length)
        folder = self._settings.folder / "data" / dataset
        try:
            await run_in_threadpool(folders.begin, folder)
            upload = await receive(stream, content_type, folder, limit)
            return await run_in_threadpool(self._describe, dataset, token, folder, upload)
        except OSError as error:
            raise self._no_room(folder, error) from error
        except BaseException:
            # Not in the pool of threads: a cancelled request may not wait.
            folders.discard(folder)
            raise
        finally:
            with self._lock:
                self._uploading.pop(dataset, None)

    def _reserve(self, dataset: str, token: Token, length: int | None) -> int:
        """Return how many bytes an upload may have.

        Raises:
            QuotaError: none.
        """
        limits = self._settings.limits
        rows = self._database.rows(sa.select(DATASETS.c.bytes).where(DATASETS.c.token == token.id))
        count, used = len(rows), sum(int(row.bytes) for row in rows)
        with self._lock:
            if len(self._uploading) >= _UPLOADS:
                raise QuotaError(f"{_UPLOADS} uploads are going on; wait until one ends.", headers={"Retry-After": "5"})
            free = limits.stored_bytes - used - sum(self._uploading.values())
            if count >= limits.datasets or free <= 0 or (length or 0) > free + 2**16:
                raise QuotaError(
                    f"this token has {count:,} data sets of {used:,} bytes; at most {limits.datasets:,} and "
                    f"{limits.stored_bytes:,} bytes are allowed. Delete one first.",
                    argument="file",
                )
            limit = min(limits.upload_bytes, free)
            self._uploading[dataset] = min(limit, length or limit)
        return limit

    def _no_room(self, folder: Path, error: OSError) -> UnavailableError:
        folders.discard(folder)
        why = "the disk is full" if error.errno in _NO_ROOM else error.strerror or str(error)
        return UnavailableError(f"the upload cannot be stored: {why}; nothing of it was kept.")

    def _describe(self, dataset: str, token: Token, folder: Path, upload: Upload) -> Dataset:
        name = _checked_name(upload.fields.get("name", "") or Path(next(iter(upload.files), "")).name)
        skip_broken = _flag("skip_broken", upload.fields.get("skip_broken", "false"))
        unknown = sorted(set(upload.fields) - {"name", "skip_broken"})
        if unknown:
            raise InvalidRequestError(f"the form has the unknown field {unknown[0][:50]!r}.", argument=unknown[0][:50])
        shown = next(iter(upload.files), "")
        try:
            place, notices = self._unpacked(folder, upload)
            description = inspect(place, folder, skip_broken=skip_broken)
        except DataError as error:  # the words of the command line, without its options and this machine's paths
            said = str(error).replace(SKIP_BROKEN, "skip_broken=true in the form")
            for path in sorted((str(folder / "images"), *map(str, upload.files.values())), key=len, reverse=True):
                said = said.replace(path, shown)
            raise InvalidRequestError(
                said.replace(f"{folder}/", "").replace(str(folder), shown), argument="file"
            ) from error
        description["notices"] = [*notices, *description["notices"]]
        row: dict[str, Any] = {
            "id": dataset,
            "token": token.id,
            "name": name,
            "path": str(place.relative_to(self._settings.folder)),
            "bytes": _size(folder),
            "created": time.time(),
            "description": description,
        }
        folders.finish(folder)  # whoever is told of the data set finds it after a power cut
        with self._database.begin() as connection:
            connection.execute(DATASETS.insert().values(row))
        return Dataset(**row)

    def _unpacked(self, folder: Path, upload: Upload) -> tuple[Path, list[str]]:
        """Return the path that the readers of own data are given, and notices."""
        names, limit = list(upload.files), self._settings.limits.unpacked_bytes
        if not names:
            raise InvalidRequestError("the form has no file; give the field file.", argument="file")
        kinds = {_kind(name) for name in names}
        kind = kinds.pop()
        if kinds or (len(names) > 1 and kind != "idx"):
            raise InvalidRequestError(
                f"the form has {len(names)} files ({', '.join(names)}); give one, or the pairs of IDX files.",
                argument="file",
            )
        path = upload.files[names[0]]
        if kind == "zip":
            notices = unpack(path, folder / "images", limit)
            path.unlink()
            return folder / "images", notices
        if kind == "npz":
            check_archive(path, limit)
        if kind != "idx":
            return path, []
        images = folder / "images"
        images.mkdir()
        for name, file in upload.files.items():
            file.rename(images / name)
        return images, []

    def remove(self, dataset: str, check: Callable[[Dataset], None] = lambda _: None) -> None:
        """Delete a data set and its files.

        Raises:
            NotFoundError: there is none.
            ConflictError: a search that waits or runs uses it.
        """
        found = self.get(dataset)
        check(found)
        for search in self._searches.in_states(ACTIVE):
            if (search.request or {}).get("dataset") == dataset:
                raise ConflictError(f"the search {search.name!r} ({search.id}) uses it; wait for it, or stop it.")
        folder = self.folder(found)
        folders.mark_deleted(folder)
        try:
            with self._database.begin() as connection:
                connection.execute(DATASETS.delete().where(DATASETS.c.id == dataset))
        except BaseException:
            folders.unmark(folder)
            raise
        folders.discard(folder)


@contextmanager
def hidden_paths(service: "HasDatasets", dataset: Dataset | None) -> Iterator[None]:
    """Replace the path of a data set, in the messages of errors that are raised inside, by its name."""
    try:
        yield
    except AenError as error:
        said = str(error)
        place = "" if dataset is None else service.datasets.place(dataset.id)
        if not place or split_pin(place)[0] not in said:
            raise
        for path in (place, split_pin(place)[0]):
            said = said.replace(path, dataset.name if dataset is not None else path)
        raise InvalidRequestError(said, argument=argument_of(error)) from error


def _kind(name: str) -> str:
    """Return the kind of an uploaded file.

    Raises:
        InvalidRequestError: it is not read.
    """
    lower = name.lower()
    if lower.endswith((".npz", ".zip")):
        return lower[-3:]
    if lower.endswith(_TABLES):
        return "table"
    if is_idx(Path(name)):
        return "idx"
    hint = "give an npz, IDX, Parquet or Arrow file, or a zip of class folders"
    if lower.removesuffix(".gz").endswith((".csv", ".tsv")):
        hint = "a csv names files of your machine; put the images into a folder for each class, and zip those"
    raise InvalidRequestError(f"file is {name!r}, of a kind that is not uploaded; {hint}.", argument="file")


def _flag(name: str, given: str) -> bool:
    if given not in {"true", "false"}:
        raise InvalidRequestError(f"{name} is {printable(given[:50])!r}; give true or false.", argument=name)
    return given == "true"


def _checked_name(given: str) -> str:
    name = given.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidRequestError(
            f"name is {given[:_LONGEST_NAME]!r}; give 1 to {_LONGEST_NAME} printable characters.", argument="name"
        )
    return name


def _size(folder: Path) -> int:
    try:
        return sum(path.lstat().st_size for path in folder.rglob("*"))
    except OSError as error:
        raise unreadable(folder, error) from error
