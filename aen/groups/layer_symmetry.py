"""The group that a layer of a network is tied by, in plain words; planar groups by their names."""

from typing import NamedTuple

NO_SYMMETRY = "no symmetry"
_PLANAR = {
    "C1": NO_SYMMETRY,
    "C2": "half turns",
    "C4": "quarter turns",
    "C8": "eighths of a turn",
    "C16": "sixteenths of a turn",
    "D1": "horizontal flips",
    "D1v": "vertical flips",
    "D1d": "flips along the diagonal",
    "D1a": "flips along the other diagonal",
    "D2": "horizontal and vertical flips",
    "D2d": "flips along both diagonals",
    "D4": "quarter turns and flips",
    "D8": "eighths of a turn and flips",
    "SO2": "turns by any angle",
}


class LayerSymmetry(NamedTuple):
    """The group that a layer is tied by.

    Attributes:
        words: it in plain words; `NO_SYMMETRY` if there is none.
        name: of the group, such as ``D4``; empty where words say all.
    """

    words: str
    name: str = ""

    def __str__(self) -> str:
        """Return the words with the name: ``quarter turns (C4)``."""
        return f"{self.words} ({self.name})" if self.name and self.words != NO_SYMMETRY else self.words


def planar_in_words(name: str) -> str:
    """Name a planar group in plain words: ``quarter turns and flips`` for ``D4``."""
    return _PLANAR.get(name, f"the group {name}")
