"""A head that falls silent is told of, once; one that answers again in time, or never did, is not."""

import queue
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from aen._processes import Process, process_start, this_machine
from aen_agents.evaluators.ray import head_monitor
from aen_agents.evaluators.ray.head_monitor import HeadMonitor


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(head_monitor, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(head_monitor, "RAYLET_SECONDS", 0.02)
    monkeypatch.setattr(head_monitor, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(head_monitor, "SILENCE_SECONDS", 0.3)


class Head:
    """Answers what a Ray's GCS is asked, and notes that."""

    def __init__(self):
        self.port = 0
        self.asked = queue.Queue()
        self.start()

    def start(self):
        self._server = grpc.server(ThreadPoolExecutor(1))
        call = grpc.unary_unary_rpc_method_handler(self._answer)
        handler = grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", {"CheckAlive": call})
        self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self):
        self._server.stop(None).wait()

    def was_heard(self):
        for _ in range(2):  # at the second question the first answer was heard
            self.asked.get(timeout=5)

    def _answer(self, *_):
        self.asked.put(time.monotonic())
        return b""


@pytest.fixture
def head():
    head = Head()
    yield head
    head.stop()


@pytest.fixture
def watch(head):
    """Watches the head; what it tells comes into a queue."""
    lost = queue.Queue()
    watching = HeadMonitor(f"127.0.0.1:{head.port}", lost.put)
    watching.start()
    yield lost
    watching.close()


def test_a_head_that_is_gone_is_told_of_once(head, watch):
    head.was_heard()
    head.stop()
    assert watch.get(timeout=5).startswith(f"its head, 127.0.0.1:{head.port}, has not answered for ")
    with pytest.raises(queue.Empty):
        watch.get(timeout=0.2)


def test_a_head_that_comes_back_in_time_is_not_told_of(head, watch, monkeypatch):
    monkeypatch.setattr(head_monitor, "SILENCE_SECONDS", 10.0)
    head.was_heard()
    head.stop()
    time.sleep(0.1)
    back = time.monotonic()
    head.start()
    while head.asked.get(timeout=5) < back:
        pass
    monkeypatch.setattr(head_monitor, "SILENCE_SECONDS", 0.3)
    until = time.monotonic() + 0.5
    while head.asked.get(timeout=5) < until:
        pass
    assert watch.empty()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "local"])
def test_a_head_that_never_answered_is_not_told_of(address):
    lost = queue.Queue()
    watching = HeadMonitor(address, lost.put)
    watching.start()
    with pytest.raises(queue.Empty):
        lost.get(timeout=0.6)
    watching.close()


def test_a_raylet_that_ends_is_reported_at_once():
    lost = queue.Queue()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as raylet:
        process = Process(this_machine(), raylet.pid, process_start(raylet.pid))
        watching = HeadMonitor("local", lost.put, process)
        watching.start()
        with pytest.raises(queue.Empty):
            lost.get(timeout=0.2)
        raylet.kill()  # nobody waits for it yet, as for a raylet that the search has started
        assert lost.get(timeout=20) == f"its raylet on this machine (process {raylet.pid}) has ended"
        watching.close()
