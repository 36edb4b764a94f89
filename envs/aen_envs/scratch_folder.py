"""ScratchFolder: a temporary folder that is removed automatically, however its process ends."""

import contextlib
import multiprocessing.util
import os
import re
import shutil
import signal
import stat
import tempfile
import threading
import weakref
from pathlib import Path
from types import FrameType

try:
    import fcntl
except ImportError:  # not on Windows: folders of killed processes stay there
    fcntl = None  # type: ignore[assignment]

_PREFIX = "aen-weights-pid"
_NAME = re.compile(_PREFIX + r"\d+-\w{8}")
# Signals that end a process without Python's clean-up, unless they have a handler.
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
# The folders of this process that were not removed yet, and the processes that looked for abandoned ones.
_OPEN: "weakref.WeakSet[ScratchFolder]" = weakref.WeakSet()
_SWEPT: set[int] = set()


class ScratchFolder:
    """A new temporary folder, removed by `remove`, with this object, or when the process that made it ends.

    That includes processes of multiprocessing, and ends by SIGTERM, SIGINT or SIGHUP where these have no handler of the
    user's. What a process that was killed (SIGKILL) has left is removed when a process makes its first folder: each
    folder is locked by its process, and those that nobody locks any more are removed.

    Attributes:
        path: the path of the folder.
    """

    def __init__(self) -> None:
        if os.getpid() not in _SWEPT:
            _SWEPT.add(os.getpid())
            remove_abandoned(Path(tempfile.gettempdir()))
        self.path, lock = _new_folder()
        self._finalizer = weakref.finalize(self, _remove, self.path, lock, os.getpid())
        # Processes of multiprocessing end without the finalizers of weakref.
        multiprocessing.util.Finalize(self, _remove, (self.path, lock, os.getpid()), exitpriority=0)
        _OPEN.add(self)
        _handle_signals()

    def read(self, name: str | None) -> bytes | None:
        """Return the content of a file; None if there is no such file."""
        return (self.path / name).read_bytes() if name is not None and (self.path / name).is_file() else None

    def write(self, name: str | None, content: bytes | None) -> None:
        """Write what `read` returned."""
        if name is not None and content is not None:
            (self.path / name).write_bytes(content)

    def remove(self) -> None:
        """Remove the folder and its content; further calls do nothing."""
        self._finalizer()


class _Lock:
    """A lock on a folder, held until it is released or all processes that inherited it have ended."""

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        if fcntl is None:
            return
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _new_folder() -> tuple[Path, _Lock]:
    """Make a folder that has its name only when it is locked, so that nobody takes it for an abandoned one."""
    made = Path(tempfile.mkdtemp(prefix="aen-new-"))
    lock = _Lock(made)
    path = made.with_name(f"{_PREFIX}{os.getpid()}-{made.name[-8:]}")
    made.rename(path)
    return path, lock


def _remove(folder: Path, lock: _Lock, owner: int) -> None:
    if os.getpid() == owner:  # a forked process has a copy of the object, but does not own the folder
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def remove_abandoned(place: Path) -> None:
    """Remove the folders of this user that processes which have ended left in a folder.

    A folder is left alone if its process lives, or if the file system cannot tell because it has no locks.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(place):  # noqa: PTH208 - names alone
            if _NAME.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(place / name)


def _remove_if_abandoned(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    lock = _Lock(folder)
    if lock.held:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _handle_signals() -> None:
    """Remove this process's folders before a signal ends it, where the user has no handler for the signal."""
    if threading.current_thread() is not threading.main_thread():
        return  # handlers can be set by the main thread alone
    for number in _SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """Remove the folders, then end as the signal does by default."""
    del frame
    for folder in list(_OPEN):
        folder.remove()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # process 1 of a container, which the kernel does not end by a signal
