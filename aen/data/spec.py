"""DataSpec: the name of a data set, how it is split and how its images are moved."""

import math
import os
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from aen._fields import fields_of, read_fields, shown
from aen._typing import JsonDict
from aen.data.benchmarks import resolve
from aen.errors import DataError, did_you_mean
from aen.groups.generators import Generator

Angles = Literal["quarter", "any"]


@dataclass(frozen=True)
class DataSpec:
    """Which images a child sees. Everything here enters the child's key.

    Attributes:
        name: the data set, such as ``digits``, ``mnist`` or the path of an npz file. A benchmark's name, such as
            ``gmnist-multi-3``, becomes its data set and moves, so that the same images have one key; a Path, its text.
        train: number of training images.
        validation: number of validation images; they choose.
        test: number of test images; only the final report sees them.
        split_seed: decides which image falls into which split.
        moves: generators by which each image is moved once before the split (see `aen.data.transforms`); they are the
            symmetry that the data set has been given.
        angles: ``quarter`` turns ``rot90`` by 0, 90, 180 or 270 degrees, ``any`` by any angle. Without ``rot90`` among
            the moves it becomes ``quarter``, so that the same images have one key.
        moves_seed: decides how each image is moved.
        all_training: whether all images that are in none of the three splits are training images, too, except those of
            an official test set. Validation and test images stay the same.
    """

    # Fields that are newer than stored results: JSON, and so the key, leaves them out while they have their default.
    newer_fields: ClassVar[tuple[str, ...]] = ("all_training",)

    name: str = "digits"
    train: int = 600
    validation: int = 597
    test: int = 600
    split_seed: int = 0
    moves: tuple[str, ...] = ()
    angles: Angles = "quarter"
    moves_seed: int = 0
    all_training: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str | os.PathLike):
            raise DataError(
                f"data.name is {shown(self.name)} but must be the name of a data set or the path of a file."
            )
        name, moves = resolve(os.fspath(self.name))
        if moves is not None and self.moves:
            raise DataError(
                f"data.moves is {list(self.moves)}, but {self.name!r} already includes moves; "
                f"leave them out, or name the data set {name!r}."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "moves", self.moves if moves is None else moves)
        # One spelling for one move, so that the same images have one key.
        object.__setattr__(self, "moves", tuple(Generator.parse(move).name for move in self.moves))
        if self.angles not in get_args(Angles):
            raise DataError(f"unknown angles {self.angles!r}{did_you_mean(str(self.angles), get_args(Angles))}.")
        if "rot90" not in self.moves:
            object.__setattr__(self, "angles", "quarter")
        if not isinstance(self.all_training, bool):
            raise DataError(f"data.all_training is {shown(self.all_training)} but must be true or false.")
        for name in ("train", "validation", "test", "split_seed", "moves_seed"):
            value = getattr(self, name)
            if not 0 <= value < math.inf or int(value) != value:
                raise DataError(f"data.{name} is {value}; it must be a whole number from 0 up.")
            object.__setattr__(self, name, int(value))

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        plain = {
            f.name: getattr(self, f.name)
            for f in fields_of(type(self))
            if f.name not in self.newer_fields or getattr(self, f.name) != f.default
        }
        return plain | {"moves": list(self.moves)}

    @classmethod
    def from_json(cls, value: JsonDict) -> "DataSpec":
        """Read what `to_json` wrote; fields that are left out have their defaults.

        Raises:
            DataError: not a dictionary, an unknown field, or a wrong value.
        """
        found = read_fields("data", value, (f.name for f in fields_of(cls)), DataError)
        try:
            return cls(**found)
        except (TypeError, AttributeError) as error:
            raise DataError(f"data is {shown(value)} which cannot be read: {error}.") from error
