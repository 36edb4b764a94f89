"""Kills a service and its searches at random moments, and compares what they did with what they should have done.

    python tests/torture/service_kills.py --count 20 --seed 0

A *round* is one service with a few searches and a watcher of each. Its server is killed and started again, and
processes of searches are killed, until all searches have come to their end. Then every search is complete, no two
processes ever worked on one, no result is in a history twice, and each watcher has had every line of the log once, in
order. Each is killed so many times in all rounds together.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.tiny_search import TINY
from torture.outcome import print_row

from aen.errors import AenError
from aen_service.client import Client
from aen_service.errors import UnavailableError

MAIN = "import sys; from aen_service.main import main; sys.exit(main())"
SEARCHES = 2  # of a round
KILLS = 3  # of the server, and of searches, in a round; a search is resumed at most three times
ROUND_SECONDS = 400.0
START_SECONDS = 60.0
T = TypeVar("T")
POLL_SECONDS = 0.01  # of the look at processes


@dataclass
class Round:
    """A service that is killed a few times, with its searches.

    Attributes:
        seed: of the moments.
        servers: how often the server is killed.
        searches: how often the process of a search is.
        failures: what did not hold.
        killed: how many servers and how many searches were killed.
    """

    seed: int
    servers: int = KILLS
    searches: int = KILLS
    failures: list[str] = field(default_factory=list)
    killed: list[int] = field(default_factory=lambda: [0, 0])

    def fail(self, text: str) -> None:
        self.failures.append(f"seed {self.seed}: {text}")


class Server:
    """`aen serve`, as a process on a port that stays the same.

    Args:
        folder: in which the root of the runs and the output are.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.output = folder / "runs", folder / "serve.txt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self._start()
        self._wait()
        self.token = (self.root / ".aen-service" / "first-link.txt").read_text().partition("#")[2].strip()

    def _start(self) -> "subprocess.Popen[bytes]":
        words = ["serve", "--root", str(self.root), "--port", str(self.port), "--parallel", str(SEARCHES)]
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", MAIN, *words],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError, httpx.HTTPError):
                httpx.get(f"{self.url}/healthz", timeout=5)
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the service does not start: {self.output.read_text()[-500:]}")
            time.sleep(0.02)

    def kill(self, *, wait: bool) -> None:
        """Kill it and start it again, at once or once it answers."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()
        if wait:
            self._wait()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Processes(threading.Thread):
    """Looks at the processes of searches all the time.

    Args:
        root: of the runs.
        fail: called with what must not be.
    """

    def __init__(self, root: Path, round_: Round) -> None:
        super().__init__(daemon=True)
        self._mark, self._round = f"\0{root.absolute()}/".encode(), round_
        self.now: dict[bytes, set[int]] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(POLL_SECONDS):
            found: dict[bytes, set[int]] = {}
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                with suppress(OSError):
                    command = (entry / "cmdline").read_bytes()
                    if b"\0--out\0" not in command or self._mark not in command:  # its workers have other words
                        continue
                    if (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX":
                        found.setdefault(command.rstrip(b"\0").rpartition(b"\0")[2], set()).add(int(entry.name))
            for run, pids in found.items():
                if len(pids) > 1:
                    self._round.fail(f"{len(pids)} processes work on {os.fsdecode(run)}: {pids}")
            self.now = found


class Watcher(threading.Thread):
    """Watches a search until it has ended.

    Args:
        server: that has it.
        search: its identifier.
    """

    def __init__(self, server: Server, search: str) -> None:
        super().__init__(daemon=True)
        self._server, self._search = server, search
        self.lines: list[int] = []
        self.error: str | None = None

    def run(self) -> None:
        try:
            with Client(self._server.url, self._server.token, patience=ROUND_SECONDS) as client:
                for event in client.events(self._search):
                    if event.id is not None:
                        self.lines.append(event.id)
        except AenError as error:
            self.error = str(error)


def run_round(round_: Round) -> Round:
    """Kill a service and its searches until they have come to their end, and compare."""
    random_ = random.Random(round_.seed)  # noqa: S311 - moments of kills
    folder = Path(tempfile.mkdtemp(prefix="s", dir="/tmp"))
    server = Server(folder)
    processes = Processes(server.root, round_)
    processes.start()
    try:
        _play(round_, random_, server, processes)
    finally:
        processes.ended.set()
        processes.join()
        server.end()
        for pids in processes.now.values():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    if round_.failures:
        round_.failures.append(f"the files of these failures are kept in {folder}")
    else:
        shutil.rmtree(folder)
    return round_


def _play(round_: Round, random_: random.Random, server: Server, processes: Processes) -> None:
    client = Client(server.url, server.token)
    config = TINY | {"training": {"epochs": 4}}
    ids = [
        _patiently(partial(client.submit, config=config | {"name": f"tiny{number}", "seed": number})).id
        for number in range(SEARCHES)
    ]
    watchers = [Watcher(server, search) for search in ids]
    for watcher in watchers:
        watcher.start()
    kills = ["server"] * round_.servers + ["search"] * round_.searches
    random_.shuffle(kills)
    deadline = time.monotonic() + ROUND_SECONDS
    for victim in kills:
        # Right after the last kill, while processes start, and while they work.
        time.sleep(random_.choice([0.0, random_.random() * 0.3, random_.random() * 2, random_.random() * 6]))
        if victim == "server":
            server.kill(wait=random_.random() < 0.5)
            round_.killed[0] += 1
            continue
        while time.monotonic() < deadline:
            running = [pid for pids in processes.now.values() for pid in pids]
            if running:
                with suppress(ProcessLookupError):
                    os.kill(random_.choice(running), signal.SIGKILL)
                    round_.killed[1] += 1
                break
            if all(_patiently(partial(client.get, search)).has_ended for search in ids):
                break
            time.sleep(0.01)
    for number, (search, watcher) in enumerate(zip(ids, watchers, strict=True)):
        ended = client.wait(search, timeout=max(deadline - time.monotonic(), 1.0), poll=0.2)
        if ended.state != "complete":
            round_.fail(f"search {search} is {ended.state}: {ended.message}")
        watcher.join(60)
        _check(round_, server.root, f"tiny{number}", watcher)


def _check(round_: Round, root: Path, name: str, watcher: Watcher) -> None:
    run = next(root.glob(f"{name}-*"), None)
    if run is None:
        round_.fail(f"search {name} has no run folder")
        return
    lines = (run / "log.jsonl").read_text().splitlines()
    if watcher.is_alive() or watcher.error:
        round_.fail(f"the watcher of {name} has not come to an end: {watcher.error}")
    elif watcher.lines != list(range(1, len(lines) + 1)):
        missing = sorted(set(range(1, len(lines) + 1)) - set(watcher.lines))
        round_.fail(f"the log has {len(lines)} lines, the watcher had {len(watcher.lines)}; it misses {missing[:10]}")
    history = (run / "history.jsonl").read_text().splitlines()
    if len(set(history)) < len(history):
        round_.fail(f"a line is in the history of {run.name} twice")
    started = [json.loads(line) for line in lines]
    if sum(line["event"] == "ended" and line.get("state") == "complete" for line in started) > 1:
        round_.fail(f"{run.name} came to its end twice")


def _patiently(ask: Callable[[], T]) -> T:
    """Ask until the service answers, which is just being started again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return ask()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def why_not() -> str | None:
    """Return why this machine cannot run the test, or None."""
    return None if Path("/proc/self/cmdline").exists() else "processes are looked up in /proc"


def rounds_of(count: int, seed: int) -> list[Round]:
    """Return rounds in which so many servers, and as many searches, are killed."""
    numbers = [min(KILLS, count - start) for start in range(0, count, KILLS)]
    return [Round(seed + number, kills, kills) for number, kills in enumerate(numbers)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="kills of servers, and of searches (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="rounds at a time (default: 1)")
    options = parser.parse_args()
    console, reason = Console(), why_not()
    if reason is not None:
        console.print(f"skipped: {reason}")
        return 0
    started = time.monotonic()
    rounds = rounds_of(options.count, options.seed)
    with ThreadPoolExecutor(options.jobs) as pool:
        for round_ in track(pool.map(run_round, rounds), "killing", total=len(rounds), console=console):
            if not console.is_terminal:  # where the bar is not drawn
                killed = f"{round_.killed[0]} servers and {round_.killed[1]} searches killed"
                console.print(f"seed {round_.seed}: {killed}, {len(round_.failures)} failures", highlight=False)
            for failure in round_.failures:
                console.print(failure, markup=False)
    failed = sum(bool(round_.failures) for round_ in rounds)
    tried = tuple(sum(round_.killed[which] for round_ in rounds) for which in (0, 1))
    print_row(console, f"kills in {len(rounds)} services", (sum(tried), 2 * options.count), failed, started)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
