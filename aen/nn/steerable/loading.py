"""Importing escnn without its two requirements that cannot be installed, and with its disk cache among aen's."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from aen._cache import private_folder
from aen.errors import SpecError
from aen.nn.steerable.array_cache import ArrayCache
from aen.nn.steerable.sylvester import sylvester_constraint

_LOCK = threading.Lock()
_WIGNER = "lie_learn.representations.SO3.wigner_d"
_INSTALL = "pip install --no-deps escnn==1.0.11 joblib pymanopt autograd"


def load_escnn() -> ModuleType:
    """Import escnn once and return it; `escnn.nn`, `escnn.gspaces` and `escnn.group` are loaded with it.

    Four things are prepared, none of which changes what a planar group computes:

    - Where lie_learn cannot be imported (its wheel is built for NumPy 1), a stand-in whose Wigner functions raise: only
      rotations in space call them.
    - The warning that py3nj is missing is kept back: it serves rotations in space too.
    - escnn hands scikit-learn's `randomized_svd` a matrix class that it refuses; without it, SciPy's is taken.
    - Clebsch-Gordan coefficients are kept in `$AEN_CACHE` or the user's cache folder, not in the installed package,
      in files without pickles, and are computed without sparse matrices (see `aen.nn.steerable.sylvester`).

    Raises:
        SpecError: escnn or something it needs is not installed.
    """
    with _LOCK:  # the lock first: of two threads that both find nothing cached, one waits
        return _load()


@contextmanager
def escnn_building() -> Iterator[ModuleType]:
    """Load escnn for building layers, and leave NumPy's global random state as it was.

    escnn checks its coefficients on random group elements, but only where they are not on disk yet. Without this, what
    is drawn afterwards would depend on whether another process built the same layer before.
    """
    escnn = load_escnn()
    state = np.random.get_state()  # noqa: NPY002 - the global state is what escnn draws from
    try:
        yield escnn
    finally:
        np.random.set_state(state)  # noqa: NPY002


def escnn_cache() -> Path | None:
    """Return where escnn's coefficients are kept, or None where there is no folder that only this user can write to.

    The folder's name carries escnn's version: another version may order its basis otherwise.
    """
    try:
        return private_folder("escnn", version("escnn"))
    except PackageNotFoundError:
        return None


@cache
def _load() -> ModuleType:
    before = set(sys.modules)
    try:
        with warnings.catch_warnings(), _own_cache():
            warnings.filterwarnings("ignore", message=".*py3nj")
            _stand_in_for_lie_learn()
            escnn = import_module("escnn")
            numerical, coefficients = (
                import_module("escnn.group._numerical"),
                import_module("escnn.group._clebsh_gordan"),
            )
            import_module("escnn.gspaces"), import_module("escnn.nn")
    except ImportError as error:
        # A half-imported package would answer the next import with whatever it holds by then.
        for name in set(sys.modules) - before:
            if name.split(".")[0] in {"escnn", "lie_learn"}:
                del sys.modules[name]
        raise SpecError(
            f"Steerable layers need escnn, which cannot be imported ({error}); run `make setup`, or `{_INSTALL}`."
        ) from error
    vars(numerical)["randomized_svd"] = None
    for module in (numerical, coefficients):
        vars(module)["build_sylvester_constraint"] = sylvester_constraint
    return escnn


def _stand_in_for_lie_learn() -> None:
    try:
        import_module(_WIGNER)
    except (ImportError, ValueError, AttributeError):  # a wheel for NumPy 1 fails with any of them
        parts = _WIGNER.split(".")
        for n in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:n]))
            module.__path__ = []
            sys.modules[module.__name__] = module
        sys.modules[_WIGNER].wigner_D_matrix = _no_wigner  # type: ignore[attr-defined]


def _no_wigner(*_: object, **__: object) -> NoReturn:
    raise SpecError(
        "Rotations in space need lie_learn, which is not installed; choose a planar group, or install lie_learn."
    )


@contextmanager
def _own_cache() -> Iterator[None]:
    """Replace the caches that escnn's modules open while they are imported.

    They are joblib's, which unpickles what it reads, in the package's own folder, which may be another user's.
    """
    import joblib

    usual = joblib.Memory
    kept = ArrayCache(escnn_cache())

    def memory(location: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - joblib's
        if Path(str(location)).parts[-3:] == ("escnn", "group", "_cache"):
            return kept
        return usual(location, *args, **kwargs)

    joblib.Memory = memory
    try:
        yield
    finally:
        joblib.Memory = usual
