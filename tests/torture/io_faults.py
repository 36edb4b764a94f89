"""Makes each file call of a small search fail once, and resumes it.

The n-th call below the run folder (open, read, write, sync, truncate, rename, remove, mkdir), for all n, fails with
ENOSPC, EIO or EINTR; ``full`` is ENOSPC for that call and for all later ones that need room. The search must end with
one line and a non-zero exit status, or go on; resumed without a fault, it must come to the table of a search without
one. The calls are made to fail by a library for LD_PRELOAD, ``io_shim.c``.
"""

import argparse
import ctypes
import errno
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from aen._typing import JsonDict

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script
from torture import searches
from torture.disk import recorder
from torture.outcome import print_row, scratch_folder

FAULTS = {"ENOSPC": (errno.ENOSPC, 0), "EIO": (errno.EIO, 0), "EINTR": (errno.EINTR, 0), "full": (errno.ENOSPC, 1)}
_NEVER = 1 << 40


class Faults:
    """The library in this process, which must have been started with it in ``LD_PRELOAD``."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.torture_calls.restype = ctypes.c_long
        self._library.torture_arm.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_int)

    def arm(self, folder: Path, number: int, fault: str) -> None:
        """Make a call below a folder fail, counted from 1."""
        self._library.torture_watch(os.fsencode(folder))
        self._library.torture_arm(number, *FAULTS[fault])

    def disarm(self) -> int:
        """Let all calls pass; return how many there were since `arm`."""
        calls = int(self._library.torture_calls())
        self._library.torture_arm(0, 0, 0)
        return calls


def count_calls(kind: str, faults: Faults, folder: Path) -> tuple[int, JsonDict]:
    """Run a search without a fault; return the number of its calls, and what it comes to."""
    folder.mkdir()
    faults.arm(folder / "run", _NEVER, "EIO")
    answer = searches.start(kind, folder / "run")
    calls = faults.disarm()
    if answer.status != 0:
        raise RuntimeError(answer.err)
    return calls, searches.outcome(folder / "run")


def try_fault(kind: str, faults: Faults, folder: Path, number: int, fault: str, whole: JsonDict) -> list[str]:
    """Run a search with a fault, then without; return what is wrong."""
    folder.mkdir()
    run = folder / "run"
    faults.arm(run, number, fault)
    try:
        answer = searches.start(kind, run)
    finally:
        faults.disarm()
    wrong = []
    if answer.crashed:
        wrong.append(f"traceback: {(answer.err or answer.out).strip()[-1500:]}")
    elif answer.status != 0 and len(answer.err.strip().splitlines()) != 1:
        wrong.append(f"not one line: {answer.err!r}")
    resumed = searches.resume(kind, run)
    if resumed:
        return [*wrong, *resumed]
    found = searches.outcome(run)
    return wrong + [
        f"{part} differs from that of a search without a fault" for part in found if found[part] != whole[part]
    ]


def run_faults(options: argparse.Namespace, scratch: Path, console: Console) -> tuple[tuple[int, int], int]:
    """Try the faults; return how many were tried, of how many, and how many failed."""
    faults = Faults()
    started, tried, failed = time.monotonic(), 0, 0
    calls, whole = count_calls(options.search, faults, scratch / "whole")
    cases = [(number, fault) for number in range(1, calls + 1) for fault in FAULTS]
    console.print(f"{calls} calls x {len(FAULTS)} faults are {len(cases)} cases")
    if options.only:
        number, _, fault = options.only.partition(":")
        cases = [(int(number), fault)]
    elif 0 < options.count < len(cases):
        cases = random.Random(options.seed).sample(cases, options.count)  # noqa: S311
    first, _, step = options.part.partition("/")
    cases = cases[int(first) - 1 :: int(step)]
    for number, fault in track(cases, "failing", console=console):
        if time.monotonic() - started > 60 * options.minutes:
            console.print(f"the time is over after {tried} of {len(cases)} cases")
            break
        folder = scratch / f"{number}-{fault}"
        wrong = try_fault(options.search, faults, folder, number, fault, whole)
        tried, failed = tried + 1, failed + bool(wrong)
        for problem in wrong:
            console.print(f"{number}:{fault}: {problem}", markup=False, soft_wrap=True)
        if wrong:
            words = f"--search {options.search} --only {number}:{fault} --keep"
            console.print(f"  again: python {Path(__file__).name} {words}", markup=False)
        else:
            shutil.rmtree(folder)
    return (tried, len(cases)), failed


def main() -> int:
    """Run the test; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400, metavar="N", help="number of cases; 0: all (default: 400)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of cases (default: 0)")
    parser.add_argument("--search", choices=searches.SEARCHES, default="exhaustive", help="default: exhaustive")
    parser.add_argument("--minutes", type=float, default=14, help="after which no further case begins (default: 14)")
    parser.add_argument("--only", metavar="N:FAULT", help="one case, such as 12:EIO")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every N-th case from the I-th on")
    parser.add_argument("--keep", action="store_true", help="keep the folders of cases that failed")
    options = parser.parse_args()
    console, started = Console(), time.monotonic()
    with scratch_folder("aen-io-faults-", console, keep=options.keep) as scratch:
        if not hasattr(ctypes.CDLL(None), "torture_arm"):
            library = recorder(scratch)
            if isinstance(library, str):
                console.print(f"skipped: {library}")
                return 0
            environment = os.environ | {"LD_PRELOAD": str(library)}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
        tried, failed = run_faults(options, scratch, console)
    print_row(console, f"I/O faults ({options.search})", tried, failed, started)
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
