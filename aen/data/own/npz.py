"""Own arrays: npz files of images or signals, with labels, and perhaps groups, class names and parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aen.data.npz import OpenNpz
from aen.data.own.found import TEST, TRAIN, VALIDATION, Content, Scan, numbered_groups, part_of
from aen.data.own.labels import decoded
from aen.data.scale import scale_mismatch
from aen.errors import DataError

NPZ_FILE = "npz file"  # the kind of scan
_PARTS = {"train": TRAIN, "validation": VALIDATION, "val": VALIDATION, "test": TEST}
_MAX_CHANNELS = 4
_OPTIONAL = ("groups", "parts", "class_names")
_LARGEST = np.iinfo(np.int64).max


def scan_npz(path: Path) -> Scan:
    """Find the arrays of an npz file: ``images, labels``, or ``train_images, train_labels, test_images, ...``."""
    return Scan(NPZ_FILE, path.parent, (path.name,), lambda: _load(path))


def _load(path: Path) -> Content:
    with OpenNpz(path) as file:
        names = file.names()
        wanted = [name for name in names if name in _OPTIONAL]
        prefixes = [prefix for prefix in _PARTS if f"{prefix}_images" in names]
        pairs = [(f"{p}_images", f"{p}_labels") for p in prefixes] or [("images", "labels")]
        missing = [name for pair in pairs for name in pair if name not in names]
        if missing or (prefixes and "train" not in prefixes):
            held = ", ".join(sorted(names)) or "nothing"
            raise DataError(
                f"{path} holds {held}; it needs the arrays images and labels, or train_images, train_labels, "
                "test_images and test_labels (and perhaps validation_images and validation_labels)."
            )
        arrays = {name: file.array(name) for name in [*(n for pair in pairs for n in pair), *wanted]}
    if not prefixes:
        return content_of(arrays["images"], arrays["labels"], str(path), **{n: arrays[n] for n in wanted})
    pieces = [(images, as_images(arrays[images], f"{path}: {images}")) for images, _ in pairs]
    shapes = {piece.shape[1:] for _, (piece, _) in pieces}
    if len(shapes) > 1:
        said = ", ".join(f"{name} {list(arrays[name].shape)}" for name, _ in pairs)
        raise DataError(f"{path}: the parts differ in shape ({said}); give all images one shape.")
    mismatch = scale_mismatch([(name, piece) for name, (piece, _) in pieces])
    if mismatch is not None:
        raise DataError(f"{path}: {mismatch}. Give all parts one type and one scale, such as uint8 from 0 to 255.")
    for (images, labels), (_, (piece, _)) in zip(pairs, pieces, strict=True):
        check_lengths(piece, arrays[labels], f"{path}: {images}", labels)
    sizes = [len(piece) for _, (piece, _) in pieces]
    return Content(
        labels=_joined([decoded(arrays[labels], f"{path}: {labels}") for _, labels in pairs]),
        images=np.concatenate([piece for _, (piece, _) in pieces]),
        parts=np.repeat([_PARTS[prefix] for prefix in prefixes], sizes).astype(np.uint8),
        groups=_groups(arrays.get("groups"), sum(sizes), str(path)),
        class_names=_names(arrays.get("class_names"), str(path)),
        signals=pieces[0][1][1],
    )


def content_of(
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    where: str,
    *,
    groups: npt.NDArray[Any] | None = None,
    parts: npt.NDArray[Any] | None = None,
    class_names: npt.NDArray[Any] | None = None,
) -> Content:
    """Return the content of arrays.

    Raises:
        DataError: arrays of other kinds, or that do not fit together.
    """
    found, signals = as_images(images, f"{where}: images")
    check_lengths(found, labels, f"{where}: images", "labels")
    return Content(
        labels=labels,
        images=found,
        parts=_part_numbers(parts, len(found), where),
        groups=_groups(groups, len(found), where),
        class_names=_names(class_names, where),
        signals=signals,
    )


def _cast(array: npt.NDArray[Any]) -> str:
    """Return how whole numbers become one of the types that are taken without a loss; nothing if they do not."""
    if array.dtype.kind not in "iub" or not array.size:
        return ""
    low, high = int(array.min()), int(array.max())
    fitting = next((name for name in ("uint8", "uint16") if low >= 0 and high <= np.iinfo(name).max), "float32")
    return f", here {low:,} to {high:,}: images.astype({fitting!r})"


def _as_float32(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.float32]:
    """Return numbers as float32.

    Raises:
        DataError: finite ones are too large for it, or all are so small that nothing is left of them.
    """
    with np.errstate(over="ignore", under="ignore"):
        found = array.astype(np.float32)
    largest = float(max(array.max(initial=0), -array.min(initial=0)))
    if np.isfinite(largest) and (not np.isfinite(found).all() or (largest > 0 and not found.any())):
        raise DataError(
            f"{where} has numbers up to {largest:.3g} (in absolute value), outside of what float32 holds; give them in "
            "another unit, such as images / np.abs(images).max()."
        )
    return found


def as_images(array: npt.NDArray[Any], where: str) -> tuple[npt.NDArray[Any], bool]:
    """Return images as ``[n, channels, rows, columns]``, uint8 or float32, and whether they are signals.

    ``[n, length]`` and floating-point ``[n, channels, length]`` with a length of at least four times the channels are
    signals, of shape ``[n, 1, channels, length]``; ``[n, rows, columns]`` and ``[n, rows, columns, channels]`` images.

    Raises:
        DataError: another shape or type, no images, or pixels that are no numbers.
    """
    shape, kind = list(array.shape), array.dtype.kind
    if array.dtype == np.uint16:  # as image files of 16 bits
        array = (array / 257).astype(np.float32)
    if array.dtype != np.uint8:
        if array.dtype.kind != "f":
            raise DataError(
                f"{where} is of {array.dtype}; give uint8 (0 to 255), uint16 or floating point{_cast(array)}."
            )
        array = _as_float32(array, where)
    signals = array.ndim == 2 or (array.ndim == 3 and kind == "f" and 4 * shape[1] <= shape[2])  # noqa: PLR2004
    if array.ndim == 2 and len(array):  # noqa: PLR2004
        found = array[:, None, None]
    elif array.ndim == 3 and len(array):  # noqa: PLR2004
        found = array[:, None]
    elif array.ndim == 4 and len(array) and 1 <= shape[3] <= _MAX_CHANNELS:  # noqa: PLR2004
        found = np.moveaxis(array, 3, 1)
    else:
        first = array.ndim == 4 and 1 <= shape[1] <= _MAX_CHANNELS  # noqa: PLR2004
        raise DataError(
            f"{where} has the shape {shape}; give images as [n, rows, columns] or [n, rows, columns, channels]"
            f"{' (with the channels last)' if first else ''}, or signals as [n, length] or [n, channels, length]."
        )
    if 0 in found.shape:
        raise DataError(f"{where} has the shape {shape}, which holds no pixels; give images.")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        bad = int(np.argmin(np.isfinite(found).all(axis=(1, 2, 3))))
        raise DataError(
            f"{where}: image {bad} has a pixel that is NaN or infinite; repair the image or leave it out, then write "
            "the file again."
        )
    return found, signals


def check_lengths(images: npt.NDArray[Any], labels: npt.NDArray[Any], images_name: str, labels_name: str) -> None:
    """Check that there is a label for each image.

    Raises:
        DataError: there is not.
    """
    if labels.ndim == 0 or len(images) != len(labels):
        held = "no row" if labels.ndim == 0 else f"{len(labels):,} labels"
        raise DataError(f"{images_name} has {len(images):,} images, but {labels_name} has {held}; give one for each.")


def _joined(pieces: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the labels of all parts, as whole numbers where they are that in each part."""
    wrong = next((piece for piece in pieces if piece.ndim != 1 or piece.dtype.kind == "f"), None)
    if wrong is not None:
        return wrong  # which is refused with its shape or type
    kinds = {piece.dtype.kind for piece in pieces}
    if kinds <= set("iub") and len(kinds) > 1 and all(int(piece.max(initial=0)) <= _LARGEST for piece in pieces):
        pieces = [piece.astype(np.int64) for piece in pieces]  # NumPy itself would join uint64 and int64 as floats
    elif len(kinds) > 1:
        pieces = [piece.astype(str) for piece in pieces]
    return np.concatenate(pieces)


def _groups(values: npt.NDArray[Any] | None, n: int, where: str) -> npt.NDArray[np.int64] | None:
    if values is None:
        return None
    if values.shape != (n,) or values.dtype.kind not in "uiSU":
        raise DataError(
            f"{where}: groups has the shape {list(values.shape)} of {values.dtype}; give [{n}] whole numbers or texts."
        )
    return numbered_groups(values.tolist())


def _part_numbers(values: npt.NDArray[Any] | None, n: int, where: str) -> npt.NDArray[np.uint8] | None:
    if values is None:
        return None
    texts = decoded(values, f"{where}: parts").tolist() if values.shape == (n,) else []
    found = [part_of(str(text)) for text in texts]
    if len(found) != n or None in found:
        raise DataError(f"{where}: parts must be [{n}] texts, each train, validation or test.")
    return np.array(found, np.uint8)


def _names(values: npt.NDArray[Any] | None, where: str) -> tuple[str, ...]:
    if values is None:
        return ()
    return tuple(map(str, decoded(values, f"{where}: class_names").reshape(-1).tolist()))


def checked_arrays(arrays: Mapping[str, object]) -> dict[str, npt.NDArray[Any]]:
    """Return arguments as arrays, without None.

    Raises:
        DataError: one cannot be an array of numbers or text.
    """
    found = {}
    for name, value in arrays.items():
        if value is None:
            continue
        try:
            array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{name} cannot be made an array ({error}); give an array, one row for each image."
            ) from error
        if array.dtype.kind == "O" and array.size and all(isinstance(one, str) for one in array.flat):
            array = array.astype(str)
        if array.dtype.kind not in "uifbUS":
            raise DataError(
                f"{name} is an array of {array.dtype}; give numbers{'' if name == 'images' else ' or text'}."
            )
        found[name] = array
    return found
