"""Data sets found by name: built in, derived from built-in ones, npz files, and those of other packages.

Another package registers a data set by an entry point of the group ``aen.data_sets``, from the data set's name to a
`Source`::

    [project.entry-points."aen.data_sets"]
    cells = "my_package.cells:CELLS"
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aen._plugins import load_plugin, load_plugins, plugin_names
from aen.data.benchmarks import ALIASES, BENCHMARK_NAMES, BENCHMARKS, resolve
from aen.data.find import Found, check_pin, find_npz, is_npz, locate
from aen.data.npz import look_into_npz, read_npz
from aen.data.own.paths import is_own
from aen.data.own.prepare import own_source
from aen.data.own.rules import Rules
from aen.data.sets import SOURCES
from aen.data.source import SKIP_MISSING, Source
from aen.errors import DataError, PluginError, did_you_mean
from aen.groups.grid import shape_of

if TYPE_CHECKING:
    from aen.data.pool import Pool

PLUGIN_GROUP = "aen.data_sets"
# A data set's name, and perhaps the beginning of the checksum of the images that are there.
_SKIPPING = re.compile(rf"(?P<name>[^:]+){SKIP_MISSING}(?:@(?P<pin>[0-9a-f]{{16}}))?")
SKIPPING_NAMES = tuple(f"{name}{SKIP_MISSING}" for name, source in SOURCES.items() if source.skip_missing)


def find_source(name: str, rules: Rules | None = None) -> Source:
    """Return the source of a data set.

    Args:
        name: one of `SOURCES` or of `SKIPPING_NAMES`, a benchmark such as ``gmnist-multi-3``, the name under which
            another package has registered one, or the path of own data. Only the last is opened.
        rules: how the images of own data are imported (`DataSpec.rules`); None: as `Rules()`, but npz files are read
            as they are, for a random split: their labels and the shape of their images.

    Raises:
        DataError: no data set of this name, a plug-in that cannot be loaded, or own data that cannot be used.
    """
    if is_npz(name) and rules is None:
        return _npz_source(name)
    if is_own(name):
        return own_source(name, rules or Rules())
    name = resolve(name)[0]
    skipped = skipping(name)
    source = _registered(skipped[0] if skipped else name)
    if source is not None and skipped is None:
        return source
    if source is not None and skipped is not None and source.skip_missing is not None:
        return source.skip_missing(skipped[1])
    plugins = plugin_names(PLUGIN_GROUP, built_in=_built_in())
    names = [*SOURCES, *ALIASES, *SKIPPING_NAMES, *(BENCHMARK_NAMES if name.startswith("g") else BENCHMARKS), *plugins]
    here = f" There is a path {name!r} here; to use it, write './{name}'." if Path(name).exists() else ""
    raise DataError(f"unknown data set {name!r}{did_you_mean(name, names)}.{here}")


def is_known(name: str) -> bool:
    """Say whether a name is that of a data set, built in or of another package, and not of a path alone."""
    return name in _built_in() or skipping(name) is not None or _registered(name) is not None


def all_sources() -> tuple[dict[str, Source], dict[str, DataError]]:
    """Return all data sets that have a name, those of other packages last, and the errors of unusable plug-ins."""
    loaded, failed = load_plugins(PLUGIN_GROUP, built_in=_built_in())
    sources = dict(SOURCES)
    broken = {name: DataError(str(error)) for name, error in failed.items()}
    for name, found in loaded.items():
        try:
            sources[name] = _checked(name, found)
        except DataError as error:
            broken[name] = error
    return sources, broken


def skipping(name: str) -> tuple[str, str | None] | None:
    """Return the data set and the pin of a name such as ``isic:skip-missing``; None for other names."""
    match = _SKIPPING.fullmatch(name)
    return (match["name"], match["pin"]) if match else None


def owner_of(name: str) -> tuple[str, Source]:
    """Return the data set whose files one needs: another one if it is made from it, otherwise itself.

    Raises:
        DataError: as for `find_source`.
    """
    source = find_source(name)
    if source.made_from is not None:
        return source.made_from, find_source(source.made_from)
    return (name if is_own(name) else resolve(name)[0]), source


def find_files(name: str) -> Found | None:
    """Return where the files of a data set are, or None if they are nowhere or it needs none."""
    return locate(owner_of(name)[1].layouts)


def _built_in() -> set[str]:
    return {*SOURCES, *ALIASES, *BENCHMARKS, *BENCHMARK_NAMES, *SKIPPING_NAMES}


def _registered(name: str) -> Source | None:
    """Return a built-in data set or that of another package, or None if there is none of this name."""
    if name in SOURCES:
        return SOURCES[name]
    if name in _built_in():
        return None
    try:
        found = load_plugin(PLUGIN_GROUP, name)
    except PluginError as error:
        raise DataError(f"data set {name!r} cannot be used: {error}") from error
    return None if found is None else _checked(name, found)


def _checked(name: str, found: object) -> Source:
    if not isinstance(found, Source):
        raise DataError(
            f"data set {name!r} cannot be used: its entry point in {PLUGIN_GROUP} is a {type(found).__name__}, not an "
            "aen.data.Source."
        )

    def load() -> "Pool":
        from aen.data.pool import check_pool  # it imports torch, which takes seconds

        pool = found.load()
        grid = shape_of(found.side)
        check_pool(pool, name=name, grid=grid, channels=found.channels, classes=found.classes)
        return pool

    return replace(found, load=load)


def _npz_source(name: str) -> Source:
    shape = look_into_npz(find_npz(name))

    def load() -> "Pool":
        from aen.data.pool import pool_of  # it imports torch, which takes seconds

        check_pin(name)
        parts = read_npz(find_npz(name))
        return pool_of(parts, side=shape.side, channels=shape.channels, classes=shape.classes)

    return Source(load, shape.side, shape.classes, shape.channels, shape.images)
