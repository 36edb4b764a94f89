"""Addresses at which there is no cluster: each is said within its time, in words that help."""

import re
import socket
import threading
import time

import pytest

from aen_agents.evaluators.cluster import ClusterError, Room, connect

pytestmark = pytest.mark.usefixtures("no_ray")


@pytest.fixture
def no_ray(monkeypatch):
    import ray

    assert not ray.is_initialized()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def listener():
    """Makes a server that is no Ray: what it answers to whatever it is told, or None for nothing at all."""
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
    refused(address, rf"cluster.address is '{address}', but nobody can be reached .* \(Connection refused\). Start")


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
        refused(f"127.0.0.1:{address[1]}", r"within 1 s \(no answer\)", within=4)
        for one in waiting:
            one.close()


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n", b"\x00"])
def test_who_listens_is_no_ray(listener, scheme, answer):
    address = scheme + listener(answer)
    refused(address, rf"cluster.address is '{address}', but who listens there is no Ray cluster. .* port 6379", 4)


def test_the_environment_names_a_cluster_too(monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    refused(None, f"cluster.address is '{address}', but nobody")


@pytest.mark.parametrize(
    "address", ["10.0.0.1:port", "http://10.0.0.1:6379", ":6379", "ray://", "10.0.0.1:99999", "10.0.0.1:-1", "a:b:c:d"]
)
def test_what_is_no_address_is_said(address):
    refused(address, re.escape(f"cluster.address is {address!r}; give host:port, such as 10.0.0.1:6379, ray://"))


@pytest.mark.parametrize("address", ["no-such-host.invalid:6379", "ray://no-such-host.invalid"])
def test_no_such_machine(address):
    refused(address, r"nobody can be reached there within", within=20)


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
    assert Room(tuple(nodes)).workers(cpus, gpus) == workers
