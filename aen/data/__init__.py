"""Data sets as tensors, split once; moves that give them a known symmetry."""

from aen.data.benchmarks import BENCHMARKS, VARIANTS
from aen.data.dataset import Dataset, Split, load_dataset, load_test_split, preprocessing_of
from aen.data.own.arrays import from_arrays
from aen.data.pins import pinned
from aen.data.pool import Pool
from aen.data.preprocessing import Preprocessing
from aen.data.registry import find_source
from aen.data.resolve import complete_spec, data_spec
from aen.data.sets import SOURCES
from aen.data.signals import lift_sign
from aen.data.source import Source
from aen.data.spec import DataSpec
from aen.data.transforms import move_images

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
