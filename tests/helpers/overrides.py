"""Overrides for searches: others in place of given ones, since a key may be given once."""

from collections.abc import Sequence


def changed(given: Sequence[str], *new: str) -> list[str]:
    """Return the overrides with new ones in place of those of the same keys."""
    keys = {override.partition("=")[0] for override in new}
    return [*(override for override in given if override.partition("=")[0] not in keys), *new]
