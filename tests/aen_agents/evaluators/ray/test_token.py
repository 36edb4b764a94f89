"""This machine's token is sent to no cluster but those that are this user's, or that the user has named it for."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from aen_agents.evaluators.ray import auth, cluster, ownership
from aen_agents.evaluators.ray.auth import AuthError
from aen_agents.evaluators.ray.cluster import connect
from aen_agents.evaluators.ray.internals import CLIENT_CALL, GCS_CALL
from aen_agents.evaluators.ray.ownership import is_own_cluster
from aen_agents.evaluators.ray.probe import ClusterEndpoint
from aen_agents.evaluators.ray.resources import ClusterError

TOKEN = "this-machines-token-" + "5" * 16
ANOTHER = 54321
IS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of another user")


class Head(grpc.GenericRpcHandler):
    """A server that records which calls it gets, with what authorization, and requires a token, or does not."""

    def __init__(self, *, asks: bool, host: str = "127.0.0.1") -> None:
        self.asks, self.calls = asks, []
        self.another_call = threading.Event()  # than those of the probe
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.port = self._server.add_insecure_port(f"{host}:0")
        self._server.start()

    def service(self, details):
        shown = dict(details.invocation_metadata).get("authorization")
        self.calls.append((details.method, shown))
        if details.method not in (GCS_CALL[0], CLIENT_CALL[0]):
            self.another_call.set()
        return grpc.unary_unary_rpc_method_handler(lambda _, context: self._answer(context, shown))

    def _answer(self, context, shown):
        if self.asks and shown != f"Bearer {TOKEN}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken: Authentication token is missing")
        return b""

    @property
    def was_sent(self):
        return {shown for _, shown in self.calls}

    def close(self):
        self._server.stop(None).wait()


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home folder with a token, and nothing else that says what to do with tokens."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    return tmp_path


@pytest.fixture
def head():
    heads = []

    def make(**settings):
        heads.append(Head(**settings))
        return heads[-1]

    yield make
    for one in heads:
        one.close()


@pytest.fixture
def strangers(monkeypatch):
    """Makes all processes those of another user."""
    monkeypatch.setattr(ownership, "trusted_users", lambda: {ANOTHER})


NAMES = ["127.0.0.1:{}", "localhost:{}", "ray://127.0.0.1:{}", "ray://localhost:{}", "auto", "variable"]


def address_of(head, name, monkeypatch):
    if name == "auto":
        monkeypatch.setattr(cluster, "local_clusters", lambda: [f"127.0.0.1:{head.port}"])
    if name == "variable":
        monkeypatch.setenv("RAY_ADDRESS", f"localhost:{head.port}")
        return None
    return name.format(head.port)


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("mode", [None, "token", "disabled"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_is_not_sent_the_token(head, monkeypatch, name, mode):
    stranger = head(asks=True)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(ClusterError) as refused:
        connect(address_of(stranger, name, monkeypatch), 5)
    message = str(refused.value)
    assert TOKEN not in message
    assert stranger.was_sent <= {None}
    if name == "auto":
        assert "is not this user's" in message
    elif mode != "disabled":
        assert f"set cluster.token_file={Path.home()}/.ray/auth_token" in message
    assert os.environ.get("RAY_AUTH_MODE") == mode


def checked(address, token_file=None):
    return cluster._check_address(address, 5, auth.named_token(token_file))


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("named", ["token_file", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_that_is_named_is_sent_to_who_asks_for_it(head, home, monkeypatch, named):
    asks, open_one = head(asks=True), head(asks=False)
    file = None
    if named == "token_file":
        file = "~/.ray/auth_token"
    else:
        monkeypatch.setenv(named, TOKEN if named == "RAY_AUTH_TOKEN" else str(home / ".ray" / "auth_token"))
    assert checked(f"localhost:{asks.port}", file)[1].value == TOKEN
    assert asks.was_sent == {None, f"Bearer {TOKEN}"}
    assert checked(f"localhost:{open_one.port}", file)[1] is None
    assert open_one.was_sent == {None}


@pytest.mark.parametrize("name", NAMES)
def test_ones_own_cluster_is_sent_it_when_it_asks(head, monkeypatch, name):
    own, open_one = head(asks=True), head(asks=False)
    address = cluster.resolve_address(address_of(own, name, monkeypatch))
    assert checked(address)[1].value == TOKEN
    if name not in ("auto", "variable"):
        assert checked(name.format(open_one.port))[1] is None
        assert open_one.was_sent == {None}


@pytest.mark.usefixtures("strangers")
def test_ray_itself_sends_no_token_that_may_not_be_sent(monkeypatch):
    from ray._raylet import AuthenticationMode, AuthenticationTokenLoader, get_authentication_mode

    loader = AuthenticationTokenLoader.instance()
    auth.use(None)  # Ray would find the one in the home folder
    try:
        assert get_authentication_mode() == AuthenticationMode.DISABLED
        auth.use(auth.Token("another", "test"))
        assert get_authentication_mode() == AuthenticationMode.TOKEN
        assert loader.get_raw_token() == "another"
        assert auth.current_token() == "another"
    finally:
        auth.restore()
    assert not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"} & os.environ.keys()
    assert auth.current_token() is None
    monkeypatch.setenv("RAY_AUTH_TOKEN", "before")
    auth.use(auth.new_token())
    auth.restore()
    assert os.environ["RAY_AUTH_TOKEN"] == "before"  # noqa: S105 - not one
    auth.reload_configuration()


@pytest.mark.parametrize("value", ["enabled", "true", "1", " token", "token ", "off", "k8s"])
@pytest.mark.parametrize("address", [None, "127.0.0.1:1"])
def test_other_modes_are_refused_which_ray_takes_as_disabled(monkeypatch, value, address):
    monkeypatch.setenv("RAY_AUTH_MODE", value)
    with pytest.raises(AuthError, match=rf"RAY_AUTH_MODE is '{value}', .*; set it to token or disabled, or unset it"):
        connect(address, 5)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, "cannot be read .No such file"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "cannot be read .Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read .*utf-8"),
    ],
    ids=["missing", "empty", "folder", "binary"],
)
def test_a_token_file_that_is_none_is_an_error(home, monkeypatch, make, why):
    make(home / "file")
    with pytest.raises(AuthError, match=rf"cluster.token_file is '{home}/file', which {why}.*; name a file"):
        connect(None, 5, token_file=str(home / "file"))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "file"))
    with pytest.raises(AuthError, match=rf"RAY_AUTH_TOKEN_PATH is '{home}/file', which {why}"):
        connect(None, 5)


@contextmanager
def listening(host, uid):
    """A process of a user that listens at an address of this machine; the port."""
    (port_read, port_write), (end_read, end_write) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(end_write)
            if uid is not None:
                os.setuid(uid)
            with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
                os.write(port_write, f"{server.getsockname()[1]}\n".encode())
                os.read(end_read, 1)
        finally:
            os._exit(0)
    os.close(end_read)
    try:
        yield int(os.read(port_read, 100))
    finally:
        os.close(end_write)
        os.waitpid(child, 0)
        os.close(port_read)
        os.close(port_write)


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


HOSTS = [
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", "localhost"),
    ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - for a moment
    pytest.param("::1", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6")),
    pytest.param("::", "127.0.0.1", marks=pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6")),
]


@pytest.mark.parametrize(("bound", "asked"), HOSTS)
@pytest.mark.parametrize("uid", [None, pytest.param(ANOTHER, marks=IS_ROOT)])
def test_whose_process_listens_is_known(bound, asked, uid):
    with listening(bound, uid) as port:
        assert is_own_cluster(ClusterEndpoint(asked, port, client=False)) == (uid is None)
        assert not is_own_cluster(ClusterEndpoint("192.0.2.77", port, client=False)), "another machine's address"
    assert not is_own_cluster(ClusterEndpoint(asked, port, client=False)), "nobody listens any more"
    assert not is_own_cluster(ClusterEndpoint("no such host", port, client=False))


@pytest.mark.parametrize("uid", [None, pytest.param(ANOTHER, marks=IS_ROOT)])
def test_a_cluster_that_a_process_of_ones_own_has_joined_is_ones_own(uid):
    command = ["/bin/sh", "-c", "echo; read line", "--gcs-address=192.0.2.7:6379"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=uid) as process:
        process.stdout.readline()
        assert is_own_cluster(ClusterEndpoint("192.0.2.7", 6379, client=False)) == (uid is None)
        assert not is_own_cluster(ClusterEndpoint("192.0.2.7", 637, client=False))
        process.stdin.close()


CONNECT = """
import os, sys
os.environ["HOME"] = sys.argv[2]
from aen_agents.evaluators.ray import ownership
ownership.trusted_users = lambda: {54321}
from aen_agents.evaluators.ray.cluster import connect
connect(sys.argv[1], 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_an_open_stranger_is_sent_nothing_by_ray(head, home, named):
    """Ray finds the token in the home folder and would send it with its first call."""
    stranger = head(asks=named, host="0.0.0.0")  # noqa: S104 - Ray connects to an address that others can reach
    environment = os.environ | ({"RAY_AUTH_TOKEN": TOKEN} if named else {})
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CONNECT, f"127.0.0.1:{stranger.port}", str(home)],
        env=environment,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            assert stranger.another_call.wait(120), "Ray has called nobody"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert (f"Bearer {TOKEN}" in stranger.was_sent) == named


REFUSED = """
import logging, sys
import ray
try:
    ray.init(sys.argv[1], logging_level=logging.CRITICAL, log_to_driver=False)
    print("admitted")
except BaseException:
    print("refused")
"""


@pytest.mark.slow
def test_a_cluster_of_the_searchs_own_listens_on_loopback_and_requires_a_token(home):
    code = """
import contextlib, os, subprocess, sys
import psutil
from aen_agents.evaluators.ray.cluster import connect, disconnect
connect(None, 60, workers=1)
import ray
listening = set()
for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
        connections = process.net_connections(kind="inet")
        listening |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
print(sorted(listening), flush=True)
address = ray.get_runtime_context().gcs_address
environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")}
for more in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token"}):  # without a token, and with that of the home
    subprocess.run([sys.executable, "-W", "ignore", "-c", sys.argv[1], address], env=environment | more, stderr=-3)
disconnect()
print(sorted(name for name in os.environ if name.startswith("RAY_AUTH")))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, REFUSED],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    listening, *admitted, left = done.stdout.splitlines()
    assert set(eval(listening)) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, listening  # noqa: S307 - our own list
    assert admitted == ["refused", "refused"]
    assert left == "[]"
    assert (home / ".ray" / "auth_token").read_text() == TOKEN
