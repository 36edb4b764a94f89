"""Brings own images to one size and type by the rules, and leaves out, or refuses, those that cannot be used."""

import hashlib
import mmap
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.files import MAX_BYTES
from aen.data.own.decode import CROPPED, NOTES, RESIZED, BrokenImageError, decode, look, quiet_pillow
from aen.data.own.found import Content
from aen.data.own.rules import MAX_PIXELS, SKIP_BROKEN, Rules
from aen.errors import DataError

_THREADS = 2
# Images that a thread takes at once.
_CHUNK = 64
_SHOWN = 3
# Files are read twice, for their size and to be decoded; so much of them is kept in between.
_KEPT_BYTES = 128 * 2**20
# Sides of shrunk images are multiples of it, so that halves and quarters of them exist.
_STEP = 4


@dataclass(frozen=True, eq=False)
class Assembled:
    """Images of one size and type.

    Attributes:
        images: shape ``[n, channels, rows, columns]``, uint8 or float32.
        kept: which images of the content they are.
        checksum: of the content of all files; empty if there are none.
        notices: what was done.
    """

    images: npt.NDArray[Any]
    kept: npt.NDArray[np.int64]
    checksum: str
    notices: tuple[str, ...]


def assemble(content: Content, rules: Rules, where: str) -> Assembled:
    """Return the images of own data.

    Raises:
        DataError: images that cannot be read, files in two classes, or too much for the memory.
    """
    with quiet_pillow():
        return _Files(content, rules, where).assemble()


class _Files:
    """The images of files, read twice: for their sizes, and to be decoded to one of them."""

    def __init__(self, content: Content, rules: Rules, where: str) -> None:
        self.content, self.rules, self.where = content, rules, where
        self.broken: dict[int, str] = {}
        self.digests: list[bytes] = [b""] * len(content.names)
        self.kept = _KeptContents(_KEPT_BYTES)

    def assemble(self) -> Assembled:
        n = len(self.content.names)
        looked = list(self._over(range(n), self._look))
        fine = [found for found in looked if found is not None]
        if not fine:
            self._refuse_broken()
            raise DataError(f"{self.where}: none of its {n:,} images can be read; {self._shown()}.")
        size, notices = choose_size([found[:2] for found in fine], self.rules)
        wanted = self.rules.channels
        colour = wanted == "colour" or (wanted is None and not all(found[2] for found in fine))
        deep = any(found[3] for found in fine)
        shape = (n, 3 if colour else 1, *size)
        bytes_needed = prod(shape) * (4 if deep else 1)
        if bytes_needed > MAX_BYTES:
            raise DataError(
                f"{self.where}: {n:,} images of {size[0]}x{size[1]} need {bytes_needed / 2**30:.1f} GiB, more than "
                f"{MAX_BYTES / 2**30:.0f}; choose a smaller size (data.size)."
            )
        images = np.zeros(shape, np.float32 if deep else np.uint8)
        notes: Counter[str] = Counter()
        places = [place for place in range(n) if place not in self.broken]
        for place, said in zip(
            places, self._over(places, lambda i: self._decode(i, images, size, colour)), strict=True
        ):
            del place
            notes.update(said or ())
        self.kept.close()
        self._refuse_broken()
        twice = self._in_two_classes()
        kept = np.array([place for place in range(n) if place not in self.broken and place not in twice])
        if not len(kept):
            raise DataError(f"{self.where}: no image is left of {n:,}; {self._shown()}.")
        if len(kept) < n:
            images = images[kept]
        if self.broken:
            notices.append(f"{len(self.broken):,} images that cannot be read are left out: {self._shown()}")
        if twice:
            notices.append(f"{len(twice):,} files that lie in two classes are left out")
        if colour and wanted is None and _is_grey(images):
            images = np.ascontiguousarray(images[:, :1])
        notices += [f"{notes[note]:,} images {text}" for note, text in NOTES.items() if notes[note]]
        text = hashlib.sha256()
        for name, digest in zip(self.content.names, self.digests, strict=True):
            text.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest)
        return Assembled(images, kept, text.hexdigest(), tuple(notices))

    def _over(self, places: Sequence[int], work: Any) -> Iterator[Any]:  # noqa: ANN401 - a function
        """Yield the results of a function of the images, in order; a few threads, whose decoders release the lock."""

        def several(start: int) -> list[Any]:
            return [work(place) for place in places[start : start + _CHUNK]]

        with ThreadPoolExecutor(_THREADS) as pool:
            for found in pool.map(several, range(0, len(places), _CHUNK)):
                yield from found

    def _look(self, place: int) -> tuple[int, int, bool, bool] | None:
        try:
            content = self._read(place)
            found = look(content)
        except BrokenImageError as error:
            self.broken[place] = str(error)
            return None
        self.kept.put(place, content)
        return found

    def _decode(self, place: int, images: npt.NDArray[Any], size: tuple[int, int], colour: bool) -> set[str] | None:
        content = self.kept.get(place) or self._read(place)
        self.digests[place] = hashlib.sha256(content).digest()
        try:
            image, notes = decode(content, size, colour=colour)
        except BrokenImageError as error:
            self.broken[place] = str(error)
            return None
        images[place] = image.transpose(2, 0, 1) if image.ndim == 3 else image  # noqa: PLR2004 - with channels
        return notes

    def _read(self, place: int) -> bytes:
        if self.content.read is None:
            raise TypeError("content without files")
        try:
            return self.content.read(place)
        except DataError as error:
            raise BrokenImageError(str(error).rstrip(".")) from error

    def _shown(self) -> str:
        first = sorted(self.broken)[:_SHOWN]
        more = f" and {len(self.broken) - _SHOWN:,} more" if len(self.broken) > _SHOWN else ""
        return ", ".join(f"{self.content.names[place]} ({self.broken[place]})" for place in first) + more

    def _refuse_broken(self) -> None:
        if self.broken and not self.rules.skip_broken:
            one = len(self.broken) == 1
            raise DataError(
                f"{self.where}: {len(self.broken):,} of {len(self.content.names):,} images cannot be read: "
                f"{self._shown()}; repair or remove {'it' if one else 'them'}, or leave {'it' if one else 'them'} out "
                f"with {SKIP_BROKEN}."
            )

    def _in_two_classes(self) -> set[int]:
        """Return the files of the same content with different labels, if they may be left out."""
        first: dict[bytes, int] = {}
        pairs: dict[int, int] = {}
        labels = self.content.labels
        different = {}
        for place, digest in enumerate(self.digests):
            if place in self.broken:
                continue
            other = first.setdefault(digest, place)
            if labels[other] != labels[place]:
                pairs.setdefault(other, place)
                different[digest] = True
        if not pairs:
            return set()
        if not self.rules.skip_broken:
            names = self.content.names
            one, other = next(iter(pairs.items()))
            more = f" and {len(pairs) - 1:,} more such pairs" if len(pairs) > 1 else ""
            raise DataError(
                f"{self.where}: {names[one]} and {names[other]} are the same file in two classes ({labels[one]}, "
                f"{labels[other]}){more}; keep one of them, or leave both out with {SKIP_BROKEN}."
            )
        return {place for place, digest in enumerate(self.digests) if digest in different}


class _KeptContents:
    """Contents of files by number, up to a total size, in memory of its own that `close` gives back to the system."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)
        self._places: dict[int, slice] = {}
        self._end = 0
        self._lock = threading.Lock()

    def put(self, number: int, content: bytes) -> None:
        """Keep a content if there is room; also called by several threads."""
        with self._lock:
            start, end = self._end, self._end + len(content)
            if end > len(self._memory):
                return
            self._end = end
        self._memory[start:end] = content
        self._places[number] = slice(start, end)

    def get(self, number: int) -> bytes | None:
        """Return a content, or None if it is not kept."""
        place = self._places.get(number)
        return None if place is None else self._memory[place]

    def close(self) -> None:
        """Give the memory back; nothing is kept any more."""
        self._places.clear()
        self._memory.close()


def choose_size(sizes: Sequence[tuple[int, int]], rules: Rules) -> tuple[tuple[int, int], list[str]]:
    """Return rows and columns of all images, and what there is to say about it."""
    if rules.size is not None:
        size = (rules.size, rules.size) if isinstance(rules.size, int) else rules.size
        return size, [f"images are resized to {size[0]}x{size[1]} (data.size)"] if {*sizes} != {size} else []
    counts = Counter(sizes)
    (common, often), *others = counts.most_common()
    size, why = common, ""
    if others:
        if often * 2 >= len(sizes):
            why = f"images have {len(counts):,} sizes; the most frequent is {common[0]}x{common[1]}"
        else:
            size = tuple(int(np.median(side)) for side in zip(*sizes, strict=True))  # type: ignore[assignment]
            why = f"images have {len(counts):,} sizes; the median is {size[0]}x{size[1]}"
    if prod(size) > MAX_PIXELS:
        shrunk = _shrunk(size)
        why = (why or f"images are {size[0]}x{size[1]}") + (
            f", which is resized to {shrunk[0]}x{shrunk[1]}: at most {MAX_PIXELS:,} pixels unless data.size is given"
        )
        size = shrunk
    return size, [why] if why else []


def _shrunk(size: tuple[int, int]) -> tuple[int, int]:
    factor = sqrt(MAX_PIXELS / prod(size))
    rows, columns = (max(_STEP, int(side * factor) // _STEP * _STEP) for side in size)
    return rows, columns


def _is_grey(images: npt.NDArray[Any]) -> bool:
    return all(bool((image[0] == image[1]).all() and (image[0] == image[2]).all()) for image in images)


__all__ = ["CROPPED", "RESIZED", "Assembled", "assemble", "choose_size"]
