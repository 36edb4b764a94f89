"""Connecting to a Ray cluster, or starting one on this machine, and what it has room for."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aen.errors import AenError

_CLIENT_PORT = 10001
_GCS_PORT = 6379
# In a cluster of our own nobody reads Ray's figures of itself; without them lost workers were replaced sooner.
_QUIET = {
    "RAY_metrics_report_interval_ms": "60000",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_core_worker_internal_heartbeat_ms": "10000",
}
# What opens an HTTP/2 connection, and the kind of frame with which a server answers.
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_HTTP2_SETTINGS = 4


class ClusterError(AenError):
    """A cluster that cannot be reached, or that has no room for what is asked of it."""


@dataclass(frozen=True)
class Room:
    """What a cluster has.

    Attributes:
        nodes: cores and GPUs of each machine that is alive.
    """

    nodes: tuple[tuple[float, float], ...]

    def workers(self, cpus: float, gpus: float) -> int:
        """Return how many workers with so many cores and GPUs find room; none stretches over two machines."""
        return sum(min(_times(cpus, have_cpus), _on_gpus(gpus, have_gpus)) for have_cpus, have_gpus in self.nodes)

    def __str__(self) -> str:
        cpus, gpus = (sum(node[i] for node in self.nodes) for i in (0, 1))
        machines = f"{len(self.nodes)} machine{'s' * (len(self.nodes) != 1)}"
        return f"{cpus:g} cores and {gpus:g} GPUs on {machines}"


def _times(part: float, whole: float) -> int:
    return int(whole / part + 1e-9)  # 0.1 goes ten times into 1


def _on_gpus(gpus: float, have: float) -> int:
    """Return how many workers with so many GPUs find room on a machine; none has parts of two of them."""
    if not gpus:
        return sys.maxsize
    return int(have) * _times(gpus, 1) if gpus < 1 else _times(gpus, have)


def connect(address: str | None, timeout: float) -> bool:
    """Connect this process to a cluster; unless there is an address, in $RAY_ADDRESS either, start one here.

    Args:
        address: ``host:port``, ``ray://host:port``, ``auto`` or None.
        timeout: seconds to wait for somebody who listens.

    Returns:
        Whether it was connected by this call, so that who called it should disconnect.

    Raises:
        ClusterError: nobody answers, or the cluster runs another version of Ray or Python.
    """
    # Ray writes a paragraph on standard output whenever a worker or a machine is lost, and when workers have parts of a
    # core; listeners are told of the one, and the other was asked for.
    noise = "^(A worker died|The node with node id|WARNING: .* worker processes have been started)"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", noise)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # it warns about it at every start
    import ray

    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and address not in ("auto", "local"):
        _knock(address, timeout)
    options: dict[str, Any] = {}
    if address in (None, "local"):
        options["include_dashboard"] = False
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
    try:
        with _kept_signals():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:
        said = " ".join(str(error).split())
        if "ersion mismatch" in said:
            raise ClusterError(f"cluster.address is {address!r}: {said} Run the search with the cluster's.") from error
        where = "a Ray cluster cannot be started here" if address is None else f"cluster.address is {address!r}"
        raise ClusterError(f"{where}: {said[:500]}") from error
    return True


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    import ray

    with _kept_signals():
        ray.shutdown()


def room() -> Room:
    """Return what the cluster has, taken or not."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return Room(tuple((float(node.get("CPU", 0)), float(node.get("GPU", 0))) for node in alive))


def check_room(workers: int | None, cpus: float, gpus: float) -> int:
    """Return how many workers there shall be: those asked for, or as many as the cluster has room for.

    Raises:
        ClusterError: there is no room for them.
    """
    has = room()
    fit = has.workers(cpus, gpus)
    if fit == 0 or (workers or 1) > fit:
        asked = f"evaluator.workers is {workers if workers is not None else 'null'}, each with {cpus:g} cores" + (
            f" and {gpus:g} GPUs" if gpus else ""
        )
        raise ClusterError(
            f"{asked}; the cluster has {has}, room for {fit}. Ask for fewer workers, or less for each "
            "(evaluator.cpus_per_worker, evaluator.gpus_per_worker)."
        )
    return workers or fit


def _knock(address: str, timeout: float) -> None:
    """Check that somebody listens, and speaks as Ray's servers do: Ray itself would try for minutes."""
    client = address.startswith("ray://")
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        host, port = address.removeprefix("ray://"), str(_CLIENT_PORT if client else _GCS_PORT)
    if not port.isdigit() or not host or "/" in host or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise ClusterError(
            f"cluster.address is {address!r}; give host:port, such as 10.0.0.1:{_GCS_PORT}, ray://host:port, or auto."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout) as connection:
            answers = _answers(connection)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error))
        raise ClusterError(
            f"cluster.address is {address!r}, but nobody can be reached there within {timeout:g} s ({why}). Start a "
            f"cluster there (ray start --head --port={port}), or leave cluster.address out to start one here."
        ) from error
    if not answers:
        raise ClusterError(
            f"cluster.address is {address!r}, but who listens there is no Ray cluster. A head listens on port "
            f"{_GCS_PORT} for host:port and on port {_CLIENT_PORT} for ray://host:port, unless it was told others."
        )


def _answers(connection: socket.socket) -> bool:
    """Say whether somebody answers in HTTP/2, which is below gRPC, in which Ray speaks."""
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return True  # that cannot be told without its certificates
    try:
        connection.sendall(_HTTP2_HELLO)
        frame = b""
        while len(frame) < 4:  # noqa: PLR2004 - three bytes of length, one of kind
            more = connection.recv(9)
            if not more:
                return False
            frame += more
    except OSError:  # no answer, or it hung up
        return False
    return frame[3] == _HTTP2_SETTINGS


@contextmanager
def _kept_signals() -> Iterator[None]:
    """Keep this process's own way to end: Ray replaces what happens at SIGTERM."""
    try:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                try:
                    signal.signal(number, handler)
                except ValueError:  # not the main thread: it was not replaced either
                    break
