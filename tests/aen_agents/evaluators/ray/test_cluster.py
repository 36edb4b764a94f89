"""Addresses at which there is no cluster: each is said within its time, in words that help."""

import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from aen_agents.evaluators.ray import cluster
from aen_agents.evaluators.ray.auth import Token, home_token, named_token
from aen_agents.evaluators.ray.cluster import connect
from aen_agents.evaluators.ray.internals import local_resources
from aen_agents.evaluators.ray.probe import ClusterEndpoint, probe
from aen_agents.evaluators.ray.resources import ClusterError, ClusterResources

pytestmark = pytest.mark.usefixtures("no_ray")


@pytest.fixture
def no_ray(monkeypatch):
    import ray

    assert not ray.is_initialized()
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def listener():
    """Makes a server that is no Ray: what it answers to whatever it is told, or None for nothing at all.

    Who answers in HTTP/2 keeps the connection open, as if calls were to be answered too.
    """
    servers = []

    def serve(server, answer):
        held = []
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                for one in held:
                    one.close()
                return
            held.append(connection)
            if answer is not None:
                connection.recv(1000)
                connection.sendall(answer)
                if answer != HTTP2_SETTINGS:
                    connection.close()

    def make(answer):
        server = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=serve, args=(server, answer))
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield make
    for server, thread in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


HTTP2_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def refused(address, message, within=2.0, timeout=1.0):
    started = time.monotonic()
    with pytest.raises(ClusterError, match=message):
        connect(address, timeout)
    assert time.monotonic() - started < within


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_nobody_listens(scheme):
    address = f"{scheme}127.0.0.1:{free_port()}"
    refused(
        address,
        rf"^cluster.address is '{address}': cannot connect to 127.0.0.1:\d+ \(Connection refused\)\. Start a cluster",
    )


def test_nobody_answers():
    # A listener whose queue is full: the kernel leaves whoever knocks without an answer, as a firewall does.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address)
        time.sleep(0.1)
        refused(f"127.0.0.1:{address[1]}", r"cannot connect to 127.0.0.1:\d+ \(no answer within 1 s\)", within=4)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"\x00"])
def test_who_listens_is_no_ray(listener, scheme, answer):
    address = scheme + listener(answer)
    refused(
        address, rf"cluster.address is '{address}': the service on that port is not a Ray cluster\. .* port 6379", 4
    )


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("answer", [None, HTTP2_SETTINGS])
def test_who_listens_does_not_answer(listener, scheme, answer):
    address = scheme + listener(answer)
    refused(address, r"service on that port is not a Ray cluster, or does not answer within 0.5 s\.", 4, timeout=0.5)


def test_another_service_that_speaks_as_ray_does_is_no_ray(head):
    refused(f"ray://{head()}", r"the service on that port is not a Ray cluster\. .* port 10001 for ray://", 4)


@pytest.fixture
def head():
    """Makes servers that answer one of the calls that a Ray's GCS answers: what it takes to tell who is there."""
    servers = []

    def make(token=None):
        def answer(_, context):
            shown = dict(context.invocation_metadata()).get("authorization")
            if token is not None and shown != f"Bearer {token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken: Authentication token is missing")
            return b""

        calls = {"CheckAlive": grpc.unary_unary_rpc_method_handler(answer)}
        server = grpc.server(ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", calls),))
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
        return address

    yield make
    for server in servers:
        server.stop(None).wait()


class TestToken:
    """Refusals, which need no cluster; test_heads.py is let in by real ones."""

    @pytest.fixture(autouse=True)
    def home(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        return tmp_path

    def test_there_is_none_here(self, head):
        refused(
            head("secret"),
            r"requires a token, and there is none on this machine: copy ~/.ray/auth_token from the head's",
            4,
        )

    def test_ours_is_another(self, head, home):
        (home / ".ray").mkdir()
        (home / ".ray" / "auth_token").write_text("ours\n")
        refused(head("secret"), rf"refuses the token of {home}/.ray/auth_token, expected that of its head: copy", 4)
        assert "RAY_AUTH_MODE" not in os.environ

    def test_it_may_not_be_shown(self, head, monkeypatch):
        monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        refused(head("secret"), "requires a token, but RAY_AUTH_MODE is 'disabled'; unset it", 4)

    def test_it_is_shown_to_none_but_who_asks(self, head, monkeypatch):
        monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
        assert (
            probe(ClusterEndpoint.parse(head()), 5)
            == probe(ClusterEndpoint.parse(head("secret")), 5, "secret")
            == "ray"
        )
        assert (
            probe(ClusterEndpoint.parse(head("secret")), 5)
            == probe(ClusterEndpoint.parse(head("secret")), 5, "ours")
            == "token"
        )

    def test_it_is_looked_for_where_ray_does(self, monkeypatch, home):
        assert named_token() is home_token() is None
        (home / ".ray").mkdir()
        (home / ".ray" / "auth_token").write_text("of-home\n")
        assert named_token() is None
        assert home_token() == Token("of-home", str(home / ".ray" / "auth_token"))
        (home / "copy").write_text(" of-the-copy\n")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "copy"))
        assert named_token() == Token("of-the-copy", str(home / "copy"))
        monkeypatch.setenv("RAY_AUTH_TOKEN", "of-the-environment")
        assert named_token() == Token("of-the-environment", "$RAY_AUTH_TOKEN")
        (home / "file").write_text("of-the-config")
        assert named_token("~/file") == Token("of-the-config", str(home / "file"))


def test_auto_without_a_cluster(monkeypatch):
    monkeypatch.setattr(cluster, "local_clusters", list)
    refused("auto", "cluster.address is 'auto', but no Ray cluster runs on this machine. Start one .ray start --head")
    near = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr(cluster, "local_clusters", lambda: [near])
    refused("auto", rf"cluster.address is 'auto' \({near}\): cannot connect to {near} ")


class TestWithoutAnAddress:
    """What this machine has is known before a Ray is started here."""

    @pytest.fixture(autouse=True)
    def little(self, monkeypatch):
        def never(*_, **__):
            pytest.fail("a Ray was started")

        monkeypatch.setattr("ray.init", never)
        monkeypatch.setattr(cluster, "local_resources", lambda: (4.0, 1.0))

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (
                (5, 1, 0),
                "^too few cores: evaluator.workers is 5, each with 1 core; this machine has 4 cores and 1 GPU on",
            ),
            ((2, 1, 1), "^too few GPUs: evaluator.workers is 2, each with 1 GPU and 1 core; .* room for 1"),
        ],
    )
    def test_too_little(self, wanted, message):
        workers, cpus, gpus = wanted
        with pytest.raises(ClusterError, match=message):
            connect(None, 1, workers=workers, cpus=cpus, gpus=gpus)

    def test_no_gpu(self, monkeypatch):
        monkeypatch.setattr(cluster, "local_resources", lambda: (4.0, 0.0))
        with pytest.raises(
            ClusterError, match=r"^evaluator.gpus_per_worker is 0.5, but this machine has no GPU; leave"
        ):
            connect(None, 1, gpus=0.5)


def test_local_resources(monkeypatch):
    cores, _ = local_resources()
    assert cores >= 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local_resources() == (cores, 0)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 4}')
    assert local_resources() is None


def test_the_environment_names_a_cluster_too(monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    refused(None, f"cluster.address is '{address}': cannot connect")


@pytest.mark.parametrize(
    "address", ["10.0.0.1:port", "http://10.0.0.1:6379", ":6379", "ray://", "10.0.0.1:99999", "10.0.0.1:-1", "a:b:c:d"]
)
def test_what_is_no_address_is_said(address):
    refused(address, re.escape(f"cluster.address is {address!r}; give host:port, such as 10.0.0.1:6379, ray://"))


@pytest.mark.parametrize("address", ["no-such-host.invalid:6379", "ray://no-such-host.invalid"])
def test_no_such_machine(address):
    refused(address, r"cannot connect to no-such-host.invalid:\d+ \(", within=20)


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "workers"),
    [
        ([(8, 0)], 1, 0, 8),
        ([(8, 0)], 0.1, 0, 80),
        ([(8, 0)], 3, 0, 2),
        ([(3, 0), (3, 0)], 2, 0, 2),
        ([(8, 4)], 1, 0.5, 8),
        ([(80, 4)], 1, 0.3, 12),
        ([(80, 4)], 1, 0.1, 40),
        ([(80, 4)], 1, 3, 1),
        ([(80, 4), (80, 2), (80, 0)], 1, 2, 3),
        ([(1, 4)], 1, 0.5, 1),
        ([], 1, 0, 0),
    ],
)
def test_room(nodes, cpus, gpus, workers):
    assert ClusterResources(tuple(nodes)).workers(cpus, gpus) == workers
