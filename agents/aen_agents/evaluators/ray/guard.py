"""A program that removes what is left of a Ray started by a search, also if the search is killed.

It imports nothing but the standard library. Arguments: the number of the search's process, the largest length of the
folder's path, and the folders to try, the best first. It creates a folder for Ray's temporary files in one of them and
prints its path, or why it cannot. It prints another line if the raylet or the GCS of that Ray ends while the search
lives, which Ray itself notices late or never. When its standard input or the search's process ends, it kills the
processes of that Ray, which would otherwise stay for a minute or more, and removes the folder.
"""

import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress

PREFIX = "aen-ray-"
_BLOCK = b"\0" * 4096
_KILL_SECONDS = 30.0
_QUIET_SECONDS = 0.3
WATCH_SECONDS = 1.0
START_SECONDS = 0.1  # while Ray is started
_TITLE = b"ray::"  # of agents and workers
_SERVERS = {"raylet": "raylet", "gcs_server": "GCS"}  # program: name in messages


def main() -> None:
    """Create the folder, wait, kill, remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the search decides when it ends
    search, longest, *parents = sys.argv[1:]
    folder, reason = create(parents, int(longest))
    try:
        sys.stdout.write(json.dumps([folder, reason]) + "\n")
        sys.stdout.flush()
        seen: dict[int, str] = {}
        lost = ""
        while folder is not None and os.getppid() == int(search):
            if select.select([sys.stdin], [], [], WATCH_SECONDS if len(seen) == len(_SERVERS) else START_SECONDS)[0]:
                break
            if len(seen) < len(_SERVERS):
                seen |= servers(folder)
            gone = [name for pid, name in seen.items() if not lost and not belongs(pid, folder)]
            if gone:
                lost = gone[0]
                sys.stdout.write(json.dumps(lost) + "\n")
                sys.stdout.flush()
    except OSError:  # the search has ended
        pass
    finally:
        if folder is not None:
            kill_processes(folder, int(search))
            shutil.rmtree(folder, ignore_errors=True)


def create(parents: list[str], longest: int) -> tuple[str | None, str]:
    """Return a new folder in the first of some folders that is usable, or None, and why the first one is not."""
    reasons = []
    for parent in parents:
        try:
            parent.encode()
            if len(os.fsencode(parent)) + len(f"/{PREFIX}12345678") > longest:
                reasons.append("has a path that is too long for sockets")
                continue
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - pathlib takes longer to import
            owner = os.stat(parent).st_uid  # noqa: PTH116
            if owner not in (os.geteuid(), 0):  # who could replace what Ray puts there
                reasons.append(f"belongs to another user (uid {owner})")
                continue
            folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        except UnicodeEncodeError:
            reasons.append("has a name that is not UTF-8")
        except OSError as error:
            reasons.append(f"cannot be written ({error.strerror})")
        else:
            try:
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.write(_BLOCK)
                    file.flush()
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                reasons.append(f"cannot be written ({error.strerror})")
            else:
                return folder, ""
    return None, reasons[0]


def kill_processes(folder: str, search: int) -> None:
    """Kill the processes of the Ray in a folder until there have been none for a moment."""
    deadline, quiet = time.monotonic() + _KILL_SECONDS, time.monotonic()
    while time.monotonic() < min(deadline, quiet + _QUIET_SECONDS):
        for pid in processes(folder):
            if pid not in (search, os.getpid()):
                quiet = time.monotonic()
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def processes(folder: str) -> list[int]:
    """Return this user's processes whose command names a Ray's folder, or whose output or logs go there.

    Other searches that are connected to that Ray, and programs that read its log files, are not among them.
    """
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and belongs(int(name), folder)]  # noqa: PTH208 - pathlib takes longer to import
    return []


def servers(folder: str) -> dict[int, str]:
    """Return the raylet and the GCS of the Ray in a folder."""
    found = {pid: _program(pid) for pid in processes(folder)}
    return {pid: _SERVERS[name] for pid, name in found.items() if name in _SERVERS}


def belongs(pid: int, folder: str) -> bool:
    """Return whether a process runs and is one of the Ray in a folder."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():  # noqa: PTH116
            return False
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            if file.read().rpartition(")")[2].split()[0] in "ZX":
                return False
        for descriptor in "12":
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith(f"{folder}/"):  # noqa: PTH115
                    return True
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            command = file.read()
        # The agents of a raylet give themselves a title in place of their command, and their output goes through a
        # pipe. They should end with their raylet, but may stay for more than a minute.
        if command.startswith(_TITLE):
            return any(opened.startswith(f"{folder}/") for opened in _opened(pid))
        named = f"{folder}/".encode() in command
    except OSError:
        return False
    python = os.path.basename(os.path.realpath(sys.executable))  # noqa: PTH119
    return named and _program(pid) in {*_SERVERS, python}


def _opened(pid: int) -> Iterator[str]:
    """Yield the paths that a process has open."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - pathlib takes longer to import
        with suppress(OSError):
            yield os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115


def _program(pid: int) -> str:
    with suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))  # noqa: PTH115, PTH119
    return ""


if __name__ == "__main__":
    main()
