"""IDX files, as those of MNIST: a file of images and one of labels, perhaps of a training and a test part."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aen.data.files import read_file
from aen.data.own.found import TEST, TRAIN, VALIDATION, Content, Scan, part_of
from aen.data.own.npz import as_images, check_lengths
from aen.data.scale import scale_mismatch
from aen.data.sets.idx import read_idx
from aen.errors import DataError

_NAME = re.compile(
    r"(?P<start>.*?)(?P<what>images|labels)(?P<mark>[-.]idx)\d(?P<end>[-.]ubyte)(?P<gz>\.gz)?", re.IGNORECASE
)

_BYTES = "unsigned bytes"
_TYPES = {
    8: _BYTES,
    9: "signed bytes",
    11: "whole numbers of 16 bits",
    12: "whole numbers of 32 bits",
    13: "floating-point numbers of 32 bits",
    14: "floating-point numbers of 64 bits",
}


def is_idx(path: Path) -> bool:
    """Return whether a file's name is that of IDX images or labels, such as ``train-images-idx3-ubyte.gz``."""
    return _NAME.fullmatch(path.name) is not None


def scan_idx(root: Path, names: list[str]) -> Scan:
    """Find the pairs of images and labels to which some IDX files belong.

    Raises:
        DataError: the other file of a pair is not there, or several pairs are of one part.
    """
    starts: dict[str, tuple[str, str]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match is not None:
            starts.setdefault(match["start"], (_beside(root, name, "images"), _beside(root, name, "labels")))
    parts: dict[int, tuple[str, str]] = {}
    for start, pair in starts.items():
        word = start.strip("-_.").lower()
        part = TEST if word.startswith("t10k") else part_of(word)
        if part is None and len(starts) > 1:
            raise DataError(
                f"{root} has IDX files of {', '.join(map(repr, starts))}; name them train-... and t10k-...."
            )
        if part in parts:
            raise DataError(f"{root} has two IDX pairs of one part: {parts[part][0]} and {pair[0]}; keep one.")
        parts[TRAIN if part is None else part] = pair
    ordered = [(part, *parts[part]) for part in (TRAIN, VALIDATION, TEST) if part in parts]
    files = tuple(name for _, *pair in ordered for name in pair)
    return Scan("IDX files", root, files, lambda: _load(root, ordered))


def _beside(root: Path, name: str, what: str) -> str:
    """Return the name of the file of images or labels that belongs to a file."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise TypeError(name)
    if match["what"].lower() == what:
        return name
    dimensions = 3 if what == "images" else 1
    base = f"{match['start']}{what}{match['mark']}{dimensions}{match['end']}"
    for spelling in (f"{base}{match['gz'] or ''}", base, f"{base}.gz"):
        if (root / spelling).is_file():
            return spelling
    raise DataError(f"{root / name} needs the file of its {what} beside it, {base}; put it there.")


def _load(root: Path, ordered: list[tuple[int, str, str]]) -> Content:
    images, labels, parts = [], [], []
    for part, images_name, labels_name in ordered:
        for name in (images_name, labels_name):
            _check_twin(root, name)
        found, _ = as_images(_read(root / images_name, 3), str(root / images_name))
        own = _read(root / labels_name, 1).astype(np.int64)
        check_lengths(found, own, str(root / images_name), labels_name)
        images.append(found)
        labels.append(own)
        parts.append(np.full(len(own), part, np.uint8))
    if len({found.shape[1:] for found in images}) > 1:
        raise DataError(f"{root}: the images of its parts differ in size; give them one.")
    mismatch = scale_mismatch(list(zip((name for _, name, _ in ordered), images, strict=True)))
    if mismatch is not None:
        raise DataError(f"{root}: {mismatch}. Give all parts one scale, such as 0 to 255.")
    return Content(np.concatenate(labels), images=np.concatenate(images), parts=np.concatenate(parts))


def _check_twin(root: Path, name: str) -> None:
    """Check that a file that is there both packed and not, as torchvision leaves them, is the same in both forms."""
    twin = name[: -len(".gz")] if name.lower().endswith(".gz") else f"{name}.gz"
    if (root / twin).is_file() and read_file(root / twin) != read_file(root / name):
        raise DataError(f"{root} has both {name} and {twin}, and they differ; keep one of them.")


def _read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file, as `read_idx`; one of other numbers or dimensions is not called damaged."""
    try:
        return read_idx(path, dimensions)
    except DataError:
        head = read_file(path)[:4]
        kind, found = (head[2], head[3]) if len(head) == 4 and not any(head[:2]) else (0, 0)  # noqa: PLR2004
        if kind not in _TYPES or not found or (_TYPES[kind], found) == (_BYTES, dimensions):
            raise
        raise DataError(
            f"{path} holds {_TYPES[kind]} in {found} dimensions, and {_BYTES} in {dimensions} are read; convert it, or "
            "save images and labels in an npz file."
        ) from None
