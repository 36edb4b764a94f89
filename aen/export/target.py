"""Where an export goes: it gets its name when it is complete and checked, and replaces nothing unless it is told to."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aen._files import make_folder, sync_folder
from aen.errors import ExportError
from aen.export.base import Format

FOLDER = "export"
# A folder that a forced export replaces holds nothing but these; the last appears when the network is loaded.
FILES = frozenset({"config.json", "model.safetensors", "modeling_aen.py", "README.md", "__pycache__"})


def target_of(kind: Format, out: Path | None, run: Path | None) -> Path:
    """Return where an export goes.

    Args:
        kind: its format.
        out: what the user named: a file or folder to make, or for a format of one file a folder that is there.
        run: the run folder; None: a child in memory.

    Raises:
        ExportError: the name of a file of weights for a format that is a folder.
    """
    if out is None:
        return (run or Path()) / FOLDER / kind.file_name
    if kind.is_folder:
        if out.suffix == ".safetensors":
            raise ExportError(f"--out is {out}, but --to {kind.name} makes a folder; name a folder.")
        return out
    return out / kind.file_name if out.is_dir() else out


@contextmanager
def new_target(path: Path, kind: Format, *, force: bool) -> Iterator[Path]:
    """Yield a temporary file or empty folder beside `path`, which is renamed to it when the block ends without error.

    Whatever ends the block early, nothing is left and what was at `path` stays as it was.

    Args:
        path: the file or folder to make; missing parents are made.
        kind: the format of the export.
        force: replace a file whose name ends as that of such an export, or a folder that holds nothing but one.

    Raises:
        ExportError: it exists, or it cannot be written.
    """
    check_target(path, kind, force=force)
    part = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        make_folder(path.parent)
        if kind.is_folder:
            part.mkdir()
        yield part
        check_target(path, kind, force=force)
        _rename(part, path)
        sync_folder(path.parent)
    except BaseException as error:
        _remove(part)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def check_target(path: Path, kind: Format, *, force: bool) -> None:
    """Check that an export may be written to a path.

    Raises:
        ExportError: something is there that it may not replace.
    """
    file = next((parent for parent in path.parents if parent.exists() and not parent.is_dir()), None)
    if file is not None:
        raise ExportError(f"{path} cannot be written: {file} is a file, not a folder; name another place with --out.")
    if not path.exists() and not path.is_symlink():
        return
    if not force:
        raise ExportError(f"{path} exists; name another place with --out, or replace it with --force.")
    if path.is_dir() != kind.is_folder:
        is_now, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise ExportError(f"{path} is a {is_now}, but the export is a {wanted}; name another place with --out.")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise ExportError(f"{path} is a pipe, a socket or a device; name another place with --out.")
    ending = Path(kind.file_name).suffix
    if not kind.is_folder and path.suffix.lower() != ending:
        raise ExportError(f"{path} is not replaced: its name does not end in {ending}; use another --out.")
    if kind.is_folder:
        others = sorted({inner.name for inner in path.iterdir()} - FILES)
        if others:
            raise ExportError(
                f"{path} is not replaced: it holds {others[0]}, not a file of an export; use another --out."
            )


def _rename(part: Path, path: Path) -> None:
    if not path.is_dir():
        part.replace(path)
        return
    # A folder that is not empty cannot be replaced in one step: the old one steps aside and returns if that fails.
    old = part.with_suffix(".old")
    path.rename(old)
    try:
        part.rename(path)
    except BaseException:
        old.rename(path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> ExportError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ExportError(f"{path} cannot be written: {reason}; make room, or name another place with --out.")
    return ExportError(f"{path} cannot be written: {reason}; name a place that you can write to with --out.")
