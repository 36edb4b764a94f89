"""Cuts the power of searches at random moments, and resumes each: no result that was told is lost.

A search is run once with its file calls recorded. For each cut the state that the disk may hold then is written to a
new folder (see `disk`), checked for the results of which the search had told, and resumed to the end, which must be
that of the search without a cut. Old runs are cut twice: they are recorded while they resume after a first cut.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from aen._typing import JsonDict

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script
from torture import searches
from torture.disk import STATES, Call, cut, read_calls, recorder
from torture.outcome import print_row, scratch_folder

_SECONDS = 14 * 60  # the time after which no further cut is tried


@dataclass(frozen=True)
class Recording:
    """A search whose file calls were recorded.

    Attributes:
        kind: one of `searches.KINDS`.
        root: the folder in which it was recorded; its run is in ``run``, what it told of in ``told``.
        calls: the calls, in order.
        start: what was there before; None: nothing.
        whole: what a search without a cut comes to.
        files: the files at its end that later commands need.
    """

    kind: str
    root: Path
    calls: list[Call]
    start: Path | None
    whole: JsonDict
    files: dict[Path, bytes]

    def told(self, at: int) -> list[JsonDict]:
        """Return the results of which the search had told after so many calls."""
        return [json.loads(call.first) for call in self.calls[:at] if call.kind == "W" and _is_result(call)]


def _is_result(call: Call) -> bool:
    return (
        call.first.startswith((b'{"class_key"', b'{"key"')) and call.first.count(b"\n") == 1 and len(call.first) < 300
    )


def record(kind: str, library: Path, root: Path, start: Path | None = None) -> Recording:
    """Run a search to the end in a process of its own, and record its calls.

    Args:
        kind: one of `searches.KINDS`.
        library: what `recorder` built.
        root: a folder for its files; those of an earlier recording are removed.
        start: the folder of an unfinished run to resume, in ``run``; None: a new run.
    """
    machine, log = root / "machine", root / "log"
    shutil.rmtree(root, ignore_errors=True)
    if start is None:
        machine.mkdir(parents=True)
    else:
        shutil.copytree(start, machine, symlinks=True)
    subprocess.run(
        [sys.executable, searches.__file__, kind, str(machine / "run"), str(machine / "told")],
        env=os.environ | {"LD_PRELOAD": str(library), "TORTURE_ROOT": str(machine), "TORTURE_LOG": str(log)},
        check=True,
        stdin=subprocess.DEVNULL,
    )
    names = [file.relative_to(machine) for file in sorted(machine.rglob("*")) if file.is_file()]
    files = {name: (machine / name).read_bytes() for name in names if not _not_needed(name)}
    return Recording(kind, machine, read_calls(log), start, searches.outcome(machine / "run"), files)


def try_cut(recording: Recording, seed: int, folder: Path, state: str | None = None) -> list[str]:
    """Cut the power of a recorded search and resume it; return what is wrong.

    Args:
        recording: the search.
        seed: chooses the moment.
        folder: where the files are left if something is wrong; it does not exist.
        state: of the disk; None: the seed chooses it, too.
    """
    draw = random.Random(seed)  # noqa: S311
    at, state = draw.randint(0, len(recording.calls)), state or draw.choice(STATES)
    # In the place of the recorded one: trials know the path of their sweep's store.
    machine = recording.root
    shutil.rmtree(machine, ignore_errors=True)
    cut(recording.calls[:at], machine, machine, state=state, draw=draw, start=recording.start)
    (machine / "told").unlink(missing_ok=True)
    run = machine / "run"
    there = searches.rows(run / "results.sqlite") if run.is_dir() else []
    wrong = [
        f"{result} was told and is lost"
        for result in recording.told(at)
        if not any(result.items() <= row.items() for row in there)
    ]
    wrong += searches.resume(recording.kind, run)
    if not wrong:
        found = searches.outcome(run)
        wrong = [
            f"{part} differs from that of a search without a cut"
            for part in found
            if found[part] != recording.whole[part]
        ]
    if wrong:
        shutil.copytree(machine, folder, symlinks=True)
    return [f"{problem} (cut after call {at} of {len(recording.calls)}, state {state})" for problem in wrong]


def cut_at_end(recording: Recording, folder: Path) -> list[str]:
    """Cut the power just after a recorded search has ended; return which of its files are not whole on the disk.

    Args:
        recording: the search.
        folder: for files; it does not exist.
    """
    folder.mkdir()
    wrong = []
    for state in STATES:
        disk = folder / state
        draw = random.Random(0)  # noqa: S311
        cut(recording.calls, recording.root, disk, state=state, draw=draw, start=recording.start)
        wrong += [
            f"{name} is not whole after the end of the search (state {state})"
            for name, content in recording.files.items()
            if not (disk / name).is_file() or (disk / name).read_bytes() != content
        ]
    return wrong


def _not_needed(name: Path) -> bool:
    """Return whether no later command needs a file: what only shows progress, locks, and what SQLite makes itself."""
    return (
        name.name in ("told", "status.json", "log.jsonl", ".lock")
        or "tensorboard" in name.parts
        or name.name.endswith(("-shm", "-wal"))
    )


def run_cuts(count: int, seed: int, scratch: Path, library: Path, console: Console) -> tuple[int, int]:
    """Try so many cuts; return how many were tried and how many failed."""
    started, tried, failed = time.monotonic(), 0, 0
    recordings = []
    for kind in track(searches.KINDS, "recording", console=console):
        young = record(kind, library, scratch / kind)
        for problem in cut_at_end(young, scratch / f"{kind}-end"):
            failed += 1
            console.print(f"{kind}: {problem}", markup=False, soft_wrap=True)
        start = scratch / f"{kind}-cut"
        draw = random.Random(seed)  # noqa: S311
        middle = len(young.calls) // 2
        cut(young.calls[:middle], young.root, start, state="random", draw=draw, start=None)
        (start / "told").unlink(missing_ok=True)
        recordings += [young, record(kind, library, scratch / kind, start)]
    for number in track(range(seed, seed + count), "cutting", console=console):
        if time.monotonic() - started > _SECONDS:
            console.print(f"the time is over after {tried} of {count} cuts")
            break
        recording = recordings[number % len(recordings)]
        folder = scratch / f"cut-{number}"
        wrong = try_cut(recording, number, folder)
        tried, failed = tried + 1, failed + bool(wrong)
        for problem in wrong:
            console.print(f"seed {number}, {recording.kind}: {problem}", markup=False, soft_wrap=True)
        if wrong:
            console.print(f"  again: python {Path(__file__).name} --seed {number} --count 1", markup=False)
    return tried, failed


def main() -> int:
    """Run the test; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, metavar="N", help="number of cuts (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the first cut; the next has the next (default: 0)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of cuts that failed")
    options = parser.parse_args()
    console, started = Console(), time.monotonic()
    with scratch_folder("aen-power-cuts-", console, keep=options.keep) as scratch:
        library = recorder(scratch)
        if isinstance(library, str):
            console.print(f"skipped: {library}")
            return 0
        tried, failed = run_cuts(options.count, options.seed, scratch, library, console)
    print_row(console, "power cuts", (tried, options.count), failed, started)
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
