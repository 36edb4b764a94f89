"""What a disk holds after a power cut: replays recorded file calls to the states that a file system may leave.

`recorder` is a library for LD_PRELOAD (``io_shim.c``) that records the calls of a real program. A `Disk` replays them.
What was synced is there after a cut. Of the rest a file system may keep anything or nothing; the states are:

- ``strict``: only what POSIX promises. Names are there if their folder was synced, content if the file was.
- ``names``: all names, but no content that was not synced: new files are empty (ext4 with delayed allocation).
- ``zeros``: all names and lengths; content that was not synced is zeros (XFS).
- ``random``: names up to a random moment since the last sync; of the writes since the last sync of their file a random
  half, the last of them cut in the middle.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATES = ("strict", "names", "zeros", "random")
SOURCE = Path(__file__).with_name("io_shim.c")


def recorder(folder: Path) -> Path | str:
    """Build the library in a folder; return its path, or why it cannot be built."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return "no C compiler (cc, gcc or clang) is installed"
    library = folder / "io_shim.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{SOURCE.name} cannot be compiled here: {done.stderr.splitlines()[:1]}"
    probe = subprocess.run(["/bin/true"], env={"LD_PRELOAD": str(library)}, capture_output=True, text=True, check=False)
    return library if not probe.stderr else f"LD_PRELOAD does not work here: {probe.stderr.strip()}"


@dataclass(frozen=True)
class Call:
    """A recorded call: its kind, process, file descriptor, two numbers and two byte strings."""

    kind: str
    pid: int
    fd: int
    a: int
    b: int
    first: bytes
    second: bytes


def read_calls(log: Path) -> list[Call]:
    """Return the calls of a log, in order."""
    data, at, calls = log.read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        kind, *numbers = data[at:end].split()
        pid, fd, a, b, n1, n2 = map(int, numbers)
        at = end + 1 + n1 + n2
        calls.append(Call(kind.decode(), pid, fd, a, b, data[end + 1 : end + 1 + n1], data[end + 1 + n1 : at]))
    return calls


@dataclass
class _File:
    now: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    writes: list[tuple[int, bytes | None]] = field(default_factory=list)  # since the last sync; None: a new length


@dataclass
class _Folder:
    now: "dict[str, _Node]" = field(default_factory=dict)
    synced: "dict[str, _Node]" = field(default_factory=dict)


@dataclass
class _Link:
    target: str


_Node = _File | _Folder | _Link


class Disk:
    """The files below a folder, with what of them was synced.

    Args:
        root: the folder; it and what is in it at the beginning is on the disk.
        start: a folder whose content is on the disk at the beginning; None: nothing.
    """

    def __init__(self, root: Path, start: Path | None = None) -> None:
        self.root = root
        self.top = _Folder() if start is None else _load(start)
        self._open: dict[tuple[int, int], _Node] = {}

    def replay(self, calls: Sequence[Call]) -> None:
        """Apply calls."""
        for call in calls:
            getattr(self, f"_do_{call.kind}")(call)

    def _at(self, path: bytes, *, follow: bool = False) -> tuple[_Folder, str]:
        """Return the folder and the name of a path; `follow`: of what it links to, if it is a link."""
        parts = Path(path.decode()).relative_to(self.root).parts
        folder = self.top
        for place, part in enumerate(parts[:-1]):
            inner = folder.now[part]
            if isinstance(inner, _Link):
                target = self.root.joinpath(*parts[:place], inner.target, *parts[place + 1 :])
                return self._at(os.path.normpath(target).encode())
            assert isinstance(inner, _Folder), path
            folder = inner
        last = folder.now.get(parts[-1]) if parts else None
        if follow and isinstance(last, _Link):
            return self._at(os.path.normpath(self.root.joinpath(*parts[:-1], last.target)).encode(), follow=True)
        return folder, parts[-1] if parts else ""

    def _do_O(self, call: Call) -> None:  # noqa: N802
        folder, name = self._at(call.first, follow=True)
        if not name:
            self._open[call.pid, call.fd] = folder
            return
        if call.b or name not in folder.now:
            folder.now[name] = _File()
        node = folder.now[name]
        if call.a and isinstance(node, _File) and node.now:
            _set_size(node, 0)
        self._open[call.pid, call.fd] = node

    def _do_C(self, call: Call) -> None:  # noqa: N802
        self._open.pop((call.pid, call.fd), None)

    def _do_W(self, call: Call) -> None:  # noqa: N802
        node = self._open[call.pid, call.fd]
        assert isinstance(node, _File)
        node.writes.append((call.a, call.first))
        _overwrite(node.now, call.a, call.first)

    def _do_T(self, call: Call) -> None:  # noqa: N802
        node = self._open[call.pid, call.fd]
        assert isinstance(node, _File)
        _set_size(node, call.a)

    def _do_t(self, call: Call) -> None:
        folder, name = self._at(call.first)
        node = folder.now[name]
        assert isinstance(node, _File)
        _set_size(node, call.a)

    def _do_S(self, call: Call) -> None:  # noqa: N802
        node = self._open[call.pid, call.fd]
        if isinstance(node, _File):
            node.synced, node.writes = bytes(node.now), []
        elif isinstance(node, _Folder):
            node.synced = dict(node.now)

    def _do_U(self, call: Call) -> None:  # noqa: N802
        folder, name = self._at(call.first)
        folder.now.pop(name)

    def _do_M(self, call: Call) -> None:  # noqa: N802
        folder, name = self._at(call.first)
        folder.now[name] = _Folder()

    def _do_R(self, call: Call) -> None:  # noqa: N802
        (old, name), (new, other) = self._at(call.first), self._at(call.second)
        new.now[other] = old.now.pop(name)

    def _do_L(self, call: Call) -> None:  # noqa: N802
        folder, name = self._at(call.second)
        folder.now[name] = _Link(call.first.decode())


def cut(calls: Sequence[Call], root: Path, into: Path, *, state: str, draw: random.Random, start: Path | None) -> None:
    """Write what the disk holds after a power cut.

    Args:
        calls: the calls until the cut.
        root: the folder in which they were recorded.
        into: the folder to write, which does not exist.
        state: one of `STATES`.
        draw: chooses among what the state leaves open.
        start: what was on the disk before the first call; None: nothing.
    """
    disk = Disk(root, start)
    last_sync = max((place for place, call in enumerate(calls, 1) if call.kind == "S"), default=0)
    named = draw.randint(last_sync, len(calls)) if state == "random" else len(calls)
    disk.replay(calls[:named])
    names = _names(disk.top, synced=state == "strict")
    disk.replay(calls[named:])
    _write_names(names, into, state, draw)


_Names = dict[str, Any]  # of a folder: names, each with a file, a link or the names of a folder


def _names(folder: _Folder, *, synced: bool) -> _Names:
    inside = folder.synced if synced else folder.now
    return {n: _names(node, synced=synced) if isinstance(node, _Folder) else node for n, node in inside.items()}


def _write_names(names: _Names, folder: Path, state: str, draw: random.Random) -> None:
    folder.mkdir()
    for name, node in names.items():
        if isinstance(node, dict):
            _write_names(node, folder / name, state, draw)
        elif isinstance(node, _Link):
            (folder / name).symlink_to(node.target)
        else:
            (folder / name).write_bytes(_content(node, state, draw))


def _content(file: _File, state: str, draw: random.Random) -> bytes:
    if state == "zeros" and file.writes:
        return file.synced[: len(file.now)].ljust(len(file.now), b"\0")
    if state != "random":
        return file.synced
    content = bytearray(file.synced)
    kept = [write for write in file.writes if draw.random() < 1 / 2]
    for place, (at, data) in enumerate(kept, 1):
        if data is None:
            _resize(content, at)
        else:
            last = place == len(kept)
            _overwrite(content, at, data[: draw.randrange(len(data) + 1)] if last else data)
    return bytes(content)


def _set_size(file: _File, size: int) -> None:
    file.writes.append((size, None))
    _resize(file.now, size)


def _load(folder: Path) -> _Folder:
    inside: dict[str, _Node] = {}
    for path in folder.iterdir():
        if path.is_symlink():
            inside[path.name] = _Link(str(path.readlink()))
        elif path.is_dir():
            inside[path.name] = _load(path)
        else:
            inside[path.name] = _File(bytearray(path.read_bytes()), path.read_bytes())
    return _Folder(inside, dict(inside))


def _overwrite(content: bytearray, at: int, data: bytes) -> None:
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))
