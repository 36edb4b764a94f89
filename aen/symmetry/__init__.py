"""A look at the images before training: which transformations leave their distribution as it is.

`aen.symmetry_test` is the entry point. The parts that read and write results need no torch.
"""

from typing import TYPE_CHECKING

from aen.symmetry.result import SymmetryRow, SymmetryTest

if TYPE_CHECKING:
    from aen.symmetry.testing import symmetry_test as symmetry_test

__all__ = ["SymmetryRow", "SymmetryTest", "symmetry_test"]


def __getattr__(name: str) -> object:
    # A summary is read without torch.
    if name == "symmetry_test":
        from aen.symmetry.testing import symmetry_test

        return symmetry_test
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
