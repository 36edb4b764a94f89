"""Data sets as tensors, split once; moves that give them a known symmetry."""

from aen.data.dataset import SOURCES, Dataset, Source, Split, find_source, load_dataset, load_test_split
from aen.data.spec import DataSpec
from aen.data.transforms import move_images

__all__ = [
    "SOURCES",
    "DataSpec",
    "Dataset",
    "Source",
    "Split",
    "find_source",
    "load_dataset",
    "load_test_split",
    "move_images",
]
