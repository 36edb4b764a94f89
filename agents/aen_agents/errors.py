"""Errors in plain words: what is wrong with a file, and how a run goes on after a full disk."""

import errno
import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

from aen.errors import AenError, RunFolderError, StoreError
from aen_agents.text import command

_LONGEST = 40  # of a value that is shown
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the user's quota, the process's limit of a file
_OF_SAFETENSORS = re.compile(r"\(os error (\d+)\)")  # its errors have no number of their own


def what_is_wrong(error: Exception) -> str:
    """Return why a file cannot be used, as what comes after "FILE is damaged: ".

    Args:
        error: what came of reading it: an OSError, that text, JSON or YAML is none, a key that is missing, a value of
            another kind.
    """
    said = "what stands in it is of another kind than it should be"
    match error:
        case OSError():
            said = f"it cannot be read ({error.strerror or 'no reason is known'})"
        case UnicodeDecodeError():
            said = "it is not text"
        case json.JSONDecodeError():
            said = _of_json(error)
        case MarkedYAMLError(problem_mark=mark) if mark is not None:
            said = f"it is not YAML (line {mark.line + 1})"
        case YAMLError():
            said = "it is not YAML"
        case ValidationError():
            said = _of_key(error)
        case KeyError():
            said = f"it lacks {error.args[0]}"
        case _:
            pass
    return said


def _of_json(error: json.JSONDecodeError) -> str:
    text = error.doc.rstrip()
    if not text:
        return "it is empty"
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return f"it breaks off in line {text.count(chr(10)) + 1}"
    return f"it is not JSON (line {error.lineno}, column {error.colno})"


def _of_key(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"it lacks {place}"
    if not place:
        return "it holds no keys with values"
    try:
        shown = json.dumps(problem["input"], ensure_ascii=False)
    except (TypeError, ValueError):
        shown = str(problem["input"])
    return f"{place} is {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '...'}, which it cannot be"


class FullDiskError(RunFolderError):
    """A search that ended because there was no room left; it can go on."""


@contextmanager
def full_disk_told(path: Path) -> Iterator[None]:
    """Say how a run goes on, if what is raised inside the block comes of a full disk.

    Args:
        path: the run folder.

    Raises:
        FullDiskError: it does.
    """
    try:
        yield
    except Exception as error:
        said = what_had_no_room(error)
        if said is None:
            raise
        raise FullDiskError(
            f"{said}. What was trained is kept: make room, then `{command()} resume {shlex.quote(str(path))}` goes on."
        ) from error


def what_had_no_room(error: BaseException) -> str | None:
    """Return what could not be written first, in words, or None if no full disk is behind an error.

    One full disk makes several errors: what was to be tidied up or summed up after the first cannot be written either.
    """
    from aen.results.database_errors import disk_full

    found, told = None, None
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, AenError):
            told = str(at).partition("make room")[0].rstrip(" .:;")  # the remedy is another now
        number = at.errno if isinstance(at, OSError) else next(map(int, _OF_SAFETENSORS.findall(str(at))), None)
        if number in _NO_ROOM:
            file = (at.filename or "a file") if isinstance(at, OSError) else "weights"
            found, told = told or f"{file} cannot be written: {os.strerror(number)}", None
        elif isinstance(at, StoreError) and disk_full(at) is not None:
            found = told
        at = at.__cause__ or at.__context__
    return found
