"""Kills processes of searches at random moments, resumes the searches, and compares their results with a whole one's.

    python tests/torture/kills.py --count 100 --seed 0

A *chain* is one run: it is killed a few times, resumed after each, and then runs to its end. After every kill nothing
of the search may be left within 60 seconds: no process, no temporary file, no shared memory. In the end the results
are those of a run that was never killed, and no key is in the history or the store twice.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.tiny_search import TINY
from torture.outcome import print_row

LEFT_SECONDS = 60.0  # after which nothing may be left
RUN_SECONDS = 300.0  # in which a run must end
LOST_SECONDS = 60.0  # in which a search must end whose raylet was killed; docs/scale.md promises 15, and 45 for a GCS
SEARCH = TINY | {"agent": {"name": "exhaustive", "seeds": 1}, "evaluator": {"workers": 2}}
RAY = SEARCH | {"evaluator": {"kind": "ray", "workers": 2, "cpus_per_worker": 0.5}}
SWEEP = {"name": "sweep", "search": "search.yaml", "grid": {"seed": [0, 1]}, "overrides": ["evaluator.workers=1"]}
# What is killed, in which kind of run, and how many of a hundred kills: those with Ray take several times as long.
TARGETS = {
    "driver": ("local", 52),
    "worker": ("local", 26),
    "Ray's driver": ("ray", 6),
    "Ray's worker": ("ray", 4),
    "raylet": ("ray", 4),
    "GCS": ("ray", 4),
    "sweep": ("sweep", 4),
}
KILLS_IN_A_CHAIN = 4
MAIN = "import sys; from aen_agents.cli.main import main; sys.exit(main())"


@dataclass
class Chain:
    """A run that is killed a few times.

    Attributes:
        target: which process is killed; a key of `TARGETS`.
        kills: how many times.
        seed: of the moments.
        failures: what did not hold, each with what reproduces it.
        done: number of kills that met a process.
    """

    target: str
    kills: int
    seed: int
    failures: list[str] = field(default_factory=list)
    done: int = 0

    @property
    def kind(self) -> str:
        return TARGETS[self.target][0]

    def fail(self, text: str) -> None:
        self.failures.append(f"{self.target}, seed {self.seed}, kill {self.done}: {text}")


class Run:
    """The files of a run, and a temporary folder of its own.

    Args:
        root: a folder with a short path, since sockets are made there.
        kind: ``local``, ``ray`` or ``sweep``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind
        self.out = root / "run"
        self.temporary = root / "t"
        self.temporary.mkdir()
        (root / "search.yaml").write_text(yaml.safe_dump(RAY if kind == "ray" else SEARCH))
        (root / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))

    def start(self) -> "subprocess.Popen[bytes]":
        words = ["search", "search.yaml"] if self.kind != "sweep" else ["sweep", "sweep.yaml"]
        environment = os.environ | {"TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"}
        for name in ("RAY_ADDRESS", "RAY_TMPDIR"):
            environment.pop(name, None)
        with (self.root / "output").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", MAIN, *words, "--out", "run"],
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finish(self) -> str | None:
        """Run to the end; return what went wrong."""
        process = self.start()
        try:
            code = process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return f"it did not end within {RUN_SECONDS:g} s"
        return None if code == 0 else f"it ended with status {code}: {self.output()}"

    def output(self) -> str:
        return (self.root / "output").read_text(errors="replace")[-500:]

    def processes(self) -> dict[int, str]:
        """Return number and command of every process that runs in the folder or was started with its environment."""
        found, marks = {}, (str(self.root).encode(), os.fsencode(self.temporary))
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX":
                        continue
                    command = (entry / "cmdline").read_bytes()
                    known = os.fsencode(os.readlink(entry / "cwd")) + command + (entry / "environ").read_bytes()  # noqa: PTH115
                    if any(mark in known for mark in marks):
                        found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def left(self) -> list[str]:
        """Return what is left of killed processes: processes, temporary files, shared memory."""
        commands = [f"process {pid} ({command[:100]})" for pid, command in self.processes().items()]
        files = [str(path) for path in self.temporary.iterdir()]
        memory = [str(path) for path in Path("/dev/shm").glob("plasma*") if path.stat().st_uid == os.getuid()]  # noqa: S108
        return commands + files + memory

    def results(self) -> object:
        """Return what does not depend on time: the rows of the store, and what was selected."""
        summaries = sorted(self.out.rglob("summary.json"))
        selected = []
        for path in summaries:
            summary = json.loads(path.read_text())
            selected.append([summary.get(key) for key in ("status", "winner", "baseline", "selection", "effects")])
        with closing(sqlite3.connect(self.out / "results.sqlite")) as connection:
            columns = "key, seed, status, train_loss, validation_loss, validation_accuracy, parameters, epochs, spec"
            rows = connection.execute(f"SELECT {columns} FROM evaluations ORDER BY key").fetchall()
            leases = connection.execute("SELECT count(*) FROM leases").fetchone()
        return rows, leases, selected if self.kind != "sweep" else len(selected)

    def twice(self) -> list[str]:
        """Return what is in a history twice."""
        found = []
        for path in self.out.rglob("history.jsonl"):
            lines = path.read_text().splitlines()
            found += [line for line in set(lines) if lines.count(line) > 1]
        return found


def moment(random_: random.Random, run: Run, process: "subprocess.Popen[bytes]", target: str) -> int | None:
    """Wait for a random moment; return the process to be killed, or None if there was none before the end."""
    deadline = time.monotonic() + RUN_SECONDS
    if target in ("driver", "Ray's driver", "sweep") and random_.random() < 0.3:
        time.sleep(random_.random() ** 3)  # in its first milliseconds, often
        return process.pid
    names = {
        "driver": "aen.evaluators.worker",
        "worker": "aen.evaluators.worker",
        "Ray's driver": "raylet",
        "Ray's worker": "default_worker.py ray::",
        "raylet": "/raylet/raylet",
        "GCS": "gcs_server",
        "sweep": "default_worker.py ray::",
    }[target].split()
    while process.poll() is None and time.monotonic() < deadline:
        found = [pid for pid, command in run.processes().items() if any(name in command for name in names)]
        found = [pid for pid in found if pid != process.pid]
        if found:
            # From the first moment of the workers to their work.
            time.sleep(random_.choice([0.0, random_.random() * 0.1, random_.random() * 2, random_.random() * 6]))
            return process.pid if target in ("driver", "Ray's driver", "sweep") else random_.choice(found)
        time.sleep(0.005)
    return None


def kill_once(chain: Chain, run: Run, random_: random.Random) -> None:
    """Start or resume a run, kill a process of it, and see what is left."""
    process = run.start()
    victim = moment(random_, run, process, chain.target)
    if victim is not None:
        chain.done += process.poll() is None
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    limit = LOST_SECONDS if chain.target in ("raylet", "GCS") else RUN_SECONDS  # other searches go on to their end
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        chain.fail(f"the search has not ended {limit:g} s after the kill: {run.output()}")
        process.kill()
        process.wait()
    if "Traceback" in run.output():
        chain.fail(f"a traceback: {run.output()}")
    killed = time.monotonic() if victim != process.pid else killed
    while (left := run.left()) and time.monotonic() < killed + LEFT_SECONDS:
        time.sleep(0.1)
    if left:
        chain.fail(f"left {LEFT_SECONDS:g} s after the end: {'; '.join(left)}")
        for pid in run.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in run.temporary.iterdir():
            shutil.rmtree(path, ignore_errors=True)


def run_chain(chain: Chain, expected: dict[str, object], deadline: float = float("inf")) -> Chain:
    """Kill a run a few times, let it end, and compare."""
    random_ = random.Random(f"{chain.target} {chain.seed}")  # noqa: S311 - moments of kills
    root = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    run = Run(root, chain.kind)
    for _ in range(chain.kills):
        if time.monotonic() > deadline:
            break
        kill_once(chain, run, random_)
    error = run.finish()
    if error is not None:
        chain.fail(f"resumed, {error}")
    elif run.results() != expected[chain.kind]:
        chain.fail("the results differ from those of a run that was never killed")
    elif run.twice():
        chain.fail(f"twice in the history: {run.twice()[0]}")
    elif parts := [str(path) for path in run.out.rglob("*.part")]:
        chain.fail(f"temporary files in the run folder: {', '.join(parts)}")
    if chain.failures:
        chain.failures.append(f"the run of these failures is kept in {root}")
    else:
        shutil.rmtree(root)
    return chain


def whole_run(kind: str) -> object:
    """Return the results of a run that nothing kills."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as root:
        run = Run(Path(root), kind)
        error = run.finish()
        if error is not None:
            raise SystemExit(f"a {kind} run that nothing kills failed: {error}")
        return run.results()


def chains_of(count: int, seed: int, targets: list[str]) -> list[Chain]:
    """Return chains with so many kills together, in the proportions of `TARGETS`."""
    total = sum(TARGETS[target][1] for target in targets)
    chains: list[Chain] = []
    taken = parts = 0
    for target in targets:
        parts += TARGETS[target][1]
        kills = round(count * parts / total) - taken
        taken += kills
        starts = range(0, kills, KILLS_IN_A_CHAIN)
        chains += [Chain(target, min(KILLS_IN_A_CHAIN, kills - start), seed + start) for start in starts]
    return chains


def why_not() -> str | None:
    """Return why this machine cannot run the test, or None."""
    if not Path("/proc/self/environ").exists():
        return "processes are looked up in /proc"
    return "two workers need two cores" if (os.cpu_count() or 1) < 2 else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="number of kills (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--only", choices=TARGETS, action="append", help="kill only this process; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (default: 2)")
    parser.add_argument("--minutes", type=float, default=13, help="after which no further kill begins (default: 13)")
    options = parser.parse_args()
    console, reason = Console(), why_not()
    if reason is not None:
        console.print(f"skipped: {reason}")
        return 0
    started = time.monotonic()
    deadline = started + 60 * options.minutes
    chains = chains_of(options.count, options.seed, options.only or list(TARGETS))
    with ThreadPoolExecutor(options.jobs) as pool:
        kinds = list(dict.fromkeys(chain.kind for chain in chains))
        expected = dict(zip(kinds, pool.map(whole_run, kinds), strict=True))
        done = pool.map(lambda chain: run_chain(chain, expected, deadline), chains)
        for chain in track(done, "killing", total=len(chains), console=console):
            if not console.is_terminal:  # where the bar is not drawn
                console.print(f"{chain.target}: {chain.done} kills, {len(chain.failures)} failures", highlight=False)
            for failure in chain.failures:
                console.print(failure, markup=False)
    failed = sum(bool(chain.failures) for chain in chains)
    tried = sum(chain.done for chain in chains)
    print_row(console, f"kills in {len(chains)} runs", (tried, options.count), failed, started)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
