"""Checks and prepares what Ray needs: a home folder, a user name, names in UTF-8, a folder for temporary files."""

import atexit
import getpass
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# Ray creates sockets below its folder, and the path of a socket may have 107 bytes.
_LONGEST_SOCKET = 107
_SOCKET = "/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_OWN_FOLDER = "aen-ray-"
_OTHER_PARENTS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - folders with random names are made there
_BLOCK = b"\0" * 4096

_own: list[Path] = []


def ensure_user() -> None:
    """Set $HOME and $USER if the system has no home folder or no name for this user, as in some containers.

    The home folder is then a temporary one, which is removed at exit.
    """
    try:
        Path.home()
    except RuntimeError:
        home = tempfile.mkdtemp(prefix="aen-home-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        os.environ["HOME"] = home
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def name_not_utf8() -> str | None:
    """Return a word of the command line, or the working directory, that is not UTF-8, as Ray needs; None: all are."""
    words = list(sys.argv)
    with suppress(FileNotFoundError):  # the working directory was removed
        words.append(str(Path.cwd()))
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            return word
    return None


def temporary_folder() -> Path | None:
    """Return a folder for the temporary files of a Ray that is started here; None: Ray's default is usable.

    Ray's default is ``ray`` in $RAY_TMPDIR, $TMPDIR or ``/tmp``, and is not usable if its path is too long, or if it
    cannot be written, for example since it is another user's. See `remove_temporary_folders`.

    Raises:
        OSError: no folder is usable; the message names the default one, the reason and the remedy.
    """
    default = Path(os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp"))) / "ray"  # noqa: S108 - as Ray does
    reason = _problem(default)
    if reason is None:
        return None
    for parent in dict.fromkeys((tempfile.gettempdir(), *_OTHER_PARENTS)):
        if _too_long(Path(parent) / f"{_OWN_FOLDER}12345678"):
            continue
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=_OWN_FOLDER, dir=parent))
            _own.append(folder)
            if _problem(folder) is None:
                return folder
    remove_temporary_folders()
    longest = _LONGEST_SOCKET - len(_SOCKET) - len("/ray")
    raise OSError(
        f"Ray's temporary folder {default} {reason}, and no other was found; set RAY_TMPDIR to a folder that can be "
        f"written and has at most {longest} characters"
    )


def remove_temporary_folders() -> None:
    """Remove the folders that `temporary_folder` has created."""
    while _own:
        shutil.rmtree(_own.pop(), ignore_errors=True)


def _problem(folder: Path) -> str | None:
    """Return why Ray cannot use a folder, or None. The folder is created."""
    if _too_long(folder):
        return "has a path that is too long for sockets"
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner not in (os.geteuid(), 0):  # who could replace what Ray puts there
            return f"belongs to another user (uid {owner})"
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_BLOCK)
            file.flush()
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return None


def _too_long(folder: Path) -> bool:
    return len(os.fsencode(folder.absolute())) + len(_SOCKET) > _LONGEST_SOCKET


atexit.register(remove_temporary_folders)
