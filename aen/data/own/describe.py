"""Describes own data before anything is trained: sizes, classes, parts, near-duplicates, and what can be searched."""

import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from aen._typing import JsonDict
from aen.data.files import whole_file
from aen.data.own.prepare import prepare
from aen.data.own.rules import Rules
from aen.data.own.split import Grouping, default_sizes
from aen.errors import DataError, GroupError
from aen.groups.alphabet import Alphabet
from aen.groups.grid import cells_of, grid_text
from aen.groups.hidden_grids import hidden_grids

_EPOCHS = 30
# A training step takes about so many times the arithmetic of its matrix products; see docs/performance.md.
_OVERHEAD = 2.0
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
        fitting: the factors that fit the images.
        left_out: why the others do not.
        states: how many states the search of them has; None: of colour images, which G-CNNs are for.
        hidden: the hidden grids of dense children.
        seconds: about how long a child of 30 epochs takes on one core.
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
    fitting: tuple[str, ...]
    left_out: tuple[str, ...]
    states: int | None
    hidden: tuple[str, ...]
    seconds: float | None

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
    rows, columns = prepared.images.shape[2:]
    channels = prepared.images.shape[1]
    grid = rows if rows == columns else (rows, columns)
    sizes = default_sizes(Grouping(prepared.labels, prepared.groups, prepared.parts, prepared.divided), 0)
    fitting: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    states, seconds = None, None
    try:
        alphabet = Alphabet.of("signal" if prepared.signals else "quarter").fitting([grid])
        fitting, left_out = tuple(map(str, alphabet.factors)), alphabet.left_out
        if channels == 1:
            states = 2 ** len(fitting)
            grids = (grid, *hidden_grids(grid, alphabet))
            hidden = tuple(map(grid_text, grids[1:]))
            weights = sum(cells_of(one) * cells_of(other) for one, other in pairwise(grids))
            seconds = round(_OVERHEAD * 6 * weights * sizes[0] * _EPOCHS / _rate(), 1)
    except GroupError as error:
        left_out = (*left_out, str(error))
    counts = np.bincount(prepared.labels, minlength=len(prepared.class_names)).tolist()
    return Description(
        name=name,
        kind=prepared.kind,
        images=len(prepared.labels),
        grid=grid_text(grid),
        channels=channels,
        dtype=str(prepared.images.dtype),
        signals=prepared.signals,
        classes=dict(zip(prepared.class_names, counts, strict=True)),
        divided=prepared.divided,
        parts=dict(zip(("train", "validation", "test"), sizes, strict=True)),
        near_duplicates=prepared.near_duplicates,
        groups=len(np.unique(prepared.groups)),
        notices=prepared.notices,
        fitting=fitting,
        left_out=left_out,
        states=states,
        hidden=hidden,
        seconds=seconds,
    )


def _rate() -> float:
    """Return the operations a second of a matrix product of a usual size, the best of a few."""
    one, other = torch.rand(64, 512), torch.rand(512, 512)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(one, other)
        seconds.append(time.perf_counter() - started)
    return 2 * 64 * 512 * 512 / max(min(seconds), 1e-9)


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
    scaled: npt.NDArray[np.uint8] = np.rint((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
    return scaled


def write_samples(path: Path, name: str, rules: Rules | None = None) -> None:
    """Write the picture of `samples` as a PNG file.

    Raises:
        DataError: it cannot be written.
    """
    from PIL import Image  # it takes a tenth of a second

    if path.suffix.lower() != ".png":
        raise DataError(f"{path} does not end in .png; give the name of a PNG file.")
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
