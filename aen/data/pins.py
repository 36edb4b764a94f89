"""Names that say what a data set of the user's own holds, not only where it is: they enter keys."""

from aen.data.find import pinned_npz, require
from aen.data.sets.isic import pin_of, skipping
from aen.data.sources import SOURCES, find_source, how_to_get


def pinned(name: str) -> str:
    """Return the name of a data set whose content may differ from one machine to another, with a checksum behind it.

    These are npz files, and data sets without the images that are missing; any other name is returned as it is. So
    results of other content under the same name are not taken for this one's.

    Raises:
        DataError: no such data set, or it is not there.
    """
    skipped = skipping(name)
    if skipped is None or skipped[1] is not None:
        return pinned_npz(name)
    basis = find_source(name).made_from or skipped[0]
    found = require(basis, SOURCES[basis].layouts, how_to_get(basis))
    return f"{name}@{pin_of(found.paths)}"
