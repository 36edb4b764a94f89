"""The service's own folder below the root: it is made, checked and locked."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from aen._files import make_folder, sync_folder, write_atomically
from aen._locks import NoLocksError, lock_file
from aen._reading import MAX_SMALL, read_text
from aen_service.errors import ServiceStartError
from aen_service.settings import Settings

LOCK_FILE = ".lock"
IDENTITY_FILE = "id"
_LONGEST_IDENTITY = 64
_PROBE = b"." * 4096  # a block of most file systems: there is room to begin with


def prepare_folder(settings: Settings) -> None:
    """Make the service's folder, which only this user may enter.

    Raises:
        ServiceStartError: it cannot be made or written, or belongs to another user.
    """
    folder = settings.folder
    try:
        make_folder(settings.root)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.geteuid():
            raise ServiceStartError(f"{folder} is not a folder of this user; remove it, or name another --root.")
        folder.chmod(0o700)
        for inner in ("searches", "data"):
            (folder / inner).mkdir(exist_ok=True)
        sync_folder(folder)
        sync_folder(settings.root)
        (folder / LOCK_FILE).touch()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
    except OSError as error:
        why = "it is no folder" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise ServiceStartError(
            f"root {settings.root} cannot be written: {why}; name another folder (--root)."
        ) from error


def root_identity(settings: Settings) -> str:
    """Return the identifier of a root, which it keeps when it is moved; the caller has locked it.

    Raises:
        ServiceStartError: it cannot be read or written.
    """
    path = settings.folder / IDENTITY_FILE
    try:
        if not path.exists():
            write_atomically(path, secrets.token_hex(16), durable=True)
        return read_text(path, MAX_SMALL).strip()[:_LONGEST_IDENTITY]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ServiceStartError(f"{path} cannot be used: {why}; repair it, or name another --root.") from error


def lock_root(settings: Settings) -> IO[str]:
    """Lock the root against other services until the file that is returned is closed.

    Raises:
        ServiceStartError: another service has it, or it cannot be locked.
    """
    path: Path = settings.folder / LOCK_FILE
    try:
        file = path.open("w")
        if lock_file(file):
            return file
    except NoLocksError as error:
        raise ServiceStartError(f"{error}; name a folder on another file system (--root).") from error
    except OSError as error:
        raise ServiceStartError(f"{path} cannot be written: {error.strerror}.") from error
    file.close()
    raise ServiceStartError(
        f"another service has the root {settings.root}; stop it first, or name another folder (--root)."
    )
