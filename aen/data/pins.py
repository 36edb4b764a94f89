"""Pinned names: names of data sets with a checksum of their content, for use in keys."""

from aen.data.find import pinned_npz, require
from aen.data.registry import owner_of, skipping


def pinned(name: str) -> str:
    """Return the name of a data set whose content may differ from one machine to another, with a checksum appended.

    These are npz files, and data sets without the images that are missing; any other name is returned as it is. So
    results of other content under the same name are not taken for this one's.

    Raises:
        DataError: no such data set, or it is not there.
    """
    skipped = skipping(name)
    if skipped is None or skipped[1] is not None:
        return pinned_npz(name)
    basis, owner = owner_of(name)
    found = require(basis, owner.layouts, owner.how_to_get)
    return name if owner.pin is None else f"{name}@{owner.pin(found.paths)}"
