"""Describes own data before anything is trained: sizes, classes, parts, and near-duplicates."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.data.files import whole_file
from aen.data.own.paths import find_own, is_own
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.data.own.split import Grouping, default_sizes
from aen.errors import DataError
from aen.groups.grid import as_grid, grid_text

_SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Description:
    """What is known of own data.

    Attributes:
        name: its path.
        kind: such as ``folder of class folders``.
        images: how many.
        grid: rows and columns.
        channels: 1 for grey, 3 for colour.
        dtype: ``uint8`` or ``float32``.
        signals: the images are signals.
        classes: how many images each class has, by name.
        divided: the parts that the data has itself.
        parts: the sizes of training, validation and test part that a search takes.
        near_duplicates: how many images have a near-duplicate.
        groups: how many groups there are that lie in one part.
        notices: what was done to the images, and what is unusual.
    """

    name: str
    kind: str
    images: int
    grid: str
    channels: int
    dtype: str
    signals: bool
    classes: dict[str, int]
    divided: tuple[str, ...]
    parts: dict[str, int]
    near_duplicates: int
    groups: int
    notices: tuple[str, ...]

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return asdict(self)


def describe(name: str, rules: Rules | None = None) -> Description:
    """Describe own data. Nothing is trained.

    Args:
        name: its path.
        rules: of the import.

    Raises:
        DataError: it is not there, or cannot be used.
    """
    prepared = prepare(name, rules or Rules())
    sizes = default_sizes(Grouping(prepared.labels, prepared.groups, prepared.parts, prepared.divided), 0)
    counts = np.bincount(prepared.labels, minlength=len(prepared.class_names)).tolist()
    return Description(
        name=name,
        kind=prepared.kind,
        images=len(prepared.labels),
        grid=grid_text(as_grid(prepared.images.shape[2:])),
        channels=prepared.images.shape[1],
        dtype=str(prepared.images.dtype),
        signals=prepared.signals,
        classes=dict(zip(prepared.class_names, counts, strict=True)),
        divided=prepared.divided,
        parts=dict(zip(("train", "validation", "test"), sizes, strict=True)),
        near_duplicates=prepared.near_duplicates,
        groups=len(np.unique(prepared.groups)),
        notices=prepared.notices,
    )


def samples(name: str, rules: Rules | None = None, *, each: int = 8, classes: int = 10) -> npt.NDArray[np.uint8]:
    """Return a picture with a row for each class, of its first images, shape ``[rows, columns, 3]``."""
    prepared = prepare(name, rules or Rules())
    channels, height, width = prepared.images.shape[1:]
    shown = min(classes, len(prepared.class_names))
    sheet = np.full((shown * (height + 1), each * (width + 1), 3), 255, np.uint8)
    for row in range(shown):
        for column, place in enumerate(np.flatnonzero(prepared.labels == row)[:each]):
            image = np.moveaxis(_as_bytes(prepared.images[place]), 0, 2)
            top, left = row * (height + 1), column * (width + 1)
            sheet[top : top + height, left : left + width] = image[..., : 3 if channels >= 3 else 1]  # noqa: PLR2004
    return sheet


def _as_bytes(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image.astype(np.uint8)
    values = image.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.rint((values - low) * (255 / max(high - low, 1e-9))), np.uint8)


def write_samples(path: Path, name: str, rules: Rules | None = None) -> None:
    """Write the picture of `samples` as a PNG file.

    Raises:
        DataError: it cannot be written.
    """
    from PIL import Image  # it takes a tenth of a second

    if path.suffix.lower() != ".png":
        raise DataError(f"{path} does not end in .png; give the name of a PNG file.")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file, but a folder, a pipe, a socket or a device; name another one.")
    root = find_own(name) if is_own(name) else None
    if root is not None and path.exists() and path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{path} is a file of the data; name another one.")
    with whole_file(path) as file:
        Image.fromarray(samples(name, rules)).save(file, "PNG")


def in_characters(name: str, rules: Rules | None = None, *, width: int = 16, images: int = 4) -> list[str]:
    """Return the first image of some classes as lines of characters, dark to light."""
    prepared = prepare(name, rules or Rules())
    blocks = []
    for label in range(min(images, len(prepared.class_names))):
        place = int(np.argmax(prepared.labels == label))
        grey = _as_bytes(prepared.images[place]).mean(axis=0)
        rows = np.linspace(0, grey.shape[0], max(1, width * grey.shape[0] // (2 * grey.shape[1])), endpoint=False)
        columns = np.linspace(0, grey.shape[1], width, endpoint=False)
        shades = (grey[rows.astype(int)][:, columns.astype(int)] * (len(_SHADES) - 1) / 255).round().astype(int)
        blocks.append(["".join(_SHADES[shade] for shade in row) for row in shades])
    return ["  ".join(lines) for lines in zip(*blocks, strict=True)]
