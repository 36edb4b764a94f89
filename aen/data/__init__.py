"""Data sets as tensors, split once; moves that give them a known symmetry."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen.data.benchmarks import BENCHMARKS as BENCHMARKS
    from aen.data.benchmarks import VARIANTS as VARIANTS
    from aen.data.dataset import (
        Dataset as Dataset,
    )
    from aen.data.dataset import (
        Split as Split,
    )
    from aen.data.dataset import (
        load_dataset as load_dataset,
    )
    from aen.data.dataset import (
        load_test_split as load_test_split,
    )
    from aen.data.dataset import (
        preprocessing_of as preprocessing_of,
    )
    from aen.data.own.arrays import classes_of as classes_of
    from aen.data.own.arrays import from_arrays as from_arrays
    from aen.data.pins import pinned as pinned
    from aen.data.pool import Pool as Pool
    from aen.data.preprocessing import Preprocessing as Preprocessing
    from aen.data.registry import find_source as find_source
    from aen.data.resolve import complete_spec as complete_spec
    from aen.data.resolve import data_spec as data_spec
    from aen.data.sets import SOURCES as SOURCES
    from aen.data.signals import lift_sign as lift_sign
    from aen.data.source import Source as Source
    from aen.data.spec import DataSpec as DataSpec
    from aen.data.trained_on import TrainedOn as TrainedOn
    from aen.data.transforms import move_images as move_images

__all__ = [
    "BENCHMARKS",
    "SOURCES",
    "VARIANTS",
    "DataSpec",
    "Dataset",
    "Pool",
    "Preprocessing",
    "Source",
    "Split",
    "TrainedOn",
    "classes_of",
    "complete_spec",
    "data_spec",
    "find_source",
    "from_arrays",
    "lift_sign",
    "load_dataset",
    "load_test_split",
    "move_images",
    "pinned",
    "preprocessing_of",
]

# Read when they are first used: configs are read without torch, which takes seconds to import.
_PLACES = {
    "BENCHMARKS": "aen.data.benchmarks",
    "DataSpec": "aen.data.spec",
    "Dataset": "aen.data.dataset",
    "Pool": "aen.data.pool",
    "Preprocessing": "aen.data.preprocessing",
    "SOURCES": "aen.data.sets",
    "Source": "aen.data.source",
    "Split": "aen.data.dataset",
    "TrainedOn": "aen.data.trained_on",
    "VARIANTS": "aen.data.benchmarks",
    "classes_of": "aen.data.own.arrays",
    "complete_spec": "aen.data.resolve",
    "data_spec": "aen.data.resolve",
    "find_source": "aen.data.registry",
    "from_arrays": "aen.data.own.arrays",
    "lift_sign": "aen.data.signals",
    "load_dataset": "aen.data.dataset",
    "load_test_split": "aen.data.dataset",
    "move_images": "aen.data.transforms",
    "pinned": "aen.data.pins",
    "preprocessing_of": "aen.data.dataset",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
