"""What is kept beside a trained network of the data that it was trained on, which may be moved or change later."""

import json
from dataclasses import dataclass
from pathlib import Path

from aen._reading import MALFORMED, MAX_SMALL, read_json, sealed, unsealed
from aen._typing import JsonDict
from aen.data.find import is_npz
from aen.data.npz import OpenNpz
from aen.data.own.npz import NPZ_FILE
from aen.data.own.paths import find_own, is_own, split_pin
from aen.data.own.pixel_table import PIXEL_TABLE
from aen.data.own.scan import scan
from aen.data.preprocessing import Preprocessing
from aen.data.registry import find_source
from aen.data.spec import DataSpec
from aen.errors import DataError

TRAINED_ON_FILE = "data.json"
_ARRAYS = ("images", "test_images", "train_images")
# Standardised pixels below this are taken to be stored from 0 to 1.
_UNIT = 2.0


@dataclass(frozen=True)
class TrainedOn:
    """What a network's user must know of its data.

    Attributes:
        class_names: name of each class, in the order of the network's outputs; its number where there is no name.
        divides_files: whether pixels of image files, 0 to 255, are divided by 255 before they are standardised.
    """

    class_names: tuple[str, ...]
    divides_files: bool

    @classmethod
    def of(cls, data: DataSpec, classes: int, preprocessing: Preprocessing) -> "TrainedOn":
        """Return what is to be known of data that may not be there any more: its classes are numbers then.

        Args:
            data: which the network was trained on.
            classes: number of classes.
            preprocessing: of the network.
        """
        try:
            found = tuple(map(str, find_source(data.name, data.rules).class_names))
        except DataError:
            found = ()
        names = found if len(found) == classes else tuple(map(str, range(classes)))
        return cls(names, divides_files(data, preprocessing))

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values, with a checksum."""
        return sealed({"class_names": list(self.class_names), "divides_files": self.divides_files})

    def to_text(self) -> str:
        """Return the content of the file."""
        return json.dumps(self.to_json(), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "TrainedOn | None":
        """Return what is kept in a network's folder; None: nothing, as in folders of earlier versions.

        Raises:
            DataError: the file is damaged.
            OSError: it may not be read.
        """
        file = folder / TRAINED_ON_FILE
        try:
            found = unsealed(read_json(file, MAX_SMALL))
            names, divides = found["class_names"], found["divides_files"]
            texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
            if not texts or not isinstance(divides, bool):
                raise ValueError("its values are of other kinds")
        except FileNotFoundError:
            return None
        except MALFORMED as error:
            raise DataError(
                f"{file} is damaged: {error}. Remove it: where the data is, what it says is found again."
            ) from error
        return cls(tuple(names), divides)


def divides_files(data: DataSpec, preprocessing: Preprocessing) -> bool:
    """Return whether pixels of image files, 0 to 255, are divided by 255 for a network that was trained on this data.

    That is so if it was trained on floating-point arrays that seem to lie in 0 to 1. Data of image files, and arrays of
    16 bits, are 0 to 255 for the network, too, however dark they are.
    """
    if preprocessing.scale != 1 or abs(preprocessing.mean) + preprocessing.deviation >= _UNIT:
        return False
    return not is_own(data.name) or _holds_floats(data.name)


def _holds_floats(name: str) -> bool:
    """Return whether own data with a scale of 1 is arrays of floating-point numbers, not of 16 bits and no files."""
    try:
        found = scan(find_own(name))
        if found.kind != NPZ_FILE:
            return found.kind == PIXEL_TABLE
        with OpenNpz(found.root / found.files[0]) as opened:
            held = opened.names()
            return all(opened.header(key)[1].kind == "f" for key in _ARRAYS if key in held)
    except DataError:  # it is not there any more; most arrays in this range are floating point
        path, _ = split_pin(name)
        return is_npz(name) or path.lower().removesuffix(".gz").endswith((".csv", ".tsv"))
