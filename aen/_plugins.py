"""Plug-ins: objects that other installed packages register by entry points.

A package registers one in its ``pyproject.toml``::

    [project.entry-points."aen.data_sets"]
    cells = "my_package.cells:CELLS"

The metadata of the installed packages is read on the first call of a function of this module, not on import, and a
plug-in is imported only when it is asked for.
"""

import sys
from collections.abc import Collection
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions

from aen.errors import PluginError


def plugin_names(group: str, *, built_in: Collection[str] = ()) -> list[str]:
    """Return the names registered in a group, sorted, whether or not they can be loaded.

    Args:
        group: an entry-point group, such as ``aen.data_sets``.
        built_in: names that aen itself defines; a plug-in of such a name is left out (see `load_plugins`).
    """
    return sorted(set(_registered(group, tuple(sys.path))) - set(built_in))


def load_plugin(group: str, name: str) -> object | None:
    """Return the object registered under a name, or None if no package registers that name.

    Raises:
        PluginError: it cannot be imported, or two packages register different objects under this name.
    """
    entries = _registered(group, tuple(sys.path)).get(name, [])
    if not entries:
        return None
    if len({entry.value for entry in entries}) > 1:
        packages = " and ".join(sorted(f"{_package(entry)} ({entry.value})" for entry in entries))
        raise PluginError(f"{name!r} is registered in {group} more than once, by {packages}; uninstall all but one.")
    (entry, *_) = entries
    try:
        loaded: object = entry.load()
    except (Exception, SystemExit) as error:  # importing a module can fail in any way
        raise PluginError(
            f"{_described(entry)} cannot be loaded ({type(error).__name__}: {error}); repair or uninstall "
            f"{_package(entry)}."
        ) from error
    return loaded


def load_plugins(group: str, *, built_in: Collection[str] = ()) -> tuple[dict[str, object], dict[str, PluginError]]:
    """Load all plug-ins of a group; one that fails does not affect the others.

    Args:
        group: an entry-point group.
        built_in: names that aen itself defines and that a plug-in must not use.

    Returns:
        The loaded objects by name, and by name the error of each plug-in that cannot be used.
    """
    found: dict[str, object] = {}
    broken: dict[str, PluginError] = {}
    for name, entries in sorted(_registered(group, tuple(sys.path)).items()):
        if name in built_in:
            broken[name] = PluginError(
                f"{_described(entries[0])} uses a name that is built into aen and is ignored; rename it in "
                f"{_package(entries[0])}."
            )
            continue
        try:
            found[name] = load_plugin(group, name)
        except PluginError as error:
            broken[name] = error
    return found, broken


@lru_cache(maxsize=16)
def _registered(group: str, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name; `path` is ``sys.path``, so that a change of it is noticed."""
    found: dict[str, list[EntryPoint]] = {}
    packages: set[str] = set()
    for distribution in distributions(path=list(path)):
        entries = _entries(distribution, group)
        if not entries:
            continue
        package = _package(entries[0]).lower().replace("_", "-")
        if package in packages:  # as in imports, the first on the path hides later copies
            continue
        packages.add(package)
        for entry in entries:
            found.setdefault(entry.name, []).append(entry)
    return found


def _entries(distribution: Distribution, group: str) -> list[EntryPoint]:
    try:
        return list(distribution.entry_points.select(group=group))
    except Exception:  # noqa: BLE001 - damaged metadata of one package must not hide those of the others
        return []


def _package(entry: EntryPoint) -> str:
    name = entry.dist.name if entry.dist is not None else None
    return name or "an unknown package"


def _described(entry: EntryPoint) -> str:
    return f"the entry point '{entry.name} = {entry.value}' of the package {_package(entry)} (group {entry.group})"
