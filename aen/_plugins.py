"""Plug-ins: what other packages register by entry points."""

from importlib.metadata import EntryPoint, entry_points

from aen.errors import AenError


class PluginError(AenError):
    """A plug-in that cannot be used."""


def plugin_names(group: str) -> list[str]:
    """Return the names of the plug-ins of an entry-point group."""
    return sorted({point.name for point in entry_points(group=group)})


def load_plugin(group: str, name: str) -> object | None:
    """Return what a plug-in's entry point names; None: there is no such plug-in.

    Raises:
        PluginError: it cannot be imported.
    """
    found: list[EntryPoint] = list(entry_points(group=group, name=name))
    if not found:
        return None
    try:
        return found[0].load()  # type: ignore[no-any-return]
    except Exception as error:
        raise PluginError(
            f"entry point {name!r} ({found[0].value}) of group {group} cannot be loaded: {error}"
        ) from error
