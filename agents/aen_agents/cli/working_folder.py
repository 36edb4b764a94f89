"""The folder in which a command works may have been removed, after which hardly anything works."""

from pathlib import Path

from aen.errors import AenError


class WorkingFolderError(AenError):
    """The working folder does not exist any more."""


def check_working_folder() -> None:
    """Check that the working folder exists: without it relative paths mean nothing, and PyTorch cannot be loaded.

    Raises:
        WorkingFolderError: it was removed.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise WorkingFolderError(
            "the working folder does not exist any more: it was removed; change to one that does (cd FOLDER)."
        ) from error
