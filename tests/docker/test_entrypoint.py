"""The images' entry point, run natively: what it says to bad input, and a whole cluster on loopback."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
TOKEN = "not-to-be-seen-" + "7" * 32
PATIENCE = 240.0  # a cluster starts in 20 s on two free cores


def _environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a container: nothing of this machine's but the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    role_file = str(home / "role")
    return {
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(home),
        "OMP_NUM_THREADS": "1",
        "AEN_CACHE": os.environ["AEN_CACHE"],
        "AEN_ROLE_FILE": role_file,
    } | more


def _run(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ENTRYPOINT), *words],
        cwd=ROOT,
        env=_environment(home, **environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_bash_can_read_it() -> None:
    assert os.access(ENTRYPOINT, os.X_OK)
    subprocess.run(["bash", "-n", str(ENTRYPOINT)], check=True)


ADDRESS = {"RAY_ADDRESS": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["haed"], {}, "'haed' is no role and no command of aen. Roles are head, worker, search, resume"),
        (["worker"], {}, "worker needs RAY_ADDRESS, the head's host:port"),
        (["search", "configs/digits.yaml"], {}, "A search in this container alone is: aen search CONFIG"),
        (["search"], ADDRESS, "search needs a config first"),
        (["search", "--out", "x", "configs/digits.yaml"], ADDRESS, "search needs a config first"),
        (["search", "configs/digit.yaml"], ADDRESS | {"RAY_AUTH_TOKEN": "t"}, "'configs/digit.yaml' does not exist"),
        (
            ["search", "digit"],
            ADDRESS | {"RAY_AUTH_TOKEN": "t"},
            "config 'digit' does not exist in this container; mount",
        ),
        (["search", "gcnn/digits"], ADDRESS, "the nodes of a cluster share a token, and there is none here"),
        (["worker"], {"RAY_ADDRESS": "head"}, "RAY_ADDRESS is 'head'; give host:port"),
        (["worker"], ADDRESS, "the nodes of a cluster share a token, and there is none here"),
        (["head"], {}, "the nodes of a cluster share a token, and there is none here"),
        (["head"], {"RAY_AUTH_TOKEN_PATH": "/no/such"}, "RAY_AUTH_TOKEN_PATH is '/no/such', which cannot be read"),
        (["head"], {"RAY_AUTH_TOKEN_PATH": "/dev/null"}, "RAY_AUTH_TOKEN_PATH is '/dev/null', which is empty"),
        *(
            (
                words,
                environment | {"RAY_AUTH_TOKEN": "t", "RAY_AUTH_MODE": mode},
                f"RAY_AUTH_MODE is '{mode}'; set it to token",
            )
            for words, environment in ((["head"], {}), (["worker"], ADDRESS), (["search", "digits"], ADDRESS))
            for mode in ("enabled", "true", " token", "off")
        ),
        (["head"], {"RAY_PORT": "http"}, "RAY_PORT is 'http'; give a whole number, such as 6379"),
        (["worker"], {"AEN_WAIT": "soon"}, "AEN_WAIT is 'soon'; give a whole number"),
        (["search", "x.yaml"], {"AEN_WORKERS": "-1"}, "AEN_WORKERS is '-1'; give a whole number"),
        (["worker"], ADDRESS | {"RAY_AUTH_TOKEN": "t", "AEN_WAIT": "1"}, "nobody listens at RAY_ADDRESS=127.0.0.1:1"),
        (["serve"], {"AEN_SERVICE_PORT": "http"}, "AEN_SERVICE_PORT is 'http'; give a whole number, such as 8700"),
        (["serve"], {"AEN_RAY_JOBS": "head"}, "AEN_RAY_JOBS is 'head'; give the address of the head's dashboard"),
        (
            ["serve"],
            {"AEN_RAY_JOBS": "http://127.0.0.1:1", "AEN_WAIT": "1"},
            "nobody listens at AEN_RAY_JOBS=http://127.0.0.1:1 after 1 s. Start the head first, with",
        ),
        (
            ["head"],
            {"RAY_AUTH_TOKEN": "t", "AEN_DASHBOARD_PORT": "x"},
            "AEN_DASHBOARD_PORT is 'x'; give a whole number",
        ),
        (["healthcheck"], {}, "a role was not started here"),
        (["healthcheck", "head"], {}, "head was not started here"),
    ],
    ids=lambda value: "-".join(value)[:30] if isinstance(value, list) else None,
)
def test_bad_input_is_said_with_a_remedy(
    tmp_path: Path, words: list[str], environment: dict[str, str], said: str
) -> None:
    done = _run(tmp_path, *words, **environment)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("entrypoint: error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["worker"], ["search", "digits"], ["resume", "runs/digits"]], ids=lambda w: w[0])
def test_the_token_of_the_home_folder_is_not_sent_unasked(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0)
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        done = _run(tmp_path, *words, RAY_ADDRESS=address)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert done.returncode == 2
    kept = tmp_path / ".ray" / "auth_token"
    remedy = f"to send it, set RAY_AUTH_TOKEN_PATH={kept}."
    assert done.stderr == f"entrypoint: error: the token in {kept} is not sent to {address} unasked; {remedy}\n"


def test_other_words_are_handed_to_aen(tmp_path: Path) -> None:
    for words in (
        ["groups", "describe", "rot90", "--grid", "4"],
        ["aen", "groups", "describe", "rot90", "--grid", "4"],
    ):
        done = _run(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert "C4" in done.stdout
    assert _run(tmp_path, "--version").stdout.startswith("aen ")
    help_text = _run(tmp_path).stdout
    assert "head, worker, search, resume" in help_text
    assert "usage: aen" in help_text


def test_health_is_that_of_the_role_that_was_started(tmp_path: Path) -> None:
    (tmp_path / "role").write_text(f"aen {os.getpid()}\n")
    assert _run(tmp_path, "healthcheck").returncode == 0
    other = _run(tmp_path, "healthcheck", "worker")
    assert "worker was not started here, but aen" in other.stderr
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "role").write_text(f"aen {gone.pid}\n")
    assert "aen has ended" in _run(tmp_path, "healthcheck").stderr
    # A head whose raylet is gone: `ray start --block` goes on without it.
    (tmp_path / "role").write_text(f"head {os.getpid()}\n")
    assert "head has no raylet" in _run(tmp_path, "healthcheck").stderr


def test_the_service_is_healthy_while_it_answers(tmp_path: Path) -> None:
    """What a container runs: the role `serve`, its health check, and the end by SIGTERM."""
    more = {"AEN_NODE_IP": "127.0.0.1", "AEN_SERVICE_PORT": str(_free_port()), "AEN_RUNS": str(tmp_path / "runs")}
    words = [str(ENTRYPOINT), "serve", "--parallel", "2"]
    environment = _environment(tmp_path, AEN_SERVICE_HOSTS="aen-serve other.example", **more)
    with (tmp_path / "output").open("wb") as output:
        service = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        _wait_for(lambda: _run(tmp_path, "healthcheck", **more).returncode == 0, "the service is healthy")
        url = f"http://127.0.0.1:{more['AEN_SERVICE_PORT']}/healthz"
        for host, status in (("other.example", 200), ("aen-serve:8700", 200), ("stranger.example", 403)):
            assert httpx.get(url, headers={"Host": host}).status_code == status
        assert "/login#" in (tmp_path / "runs" / ".aen-service" / "first-link.txt").read_text()
        assert "/login#" not in (tmp_path / "output").read_text(), "logs hold no token"
    finally:
        service.terminate()
        service.wait(60)
    assert "serve has ended" in _run(tmp_path, "healthcheck", **more).stderr
    (tmp_path / "role").write_text(f"serve {os.getpid()}\n")
    assert "no service answers on port" in _run(tmp_path, "healthcheck", **more).stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _processes_of(folder: Path) -> list[tuple[int, str]]:
    """Return the processes that have a folder in their command line."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in line:
                    found.append((int(process.name), line))
    return found


def _raylet_of(parent: int) -> int:
    """Return the process of the raylet that a `ray start` has started."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(") ")
                if name == "raylet" and rest.split()[1] == str(parent):
                    return int(process.name)
    raise AssertionError(f"process {parent} has no raylet")


def _wait_for(what: Callable[[], bool], name: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"{name} not within {seconds:g} s"
        time.sleep(0.25)


@dataclass
class _Cluster:
    """Nodes of one cluster, each with an address of its own on loopback and a folder of its own."""

    folder: Path
    port: int = field(default_factory=_free_port)
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        generator = random.Random()  # noqa: S311 - other clusters of this machine shall have other addresses
        self.net = f"127.{generator.randint(1, 254)}.{generator.randint(1, 254)}"
        self.addresses["head"] = f"{self.net}.10"

    def environment(self, name: str, **more: str) -> dict[str, str]:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return (
            _environment(
                home,
                RAY_ADDRESS=f"{self.addresses['head']}:{self.port}",
                RAY_PORT=str(self.port),
                RAY_AUTH_TOKEN=TOKEN,
                RAY_TMPDIR=str(home),
                AEN_NODE_IP=self.addresses.setdefault(name, f"{self.net}.{10 + len(self.addresses)}"),
                AEN_WAIT=str(int(PATIENCE)),
                AEN_CPUS="1" if name.startswith("worker") else "",
            )
            | more
        )

    def start(self, name: str, *words: str, **environment: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.out").open("wb") as out:
            self.nodes[name] = subprocess.Popen(
                [str(ENTRYPOINT), *words],
                cwd=ROOT,
                env=self.environment(name, **environment),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        return self.nodes[name]

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")

    def check_alive(self, *names: str) -> None:
        for name in names:
            assert self.nodes[name].poll() is None, f"{name} has ended: {self.said(name)}"

    def healthy(self, name: str) -> bool:
        self.check_alive(name)
        environment = self.environment(name)
        done = subprocess.run(
            [str(ENTRYPOINT), "healthcheck"], cwd=ROOT, env=environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def wait_until_healthy(self, *names: str) -> None:
        for name in names:
            _wait_for(lambda name=name: self.healthy(name), f"{name} is healthy")  # type: ignore[misc]

    def stop(self, name: str) -> int:
        process = self.nodes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(60)

    def end(self) -> None:
        """End what is left, whatever it is."""
        for process in self.nodes.values():
            process.kill()
            process.wait()
        for pid, _ in _processes_of(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def cluster() -> Iterator[_Cluster]:
    """A cluster's folder with a short name: Ray's sockets are in it."""
    made = _Cluster(Path(tempfile.mkdtemp(prefix="aen-", dir="/tmp")))
    yield made
    for out in sorted(made.folder.glob("*.out")):  # pytest shows it where a test failed
        sys.stdout.write(f"--- {out.stem}\n{out.read_text(errors='replace')}\n")
    made.end()


SMALL = [
    "budget.children=6",
    "training.epochs=1",
    "data.train=100",
    "data.validation=100",
    "data.test=100",
    "selection.top=1",
    "selection.seeds=2",
]


@pytest.mark.slow
def test_a_head_two_workers_and_a_search(cluster: _Cluster) -> None:
    """All start at once, as containers do; what must wait for another waits."""
    run = cluster.folder / "run"
    cluster.start("head", "head", "--ray-client-server-port", str(_free_port()))
    cluster.start("worker1", "worker")
    cluster.start("worker2", "worker")
    words = ["search", "configs/digits.yaml", "evaluator.workers=2", *SMALL, "--out", str(run)]
    search = cluster.start("search", *words, AEN_WORKERS="2")
    while search.poll() is None:
        cluster.check_alive("head", "worker1", "worker2")
        time.sleep(0.25)
    assert search.returncode == 0, cluster.said("search")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "complete"
    assert "evaluator:\n  kind: ray" in (run / "config.yaml").read_text()
    cluster.nodes.pop("search")
    assert not _processes_of(cluster.folder / "search"), "the search's own node has ended with it"
    cluster.wait_until_healthy("head", "worker1", "worker2")

    # A run that is taken up again has its node, too; this one was done.
    resumed = cluster.start("resume", "resume", str(run), AEN_WORKERS="2")
    assert resumed.wait(PATIENCE) == 0, cluster.said("resume")
    assert "complete; nothing was run" in " ".join(cluster.said("resume").split())
    assert not _processes_of(cluster.folder / "resume")
    assert not list((cluster.folder / "resume").glob("aen-node-*"))
    cluster.nodes.pop("resume")

    # A node with another token is told so at once, and not after AEN_WAIT.
    stranger = cluster.start("worker9", "worker", RAY_AUTH_TOKEN="another")  # noqa: S106 - a wrong one
    assert stranger.wait(60) == 2
    assert "refuses this node's token; hand the same one to every node" in cluster.said("worker9")
    cluster.nodes.pop("worker9")

    # SIGTERM ends a search as Ctrl-C does: what was trained is kept and said, and its node goes, too.
    words = ["search", "configs/digits.yaml", "training.epochs=200", "--out", str(cluster.folder / "long")]
    search = cluster.start("search", *words)
    _wait_for(lambda: search.poll() is not None or "exploring" in cluster.said("search"), "the search explores")
    assert cluster.stop("search") == 130, cluster.said("search")
    assert "interrupted" in cluster.said("search")
    assert not _processes_of(cluster.folder / "search")

    # A raylet that ends leaves `ray start --block` behind; the health check sees it.
    os.kill(_raylet_of(cluster.nodes["worker2"].pid), signal.SIGTERM)
    _wait_for(lambda: not cluster.healthy("worker2"), "worker2 is found ill", 30)

    for name in ("worker1", "worker2", "head"):
        cluster.stop(name)
    _wait_for(lambda: not _processes_of(cluster.folder), f"all has ended: {_processes_of(cluster.folder)}", 30)
    for out in cluster.folder.glob("*.out"):
        assert TOKEN not in out.read_text(errors="replace"), out.name
    for log in cluster.folder.rglob("*"):
        if log.is_file():
            assert TOKEN.encode() not in log.read_bytes(), log
