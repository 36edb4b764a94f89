"""DataSpec: the name of a data set, how it is split and how its images are moved."""

import math
import os
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Literal, get_args

from aen._fields import fields_of, read_fields, shown
from aen._typing import JsonDict
from aen.data.benchmarks import resolve
from aen.data.find import is_npz
from aen.data.own.paths import is_own
from aen.data.own.rules import Colours, Rules, Size, checked_channels, checked_size
from aen.errors import DataError, did_you_mean
from aen.groups.generators import Generator

Angles = Literal["quarter", "any"]
SplitKind = Literal["random", "grouped"]
# Fields that are newer than stored keys: JSON leaves them out while they have these values.
_NEWER: JsonDict = {"split": "random", "size": None, "channels": None, "skip_broken": False, "lift_sign": False}


@dataclass(frozen=True)
class DataSpec:
    """Which images a child sees. Everything here enters the child's key.

    Attributes:
        name: the data set, such as ``digits``, ``mnist`` or the path of own data. A benchmark's name, such as
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
        split: ``grouped``: each part has the classes in their proportions, and near-duplicates and images of one group
            lie in one part, for own data; ``random``. None: ``grouped`` for own data.
        size: own data: side of the images, or (rows, columns); None: see `aen.data.own.rules.Rules`.
        channels: own data: ``grey`` or ``colour``; None: grey if all images are grey.
        skip_broken: own data: leave out images that cannot be read, in place of refusing them.
        lift_sign: own signals: append the negated signal, so that its sign is a permutation.
        moved: the share of the images that the moves are applied to, above 0; which ones is drawn by `moves_seed`, too.
            1 without moves, so that the same images have one key.
        all_training: whether all images that are in none of the three splits are training images, too, except those of
            an official test set. Validation and test images stay the same.
    """

    name: str = "digits"
    train: int = 600
    validation: int = 597
    test: int = 600
    split_seed: int = 0
    moves: tuple[str, ...] = ()
    angles: Angles = "quarter"
    moves_seed: int = 0
    split: SplitKind | None = None
    size: Size | None = None
    channels: Colours | None = None
    skip_broken: bool = False
    lift_sign: bool = False
    all_training: bool = False
    moved: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str | os.PathLike):
            raise DataError(
                f"data.name is {shown(self.name)} but must be the name of a data set or the path of a file."
            )
        given = os.fspath(self.name)
        if not isinstance(self.name, str) and not is_own(given) and Path(given).exists():
            given = f"./{given}"  # a folder, not the data set of its name
        name, moves = (given, None) if is_own(given) else resolve(given)
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
        if isinstance(self.moved, bool) or not isinstance(self.moved, Real) or not 0 < self.moved <= 1:
            raise DataError(
                f"data.moved is {shown(self.moved)}; it must be a share of the images, above 0 and up to 1."
            )
        object.__setattr__(self, "moved", float(self.moved) if self.moves else 1.0)
        self._check_import()

    def _check_import(self) -> None:
        """Check the fields that are for own data."""
        own = is_own(self.name)
        object.__setattr__(self, "split", self.split or ("grouped" if own else "random"))
        object.__setattr__(self, "size", checked_size(self.size))
        checked_channels(self.channels)
        if self.split not in get_args(SplitKind):
            raise DataError(f"unknown split {self.split!r}{did_you_mean(str(self.split), get_args(SplitKind))}.")
        for name in ("skip_broken", "lift_sign"):
            if not isinstance(getattr(self, name), bool):
                raise DataError(f"data.{name} is {shown(getattr(self, name))} but must be true or false.")
        given = [name for name, value in _NEWER.items() if getattr(self, name) != value]
        if given and not own:
            raise DataError(
                f"data.{given[0]} is {getattr(self, given[0])!r}, which is for own data, but data.name is "
                f"{self.name!r}; leave it out."
            )
        if own and self.split == "random" and (given or not is_npz(self.name)):
            needs = f"data.{given[0]}" if given else f"data.name {self.name!r}"
            raise DataError(f"{needs} needs data.split='grouped', but it is 'random', which is for npz files only.")

    @property
    def rules(self) -> Rules | None:
        """How the images of own data are imported; None: the data is another, or an npz file to be read as it is."""
        if not is_own(self.name) or (is_npz(self.name) and self.split == "random"):
            return None
        return Rules(self.size, self.channels, self.skip_broken, self.lift_sign)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields_of(type(self))}
        if not self.all_training:
            del plain["all_training"]  # newer than stored results, whose keys must stay
        if self.moved == 1:
            del plain["moved"]  # newer as well
        kept = {name: value for name, value in plain.items() if name not in _NEWER or value != _NEWER[name]}
        size = {"size": list(self.size)} if isinstance(self.size, tuple) else {}
        return kept | {"moves": list(self.moves)} | size

    @classmethod
    def from_json(cls, value: JsonDict) -> "DataSpec":
        """Read what `to_json` wrote; fields that are left out have their defaults.

        Raises:
            DataError: not a dictionary, an unknown field, or a wrong value.
        """
        found = read_fields("data", value, (f.name for f in fields_of(cls)), DataError)
        if is_npz(str(found.get("name", ""))):  # written before there were grouped splits
            found.setdefault("split", "random")
        try:
            return cls(**found)
        except (TypeError, AttributeError) as error:
            raise DataError(f"data is {shown(value)} which cannot be read: {error}.") from error
