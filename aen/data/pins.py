"""Pinned names: names of data sets with a checksum of their content, for use in keys."""

from aen.data.find import is_npz, pinned_npz, require
from aen.data.own.paths import is_own
from aen.data.own.rules import Rules
from aen.data.registry import find_source, owner_of, skipping


def pinned(name: str, rules: Rules | None = None) -> str:
    """Return the name of a data set whose content may differ from one machine to another, with a checksum appended.

    These are own data, and data sets without the images that are missing; any other name is returned as it is. So
    results of other content under the same name are not taken for this one's.

    Args:
        name: of the data set.
        rules: of the import of own data (`DataSpec.rules`); see `aen.data.find_source`.

    Raises:
        DataError: no such data set, or it is not there.
    """
    if is_own(name) and not (is_npz(name) and rules is None):
        return find_source(name, rules).pinned  # raises if another content is pinned
    skipped = skipping(name)
    if skipped is None or skipped[1] is not None:
        return pinned_npz(name)
    basis, owner = owner_of(name)
    found = require(basis, owner.layouts, owner.how_to_get)
    return name if owner.pin is None else f"{name}@{owner.pin(found.paths)}"
