"""Messages for files that are damaged or cannot be read, and for full disks."""

import errno
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

from aen._files import cannot_read
from aen._reading import UnusableFileError
from aen._text import shortened
from aen.errors import AenError, RunFolderError, StoreError
from aen.results.field_types import FieldTypeError
from aen_agents.text import command

_LONGEST = 40  # characters of a value that are shown
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a full disk, the user's quota, the process's file size limit
_OF_SAFETENSORS = re.compile(r"\(os error (\d+)\)")  # its errors have no errno


class UnreadableError(RunFolderError):
    """A file cannot be read, for example without permission; its content may be intact."""

    @classmethod
    def of(cls, file: Path, error: OSError) -> Self:
        """Return the error of a file that could not be opened or read."""
        return cls(f"{cannot_read(file, error)}.")


def file_error(file: Path, error: Exception, remedy: str) -> RunFolderError:
    """Return the error of a run's file that cannot be used.

    Args:
        file: the file.
        error: the exception of reading it, as `what_is_wrong` takes it, or an OSError.
        remedy: what to do if the file is damaged, as a sentence.
    """
    if isinstance(error, OSError):
        return UnreadableError.of(file, error)
    return RunFolderError(f"{file} is damaged: {what_is_wrong(error)}. {remedy}")


def what_is_wrong(error: Exception) -> str:
    """Return why a file cannot be used, as the clause that follows "FILE is damaged: ".

    Args:
        error: the exception of decoding it: an error of text, JSON or YAML, a missing key, or a value of the wrong
            type.
    """
    reason = "its content has the wrong type"
    match error:
        case UnusableFileError() | FieldTypeError():
            reason = str(error)
        case UnicodeDecodeError():
            reason = "it is not text"
        case json.JSONDecodeError():
            reason = _of_json(error)
        case MarkedYAMLError(problem_mark=mark) if mark is not None:
            reason = f"it is not YAML (line {mark.line + 1})"
        case YAMLError():
            reason = "it is not YAML"
        case ValidationError():
            reason = _of_key(error)
        case KeyError():
            reason = f"it lacks {error.args[0]}"
        case _:
            pass
    return reason


def _of_json(error: json.JSONDecodeError) -> str:
    text = error.doc.rstrip()
    if not text:
        return "it is empty"
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return f"it ends unexpectedly in line {text.count(chr(10)) + 1}"
    return f"it is not JSON (line {error.lineno}, column {error.colno})"


def _of_key(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"it lacks {place}"
    if not place:
        return "it is not a mapping of keys to values"
    try:
        shown = json.dumps(problem["input"], ensure_ascii=False)
    except (TypeError, ValueError):
        shown = str(problem["input"])
    return f"{place} is {shortened(shown, _LONGEST)}, which is not a valid value"


class FullDiskError(RunFolderError):
    """A search ended because the disk is full; it can be resumed."""


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn an error inside the block that a full disk caused into a message that says how to resume the run.

    Args:
        path: the run folder.

    Raises:
        FullDiskError: an error that was caused by a full disk.
    """
    try:
        yield
    except Exception as error:
        problem = full_disk_problem(error)
        if problem is None:
            raise
        raise FullDiskError(
            f"{problem}. All results so far are kept: make room, then resume with "
            f"`{command()} resume {shlex.quote(str(path))}`."
        ) from error


def full_disk_problem(error: BaseException) -> str | None:
    """Return a message about the first file that could not be written, or None if no full disk caused the error.

    A full disk causes several errors in a row, since the files of the clean-up cannot be written either; the chain of
    causes is followed to the first.
    """
    from aen.results.database_errors import disk_full

    found, message = None, None
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, AenError):
            message = str(at).partition("make room")[0].rstrip(" .:;")  # the caller adds its own remedy
        number = at.errno if isinstance(at, OSError) else next(map(int, _OF_SAFETENSORS.findall(str(at))), None)
        if number in _NO_ROOM:
            file = (at.filename or "a file") if isinstance(at, OSError) else "weights"
            found, message = message or f"{file} cannot be written: {os.strerror(number)}", None
        elif isinstance(at, StoreError) and disk_full(at) is not None:
            found = message
        at = at.__cause__ or at.__context__
    return found
