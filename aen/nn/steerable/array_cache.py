"""A cache on disk of functions that return arrays, in npz files without pickles; it takes the place of joblib's."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen._cache import new_private, open_private
from aen._reading import MALFORMED, MALFORMED_ZIP

_VERSION = 1
_STRUCTURE = "structure"
Arrays = dict[str, npt.NDArray[Any]]


class ArrayCache:
    """Keeps what functions return, if it consists of arrays, numbers, text, tuples and lists.

    Files are named by a checksum of the function's name and arguments. A damaged file is computed and written again.
    Errors of writing are ignored.

    Args:
        folder: of the files, one of `aen._cache.private_folder`; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def cache(
        self, function: Callable[..., Any] | None = None, ignore: Sequence[str] = (), **_: object
    ) -> Callable[..., Any]:
        """Return a function that looks a result up before it computes it; with the arguments of `joblib.Memory.cache`.

        Args:
            function: to be cached.
            ignore: names of arguments on which the result does not depend. Such functions are not cached: in escnn they
                serve rotations in space alone.
        """
        if function is None:
            return functools.partial(self.cache, ignore=ignore)
        if self.folder is None or ignore:
            return function
        folder, cached = self.folder, function

        @functools.wraps(cached)
        def looked_up(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            try:
                asked = json.dumps([_VERSION, cached.__module__, cached.__qualname__, _plain(args), _plain(kwargs)])
            except TypeError:  # an argument of another type
                return cached(*args, **kwargs)
            path = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.npz"
            with suppress(OSError, *MALFORMED, *MALFORMED_ZIP):
                return _read(path, asked)
            result = cached(*args, **kwargs)
            with suppress(OSError, TypeError):
                _write(path, asked, result)
            return result

        return looked_up


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return arguments as JSON that tells tuples from lists; others than the usual types raise a TypeError."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (tuple, list):
        return [type(value).__name__, *map(_plain, value)]  # type: ignore[call-overload]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain(value[key]) for key in sorted(value)}
    raise TypeError(type(value).__name__)


def _write(path: Path, asked: str, result: object) -> None:
    arrays: Arrays = {}
    structure = json.dumps([asked, _taken_apart(result, arrays)])
    with new_private(path) as file:
        np.savez(file, allow_pickle=False, **arrays, **{_STRUCTURE: np.frombuffer(structure.encode(), np.uint8)})


def _read(path: Path, asked: str) -> Any:  # noqa: ANN401 - what the function returned
    with open_private(path) as file, np.load(file, allow_pickle=False) as stored:
        question, structure = json.loads(stored[_STRUCTURE].tobytes())
        if question != asked:
            raise ValueError(question)
        return _put_together(structure, stored)


def _taken_apart(value: object, arrays: Arrays) -> Any:  # noqa: ANN401 - JSON
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if isinstance(value, np.ndarray) and type(value) is np.ndarray and value.dtype.kind in "biuf":
        arrays[f"array{len(arrays)}"] = value
        return {"array": f"array{len(arrays) - 1}"}
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return {type(value).__name__: [_taken_apart(item, arrays) for item in value]}
    raise TypeError(type(value).__name__)


def _put_together(structure: Any, stored: Any) -> Any:  # noqa: ANN401 - JSON, npz file, what was stored
    ((kind, content),) = structure.items()
    if kind == "value":
        return content
    if kind == "array":
        return stored[content]
    return {"tuple": tuple, "list": list}[kind](_put_together(item, stored) for item in content)
