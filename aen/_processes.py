"""Identifies processes across machines and containers, and tells whether one of them is alive.

A process is identified by its number, by when it started, since numbers are used again, and by where the number holds:
the boot of a machine and its PID namespace. Host names are not part of it: clones and containers may share them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SELF = Path("/proc/self")


@dataclass(frozen=True)
class Process:
    """A process of this machine or of another one.

    Attributes:
        machine: where the number holds, see `this_machine`; None: not known.
        pid: its number.
        start: when it started, in ticks since boot; None: not known.
    """

    machine: str | None
    pid: int
    start: int | None

    @classmethod
    def this(cls) -> Self:
        """Return the process that calls this."""
        return cls(this_machine(), os.getpid(), process_start(os.getpid()))

    def is_alive(self) -> bool | None:
        """Return whether the process is alive; None: it cannot be known here."""
        if self.machine is None or self.machine != this_machine() or self.pid < 1:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # the process of another user
            pass
        except OverflowError:  # larger than the number of any process
            return None
        found = _read_stat(self.pid)
        if found is None:  # it ended just now, or /proc hides the processes of other users
            return None
        state, start = found
        if state in "ZX":
            return False
        return None if self.start is None else start == self.start


def process_start(pid: int) -> int | None:
    """Return when a process of this machine started, in ticks since boot; None: no such process, or not known."""
    found = _read_stat(pid)
    return None if found is None or found[0] in "ZX" else found[1]


def this_machine() -> str | None:
    """Return an identifier of this machine's boot and of the PID namespace; None if the system has none."""
    try:
        if str(_SELF.readlink()) != str(os.getpid()):  # /proc shows the processes of another namespace
            return None
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()} {(_SELF / 'ns' / 'pid').readlink()}"
    except (OSError, UnicodeDecodeError):
        return None


def _read_stat(pid: int) -> tuple[str, int] | None:
    """Return the state of a process and when it started."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = line.rpartition(")")[2].split()
    return state, int(others[18])
