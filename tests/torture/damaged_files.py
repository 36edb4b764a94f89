"""Damages every file of a finished and of an interrupted run in every way, and looks at the run with every command.

Each case damages one file of a copy of a run, then runs `aen list`, `status`, `export` and `report`, `aen.load`, and
`aen search` into the folder, which resumes it, in this process, each with a limit of time. It fails if

- one ends otherwise than with an exit status of 0 to 2 and short messages: with a traceback, or not in time;
- a result is shown that is not that of the undamaged run, and nothing says that it is damaged.

    python tests/torture/damaged_files.py [--count N] [--seed 0]
"""

import argparse
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from torture.outcome import print_row

import aen
from aen.errors import AenError
from aen_agents.cli.main import main as aen_main
from aen_agents.config import SearchConfig
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

MEMORY = 12 * 2**30  # bytes of address space
SECONDS = 60.0  # of one command
CONFIG = {
    "name": "small",
    "data": {"train": 60, "validation": 60, "test": 60, "moves": ["rot90"]},
    "alphabet": ["rot90", "hflip"],
    "child": {"hidden": [4]},
    "training": {"epochs": 1},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 8, "layers": [8]},
    "environment": {"horizon": 2},
    "budget": {"children": 3, "steps": 12},
    "selection": {"top": 1, "seeds": 2, "rivals": []},
}
# The content of weights is compared with a checksum elsewhere; see --weights.
WEIGHTS = ".safetensors"
# The lines of the history have no checksum of their own: `aen status` of a run without a status shows the best of them.


class TooSlow(BaseException):
    """A command took longer than its limit; not an Exception, so that nothing catches it on the way."""


@dataclass(frozen=True)
class Case:
    """One damaged file of one run."""

    run: str
    file: str
    damage: str
    seed: int

    def __str__(self) -> str:
        return f"{self.run} {self.file} {self.damage} (seed {self.seed})"


def flip(path: Path, _other: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def cut(path: Path, _other: Path, draw: random.Random) -> None:
    os.truncate(path, draw.randrange(path.stat().st_size + 1))


def noise(path: Path, _other: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(max(path.stat().st_size, 16)))


def _replaced(make: Callable[[Path, Path], None]) -> Callable[[Path, Path, random.Random], None]:
    def damage(path: Path, other: Path, _draw: random.Random) -> None:
        path.unlink()
        make(path, other)

    return damage


DAMAGES: dict[str, Callable[[Path, Path, random.Random], None]] = {
    "flip": flip,
    "cut": cut,
    "noise": noise,
    "empty": lambda path, _other, _draw: os.truncate(path, 0),
    "other run's": _replaced(lambda path, other: path.write_bytes(other.read_bytes() if other.is_file() else b"")),
    "link to another run's": _replaced(lambda path, other: path.symlink_to(other)),
    "dangling link": _replaced(lambda path, _other: path.symlink_to("nowhere")),
    "pipe": _replaced(lambda path, _other: os.mkfifo(path)),
    "folder": _replaced(lambda path, _other: path.mkdir()),
    "link to /dev/zero": _replaced(lambda path, _other: path.symlink_to("/dev/zero")),
    "removed": _replaced(lambda _path, _other: None),
}


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` inside the block after some seconds; also a system call that waits is interrupted."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def make_runs(folder: Path) -> None:
    """Make the runs `finished`, `interrupted` and, of another seed, `other`."""
    for name, seed in (("finished", 0), ("other", 1)):
        config = SearchConfig.model_validate(CONFIG | {"seed": seed})
        run = RunFolder.create(config, folder / name)
        Search(config, lambda _event: None).run(run)
        build_report(run)
    shutil.copytree(folder / "finished", folder / "interrupted")
    (folder / "interrupted" / "summary.json").unlink()
    shutil.rmtree(folder / "interrupted" / "best")
    (folder / "interrupted" / "best").mkdir()
    status = RunFolder(folder / "interrupted").path / "status.json"
    status.unlink()  # as of a process that was killed before it wrote one


def cases_of(folder: Path, seed: int) -> list[Case]:
    """Return every damage of every file of both runs, in random order."""
    found = [
        Case(run, str(path.relative_to(folder / run)), damage, seed)
        for run in ("finished", "interrupted")
        for path in sorted((folder / run).rglob("*"))
        if path.is_file() and path.name != ".lock"
        for damage in DAMAGES
    ]
    random.Random(seed).shuffle(found)  # noqa: S311 - to be repeated
    return found


def command(*words: str) -> tuple[int, str, str]:
    """Run an `aen` command in this process; return exit status, output and errors."""
    output, errors = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with redirect_stdout(output), redirect_stderr(errors), limited(SECONDS):
        try:
            status = aen_main(list(words))
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 2
        finally:
            signal.signal(signal.SIGTERM, handler)
    return status, output.getvalue(), errors.getvalue()


@dataclass(frozen=True)
class Truth:
    """What the undamaged run shows."""

    best: Any
    winner: Any
    weights: dict[str, Any]
    summary: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> "Truth":
        run = folder / "finished"
        view = json.loads(command("status", str(run), "--json")[1])
        return cls(view["best"], view["winner"], aen.load(run).state_dict(), figures(run))


def figures(run: Path) -> dict[str, Any]:
    """Return what a search found, without times and counts of what was trained."""
    summary = RunFolder(run).summary() or {}
    free = ("seconds", "children_trained", "children_trained_in_all", "notices", "provenance", "sha256")
    return {key: value for key, value in summary.items() if key not in free}


def problems_of(case: Case, folder: Path, truth: Truth, *, weights: bool, slow: bool = True) -> Iterator[str]:
    """Damage a copy of a run, and yield what is wrong with how it is then shown.

    Args:
        case: the damage.
        folder: with the undamaged runs.
        truth: what they show.
        weights: whether the content of damaged weights is compared.
        slow: whether it is also reported and resumed.
    """
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "runs").mkdir(parents=True)
    run = work / "runs" / "run"
    shutil.copytree(folder / case.run, run)
    shutil.copytree(folder / "other", work / "runs" / "second")
    DAMAGES[case.damage](run / case.file, folder / "other" / case.file, random.Random(str(case)))  # noqa: S311 - as above
    tried: dict[str, Callable[[], Iterator[str]]] = {
        "list": lambda: _listed(work / "runs"),
        "status": lambda: _status(run, truth, compare=case.file != "history.jsonl"),
        "load": lambda: _loaded(run, truth, compare=weights or not case.file.endswith(WEIGHTS)),
        "export": lambda: _exported(run, work),
        "report": lambda: _reported(run, work),
        "resume": lambda: _resumed(case, run, truth, compare=weights or not case.file.endswith(WEIGHTS)),
    }
    for name, look in tried.items():
        if name in {"report", "resume"} and not slow:
            continue
        try:
            for problem in look():
                yield f"{name}: {problem}"
        except TooSlow:
            yield f"{name}: not done after {SECONDS:.0f} s"
        except Exception as error:  # noqa: BLE001 - a traceback for the user
            yield f"{name}: {type(error).__name__}: {str(error)[:300]}"


def _said(status: int, errors: str) -> Iterator[str]:
    if status not in {0, 2}:
        yield f"exit status {status}"
    if "Traceback" in errors or "too little memory" in errors or len(errors) > 4000:
        yield f"says {errors[-300:]!r}"
    if status == 2 and not errors.strip():
        yield "fails without a word"


def _listed(runs: Path) -> Iterator[str]:
    status, output, errors = command("list", str(runs), "--json")
    yield from _said(status, errors)
    if "second" not in output:
        yield "the other run is not listed"


def _status(run: Path, truth: Truth, *, compare: bool) -> Iterator[str]:
    status, output, errors = command("status", str(run), "--json")
    if status == 0 or output:
        view = json.loads(output)
        if status == 0:
            for what in ("best", "winner"):
                if compare and view[what] not in (None, getattr(truth, what)):
                    yield f"shows {what} {view[what]}, not {getattr(truth, what)}"
        elif not view["message"]:
            yield "is not readable, without a reason"
    else:
        yield from _said(status, errors)


def _loaded(run: Path, truth: Truth, *, compare: bool) -> Iterator[str]:
    try:
        with limited(SECONDS):
            loaded = aen.load(run).state_dict()
    except AenError:
        return
    same = loaded.keys() == truth.weights.keys() and all(
        (loaded[name] == value).all() for name, value in truth.weights.items()
    )
    if compare and not same:
        yield "returns another network"


def _exported(run: Path, work: Path) -> Iterator[str]:
    status, _, errors = command("export", str(run), "--to", "safetensors", "--out", str(work / "exported"))
    yield from _said(status, errors)


def _reported(run: Path, work: Path) -> Iterator[str]:
    status, _, errors = command("report", str(run), "--out", str(work / "report.html"))
    yield from _said(status, errors)


def _resumed(case: Case, run: Path, truth: Truth, *, compare: bool) -> Iterator[str]:
    status, _, errors = command("resume", str(run))
    yield from _said(status, errors)
    if status == 0 and compare:
        now = figures(run)
        for key, value in truth.summary.items():
            if now.get(key) != value:
                yield f"then {key} is {str(now.get(key))[:100]}, not {str(value)[:100]}"
    del case


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10**6, help="cases (default: all)")
    parser.add_argument("--minutes", type=float, default=14, help="after which no further case begins (default: 14)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", action="store_true", help="compare the content of damaged weights, too")
    parser.add_argument("--only", default="", help="only cases whose name holds this text")
    options = parser.parse_args()
    console, started = Console(), time.monotonic()
    with suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # a file without end must not fill the machine
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_runs(folder)
        truth = Truth.of(folder)
        found = [case for case in cases_of(folder, options.seed) if options.only in str(case)][: options.count]
        tried = 0
        for case in track(found, "damaged files", console=console):
            if time.monotonic() - started > 60 * options.minutes:
                break
            tried += 1
            problems = list(problems_of(case, folder, truth, weights=options.weights))
            if problems:
                failed.append(str(case))
                again = f"python {sys.argv[0]} --seed {options.seed} --only {str(case)!r}"
                console.print(f"{case}: {'; '.join(problems)}\n  again: {again}", markup=False, soft_wrap=True)
    print_row(console, "damaged files", (tried, len(found)), len(failed), started)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
