"""Format: the base class of the formats of exports."""

import abc
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from aen.errors import ExportError
from aen.export.source import ExportSource


class Format(abc.ABC):
    """A format of exports.

    Attributes:
        name: as users write it.
        is_folder: whether an export is a folder, not a file.
        file_name: of an export whose name the user does not choose.
        packages: distributions that it needs beside those of aen, as they are imported.
    """

    name: ClassVar[str]
    is_folder: ClassVar[bool]
    file_name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def write(self, network: nn.Sequential, source: ExportSource, path: Path) -> None:
        """Write a plain network to a file, or into an empty folder."""

    @abc.abstractmethod
    def run(self, path: Path, batches: list[Tensor]) -> list[Tensor]:
        """Return the logits that an export gives, computed from its files alone."""

    @abc.abstractmethod
    def how_to_load(self, path: Path, shape: tuple[int, ...]) -> str:
        """Return lines of Python that load an export and run it."""

    def check_installed(self) -> None:
        """Check that the packages are there.

        Raises:
            ExportError: one is missing.
        """
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise ExportError(
                f"--to {self.name} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
                "installed: pip install 'aen[export]'."
            )
