"""The service: how fast its answers are with many runs while searches train beside it, and what watchers cost.

`make bench-service` runs it all: a folder with 1,000 runs, one of them with 100,000 children; two searches train on the
same processor while everything is measured. Everything stays on this machine.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from common import print_table
from service_paint import chromium, first_paints
from service_runs import NAME, make_root

WATCHERS = 200
EVENTS = 20  # a second
WATCH_SECONDS = 20.0
REQUESTS = 60
# Searches that last as long as the benchmark: the numbers of other rows are measured beside them.
TRAINING = {
    "budget.children": 20_000,
    "budget.steps": 1_000_000,
    "training.epochs": 100,
    "agent.first_visits": "states",
}


@dataclass(frozen=True)
class Server:
    """A service that runs.

    Attributes:
        client: with an operator's token.
        pid: of its process.
        token: the secret.
    """

    client: httpx.Client
    pid: int
    token: str


@contextmanager
def serving(root: Path, *, parallel: int = 2) -> Iterator[Server]:
    """Start `aen serve` in a process of its own."""
    command = [
        *(sys.executable, "-c", "import sys; from aen_service.main import main; sys.exit(main())", "serve"),
        *("--root", str(root), "--port", "0", "--parallel", str(parallel)),
    ]
    link = root / ".aen-service" / "first-link.txt"
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, text=True)
        try:
            while not (found := re.search(rb" at (http://\S+)", os.pread(errors.fileno(), 2**16, 0))):
                assert process.poll() is None, "the service does not start"
                time.sleep(0.01)
            token = link.read_text().partition("#")[2].strip()
            client = httpx.Client(
                base_url=found[1].decode(), headers={"Authorization": f"Bearer {token}"}, timeout=60.0, trust_env=False
            )
            with client:
                while True:
                    try:
                        client.get("/healthz")
                        break
                    except httpx.TransportError:
                        time.sleep(0.01)
                yield Server(client, process.pid, token)
        finally:
            process.terminate()
            process.wait()


def wait_for_index(client: httpx.Client, runs: int) -> float:
    """Wait until all runs are listed; return the seconds."""
    started = time.perf_counter()
    while client.get("/api/v1/searches?size=1").json()["total"] < runs:
        time.sleep(0.1)
    return time.perf_counter() - started


def answers(server: Server, search: str, others: list[str]) -> list[tuple[str, float, float, float, float]]:
    """Return of each request what it is, and in milliseconds: first answer, median, 95th percentile, processor time.

    The processor time is that of the whole server, also of what it does beside the answers.
    """
    one = f"/api/v1/searches/{search}"
    requests = {
        "list of searches": "/api/v1/searches?size=50&page={n}",
        "list, by accuracy, filtered": "/api/v1/searches?sort=-accuracy&state=complete&name=dig&page={n}",
        "children, by accuracy": f"{one}/children?size=50&page={{n}}",
        "children, by finish, filtered": f"{one}/children?sort=-finished&name=rot90&status=ok&page={{n}}",
        "children, by factors": f"{one}/children?sort=factors&page={{n}}",
        "classes": f"{one}/classes?page={{n}}",
        "classes, by factors": f"{one}/classes?sort=factors&page={{n}}",
        "curve, 500 points": f"{one}/curve?points=500",
        "lattice": f"{one}/lattice",
        "agent": f"{one}/agent",
        "workers": f"{one}/workers",
        "failures": f"{one}/failures",
        "log, last 200 lines": f"{one}/log",
        "log, in the middle": f"{one}/log?after={{n}}0000",
        "summary": f"{one}/summary",
        "files": f"{one}/files",
        "a search": one,
        "compare 8": "/api/v1/compare?" + "&".join(f"search={each}" for each in [search, *others[:7]]),
    }
    rows = []
    for name, path in requests.items():
        times, cpu = [], 0.0
        for number in range(REQUESTS + 1):
            started = time.perf_counter()
            answer = server.client.get(path.format(n=number % 9 + 1))
            times.append(1000 * (time.perf_counter() - started))
            assert answer.status_code == httpx.codes.OK, (path, answer.text)
            cpu = _cpu_seconds(server.pid) if number == 0 else cpu
        cpu = 1000 * (_cpu_seconds(server.pid) - cpu) / REQUESTS
        rows.append((name, times[0], statistics.median(times[1:]), statistics.quantiles(times[1:], n=20)[-1], cpu))
    return rows


def watch(server: Server, search: str, log: Path) -> dict[str, float]:
    """Return the delays of events at many watchers, and what the server needs meanwhile."""
    ended = threading.Event()
    writer = threading.Thread(target=_write_events, args=(log, ended))
    address = str(server.client.base_url)
    program = [sys.executable, __file__, "--watch", address, search, str(WATCHERS), str(WATCH_SECONDS)]
    watchers = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert watchers.stdin is not None
    assert watchers.stdout is not None
    watchers.stdin.write(f"{server.token}\n")
    watchers.stdin.flush()
    assert watchers.stdout.readline() == "connected\n"
    writer.start()
    before, started = _cpu_seconds(server.pid), time.perf_counter()
    result: dict[str, float] = json.loads(watchers.stdout.readline())
    cores = (_cpu_seconds(server.pid) - before) / (time.perf_counter() - started)
    ended.set()
    writer.join()
    watchers.wait()
    return result | {"cores": cores, "megabytes": _megabytes(server.pid)}


def _write_events(log: Path, ended: threading.Event) -> None:
    with log.open("ab", buffering=0) as file:
        while not ended.wait(1 / EVENTS):
            line = {
                "time": "",
                "run": NAME,
                "event": "notice",
                "text": "benchmark",
                "sent": time.time(),
                "pad": "x" * 200,
            }
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


async def _watch_all(address: str, search: str, token: str, watchers: int, seconds: float) -> None:
    url = httpx.URL(address)
    delays: list[float] = []
    counts: list[int] = []
    ready = asyncio.Semaphore(0)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**20)
        request = f"GET /api/v1/searches/{search}/events HTTP/1.1\r\nHost: {url.host}\r\n"
        writer.write(f"{request}Authorization: Bearer {token}\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        ready.release()
        count = 0
        try:
            while line := await reader.readline():
                if line.startswith(b"data: ") and (at := line.find(b'"sent":')) > 0:
                    delays.append(time.time() - float(line[at + 7 : line.find(b",", at + 7)]))
                    count += 1
        finally:
            counts.append(count)
            writer.close()

    tasks = [asyncio.create_task(one()) for _ in range(watchers)]
    for _ in tasks:
        await ready.acquire()
    print("connected", flush=True)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    result = {
        "p50": statistics.median(delays),
        "p95": statistics.quantiles(delays, n=20)[-1],
        "events": len(delays),
        "fewest": min(counts),
    }
    print(json.dumps(result), flush=True)


def remote_evaluator(server: Server) -> list[tuple[str, str]]:
    """Return what a trivial child costs over HTTP, and how many are trained if two clients ask for the same ones."""
    try:
        from aen_service import RemoteEvaluator
    except ImportError:
        return []
    from aen.children import DenseSpec, TrainingSpec
    from aen.data import DataSpec

    data = DataSpec("digits", train=60, validation=60, test=60)
    specs = [DenseSpec(data=data, grids=(8, 1), training=TrainingSpec(epochs=1), seed=seed) for seed in range(1000)]
    address = str(server.client.base_url)

    def trained() -> int:
        return int(server.client.get("/api/v1/evaluations").json()["trained"])

    before = trained()

    def ask() -> None:
        evaluator = RemoteEvaluator(address, server.token)
        for future in evaluator.submit(specs):
            future.result()
        evaluator.close()

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    new = trained() - before
    started = time.perf_counter()
    ask()
    each = 1000 * (time.perf_counter() - started) / len(specs)
    return [
        ("remote evaluator: a child that is stored, in batches", f"{each:.2f} ms"),
        ("two clients that ask for the same 1,000 children", f"{new:,} trained"),
    ]


def paint_rows(browser: Any, server: Server, search: str, when: str) -> list[tuple[str, str]]:  # noqa: ANN401
    """Return when Chromium shows the page of a search, the first time and again, and the bytes that are sent."""
    if browser is None:
        return [(f"first paint {when}", "not measured: there is no Chromium or no Playwright")]
    paints = first_paints(browser, str(server.client.base_url), f"/searches/{search}", server.token, count=4)
    return [
        (
            f"first paint {when}, {cache} cache",
            f"{paint.painted:.2f} s, first byte {paint.answered:.2f} s, all {paint.complete:.2f} s, {paint.sent:,} B",
        )
        for cache, paint in (("empty", paints[0]), ("filled", paints[-1]))
    ]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return 0.0 if found is None else int(found[1]) / 1000


def measure(folder: Path, *, runs: int, children: int) -> None:
    """Measure everything, and print the tables."""
    root = folder / "runs"
    make_root(root, runs=runs - 1, children=children)
    with serving(root) as server:
        client = server.client
        listed = wait_for_index(client, runs)
        found: list[dict[str, Any]] = client.get("/api/v1/searches?size=200").json()["items"]
        pages = [client.get(f"/api/v1/searches?size=200&page={n}").json()["items"] for n in range(2, runs // 200 + 2)]
        by_path = {each["view"]["path"]: each["id"] for page in [found, *pages] for each in page}
        search = by_path.pop(NAME)
        idle = _cpu_seconds(server.pid), time.perf_counter()
        time.sleep(10)
        idle_cores = (_cpu_seconds(server.pid) - idle[0]) / (time.perf_counter() - idle[1])
        training = [
            client.post("/api/v1/searches", json={"preset": "digits", "overrides": TRAINING | {"seed": seed}}).json()[
                "id"
            ]
            for seed in range(2)
        ]
        while any(not (now := client.get(f"/api/v1/searches/{each}").json())["children"] for each in training):
            assert now["state"] in ("queued", "running"), now["message"]
            time.sleep(0.5)
        rows = answers(server, search, list(by_path.values()))
        watched = watch(server, search, root / NAME / "log.jsonl")
        with chromium() as browser:
            painted = paint_rows(browser, server, search, "later")
        rewards = remote_evaluator(server)
        for each in training:
            client.post(f"/api/v1/searches/{each}/stop")
        while any(client.get(f"/api/v1/searches/{each}").json()["state"] == "stopping" for each in training):
            time.sleep(0.5)
    with chromium() as browser, serving(root) as server:  # the service is started again; nothing trains
        painted = paint_rows(browser, server, search, "right after the start") + painted
    print_table(
        f"{runs:,} runs, one with {children:,} children, two searches training: milliseconds",
        ("answer", "first", "p50", "p95", "server's CPU"),
        [(name, *(f"{value:.1f}" for value in values)) for name, *values in rows],
    )
    print_table(
        f"{WATCHERS} watchers, {EVENTS} events a second, two searches training",
        ("what", "measured"),
        [
            ("delay of an event, p50", f"{watched['p50']:.2f} s"),
            ("delay of an event, p95", f"{watched['p95']:.2f} s"),
            ("events at the watcher with the fewest", f"{watched['fewest']:.0f}"),
            ("server, cores", f"{watched['cores']:.2f}"),
            ("server, memory", f"{watched['megabytes']:.0f} MB"),
            (f"server, cores, with {runs:,} runs and no client", f"{idle_cores:.3f}"),
            (f"until {runs:,} runs are listed after a first start", f"{listed:.1f} s"),
            *rewards,
            *painted,
        ],
    )


def main() -> None:
    """Run the benchmark, or its watchers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--children", type=int, default=100_000)
    parser.add_argument(
        "--watch", nargs=4, metavar=("ADDRESS", "SEARCH", "WATCHERS", "SECONDS"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    if options.watch:
        address, search, watchers, seconds = options.watch
        token = sys.stdin.readline().strip()
        asyncio.run(_watch_all(address, search, token, int(watchers), float(seconds)))
        return
    with tempfile.TemporaryDirectory(prefix="aen-bench-") as folder:
        measure(Path(folder), runs=options.runs, children=options.children)


if __name__ == "__main__":
    main()
