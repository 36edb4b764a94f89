"""The files of a run that clients may have: those of a list, and no link is followed to them."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from aen_service.errors import NotFoundError

_JSON, _LINES, _BYTES = "application/json", "application/x-ndjson", "application/octet-stream"
_FOLDER = {
    "model.safetensors": _BYTES,
    "config.json": _JSON,
    "modeling_aen.py": "text/plain; charset=utf-8",
    "README.md": "text/markdown; charset=utf-8",
}
# Not: config.yaml and run.json, which may have the password of a store; agent/, whose files are pickles; checkpoints.
ALLOWED: dict[str, str] = {
    "summary.json": _JSON,
    "report.html": "text/html; charset=utf-8",
    "history.jsonl": _LINES,
    "log.jsonl": _LINES,
    "symmetry_test.json": _JSON,
    "best/spec.json": _JSON,
    "best/preprocessing.json": _JSON,
    "best/data.json": _JSON,
    "best/weights.safetensors": _BYTES,
    "export/model.onnx": _BYTES,
    "export/model.pt2": _BYTES,
    **{f"export/{folder}/{name}": media for folder in ("safetensors", "hub") for name, media in _FOLDER.items()},
}
OPERATORS_ONLY = frozenset({"log.jsonl"})  # it names processes and paths of the server


@dataclass(frozen=True)
class Artefact:
    """A file of a run.

    Attributes:
        name: its path in the run folder.
        bytes: its size.
        media: its media type.
        modified: when it was written, in seconds since 1970.
    """

    name: str
    bytes: int
    media: str
    modified: float


def artefacts(folder: Path) -> list[Artefact]:
    """Return the files of a run that clients may have and that are there."""
    found = []
    for name, media in ALLOWED.items():
        try:
            number = _open(folder, name)
        except OSError:
            continue
        try:
            status = os.fstat(number)
        finally:
            os.close(number)
        found.append(Artefact(name, status.st_size, media, status.st_mtime))
    return found


def open_artefact(folder: Path, name: str) -> tuple[int, Artefact]:
    """Open a file of a run; return its number, which the caller closes, and what it is.

    Raises:
        NotFoundError: clients may not have it, it is not there, or it is a link.
    """
    if name not in ALLOWED:
        raise NotFoundError(f"a run has no file {name[:80]!r} for download; GET .../files lists them.", argument="name")
    try:
        return open_file(folder, name, ALLOWED[name])
    except OSError as error:
        raise NotFoundError(f"this run has no file {name!r} yet.", argument="name") from error


def open_file(folder: Path, name: str, media: str) -> tuple[int, Artefact]:
    """Open a plain file below a folder, no part of whose path is a link; the caller checks the name.

    Raises:
        OSError: it is not there, or a link.
    """
    number = _open(folder, name)
    status = os.fstat(number)
    return number, Artefact(name, status.st_size, media, status.st_mtime)


def _open(folder: Path, name: str) -> int:
    """Open a plain file below a folder; no part of its path may be a link."""
    *folders, last = name.split("/")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = inner
        number = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(f"{name} is not a plain file")
    return number
