"""Checks and prepares what Ray needs: a home folder, a user name, names in UTF-8, a folder for temporary files."""

import atexit
import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from aen_agents.evaluators.ray import guard

# Ray creates sockets below its folder, and the path of a socket may have 107 bytes.
_LONGEST_SOCKET = 107
_SOCKET = "/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_OTHER_PARENTS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - folders with random names are made there
_GUARD_SECONDS = 40.0  # more than it takes to kill what is left of Ray

# Who is told that the Ray that was started here is lost; the last one.
_listeners: list[Callable[[str], None]] = []
_guards: "list[tuple[subprocess.Popen[str], Path]]" = []


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


def temporary_folder() -> Path:
    """Return a new folder for the temporary files of a Ray that is started here; see `remove_temporary_folders`.

    It is in $RAY_TMPDIR, in the usual folder of temporary files, or where these cannot be used in ``/tmp``,
    ``/var/tmp`` or ``/dev/shm``. If this process is killed, a process of its own (`guard`) ends that Ray and removes
    the folder.

    Raises:
        OSError: no folder is usable; the message names the first one, the reason and the remedy.
    """
    named = [os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)]
    named += [tempfile.gettempdir(), *_OTHER_PARENTS]
    parents = list(dict.fromkeys(str(Path(parent).absolute()) for parent in named))
    longest = _LONGEST_SOCKET - len(_SOCKET)
    command = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(longest), *parents]
    process = subprocess.Popen(  # noqa: S603 - Python itself
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd="/"
    )
    assert process.stdout is not None  # noqa: S101 - for mypy
    answer = process.stdout.readline()
    folder, reason = json.loads(answer) if answer else (None, "cannot be used (the process that creates it has ended)")
    if folder is None:
        process.stdout.close()
        _close(process)
        raise OSError(
            f"Ray's temporary folder {parents[0]} {reason}, and no other was found; set RAY_TMPDIR to a folder that "
            f"can be written and has at most {longest - len(f'/{guard.PREFIX}12345678')} characters"
        )
    _guards.append((process, Path(folder)))
    threading.Thread(target=_listen, args=(process.stdout,), name="aen-ray-guard", daemon=True).start()
    return Path(folder)


def report_loss(listener: Callable[[str], None] | None) -> None:
    """Have a listener called if the raylet or the GCS of the Ray that is started here ends; None: nobody any more.

    It is called from another thread, with what is lost, as a clause.
    """
    _listeners.clear()
    if listener is not None:
        _listeners.append(listener)


def _listen(output: IO[str]) -> None:
    with output:
        for line in output:
            for listener in tuple(_listeners):
                listener(f"its {json.loads(line)} on this machine has ended")


def remove_temporary_folders() -> None:
    """Remove the folders that `temporary_folder` has created, after ending what is left of the Ray in them."""
    while _guards:
        process, folder = _guards.pop()
        _close(process)
        shutil.rmtree(folder, ignore_errors=True)  # if the guard was killed


def _close(process: "subprocess.Popen[str]") -> None:
    """Let a guard do its work, and wait for it."""
    with suppress(OSError, subprocess.TimeoutExpired):
        if process.stdin is not None:
            process.stdin.close()
        process.wait(_GUARD_SECONDS)


atexit.register(remove_temporary_folders)
