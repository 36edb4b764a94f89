"""EMNIST: handwritten letters and digits, in four splits that come in one archive."""

import functools

from aen.data.sets.idx import idx_files, read_idx_parts
from aen.data.source import Download, Recipe, Source, file_source, layouts_in

_MIRRORS = ("https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/")
_ARCHIVE_MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"


def _emnist(split: str, classes: int, images: tuple[int, int], *, first_label: int = 0) -> Source:
    files = idx_files(f"emnist-{split}-train", f"emnist-{split}-test")
    unpack = tuple((f"gzip/{file}.gz", f"EMNIST/raw/{file}.gz") for file in files)
    read = functools.partial(read_idx_parts, transposed=True, first_label=first_label)
    return file_source(
        f"emnist-{split}",
        layouts_in(["EMNIST/raw", "EMNIST/raw/gzip", "EMNIST", "emnist", "."], files, read),
        side=28,
        classes=classes,
        images=images,
        recipe=Recipe(_MIRRORS, (Download("gzip.zip", "EMNIST/raw/gzip.zip", _ARCHIVE_MD5, unpack),)),
    )


SOURCES = {
    "emnist-balanced": _emnist("balanced", 47, (112_800, 18_800)),
    "emnist-letters": _emnist("letters", 26, (124_800, 20_800), first_label=1),
    "emnist-digits": _emnist("digits", 10, (240_000, 40_000)),
    "emnist-mnist": _emnist("mnist", 10, (60_000, 10_000)),
}
