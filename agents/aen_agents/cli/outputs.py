"""Files that a user names for a command to write."""

from pathlib import Path

from aen.errors import ConfigError


def refuse_other_kind(option: str, path: Path | None, *endings: str, folders: bool = False) -> None:
    """Refuse to replace a file of another kind, such as an image that was named by mistake, or what is no file.

    Args:
        option: as users write it.
        path: what they named; None: nothing.
        endings: of names of files that the command makes, such as ``.csv``.
        folders: whether it may be a folder, in which the file is written.

    Raises:
        ConfigError: the file is there, and its name ends otherwise; or a pipe, a device or such a folder is.
    """
    if path is not None and path.is_dir() and folders:
        return
    if path is not None and path.exists() and not path.is_file():
        is_now = "a folder" if path.is_dir() else "a pipe, a socket or a device"
        raise ConfigError(f"{option} is {path}, which is {is_now}: it is not replaced. Name a file.")
    if path is not None and path.is_file() and path.suffix.lower() not in endings:
        wanted = " or ".join(endings)
        raise ConfigError(
            f"{option} is {path}, a file that is there and does not end in {wanted}: it is not replaced. Name another "
            "file, or remove it."
        )
