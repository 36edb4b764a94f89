"""Connecting to a Ray cluster, or starting one on this machine, and what it has room for."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aen.errors import AenError
from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.machine import found_near, room_here
from aen_agents.evaluators.ray.probe import CLIENT_PORT, GCS_PORT, Door, knock
from aen_agents.text import counted

# In a cluster of our own nobody reads Ray's figures of itself; without them lost workers were replaced sooner.
_QUIET = {
    "RAY_metrics_report_interval_ms": "60000",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_core_worker_internal_heartbeat_ms": "10000",
}


class ClusterError(AenError):
    """A cluster that cannot be reached, or that has no room for what is asked of it."""


@dataclass(frozen=True)
class Room:
    """What a cluster has.

    Attributes:
        nodes: cores and GPUs of each machine that is alive.
    """

    nodes: tuple[tuple[float, float], ...]

    @property
    def cores(self) -> float:
        """How many cores all machines have together."""
        return sum(cpus for cpus, _ in self.nodes)

    def workers(self, cpus: float, gpus: float) -> int:
        """Return how many workers with so many cores and GPUs find room; none stretches over two machines."""
        return sum(min(_times(cpus, have_cpus), _on_gpus(gpus, have_gpus)) for have_cpus, have_gpus in self.nodes)

    def __str__(self) -> str:
        cpus, gpus = (sum(node[i] for node in self.nodes) for i in (0, 1))
        return f"{counted(cpus, 'core')} and {counted(gpus, 'GPU')} on {counted(len(self.nodes), 'machine')}"


def _times(part: float, whole: float) -> int:
    return int(whole / part + 1e-9)  # 0.1 goes ten times into 1


def _on_gpus(gpus: float, have: float) -> int:
    """Return how many workers with so many GPUs find room on a machine; none has parts of two of them."""
    if not gpus:
        return sys.maxsize
    return int(have) * _times(gpus, 1) if gpus < 1 else _times(gpus, have)


def connect(
    address: str | None, timeout: float, *, workers: int | None = None, cpus: float = 1.0, gpus: float = 0.0
) -> bool:
    """Connect this process to a cluster; unless there is an address, in $RAY_ADDRESS either, start one here.

    Args:
        address: ``host:port``, ``ray://host:port``, ``auto`` or None.
        timeout: seconds to wait for somebody who listens, and lets us in.
        workers: for which there shall be room, as `check_room` takes them; a cluster without is not started here.
        cpus: cores of each.
        gpus: GPUs of each.

    Returns:
        Whether it was connected by this call, so that who called it should disconnect.

    Raises:
        ClusterError: nobody answers or lets us in, the cluster runs another version of Ray or Python, or this machine
            has no room.
    """
    # Ray writes a paragraph on standard output whenever a worker or a machine is lost, and when workers have parts of a
    # core; listeners are told of the one, and the other was asked for.
    noise = "^(A worker died|The node with node id|WARNING: .* worker processes have been started)"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", noise)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # it warns about it at every start
    import ray

    if ray.is_initialized():
        return False
    address = meant(address)
    options: dict[str, Any] = {}
    if address not in (None, "local"):
        address = _check_door(address, timeout)
    else:
        here = room_here()
        if here is not None:
            check_room(workers, cpus, gpus, Room((here,)))
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


def starts_here(address: str | None) -> bool:
    """Say whether `connect` starts a cluster of this process's own for an address."""
    return meant(address) in (None, "local")


def meant(address: str | None) -> str | None:
    """Return the address that is meant, which $RAY_ADDRESS may name; None: a cluster of our own."""
    return os.environ.get("RAY_ADDRESS") or address if address in (None, "auto") else address


def head_of(address: str | None) -> str:
    """Return where the head listens of the cluster to which this process is connected.

    Args:
        address: as `connect` took it.
    """
    import ray

    address = meant(address) or ""
    return address if address.startswith("ray://") else ray.get_runtime_context().gcs_address


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


def check_room(workers: int | None, cpus: float, gpus: float, here: Room | None = None) -> int:
    """Return how many workers there shall be: those asked for, or as many as there is room for.

    Args:
        workers: asked for, or None.
        cpus: cores of each.
        gpus: GPUs of each.
        here: what this machine has, if no cluster is there yet.

    Raises:
        ClusterError: there is no room for them.
    """
    has, who = (room(), "the cluster") if here is None else (here, "this machine")
    fit = has.workers(cpus, gpus)
    if 0 < fit >= (workers or 1):
        return workers or fit
    if gpus and not any(have for _, have in has.nodes):
        raise ClusterError(f"evaluator.gpus_per_worker is {gpus:g}, but {who} has no GPU; leave it out to use cores.")
    lack, key = "cores", "cpus_per_worker"
    if gpus and has.workers(cpus, 0) >= (workers or 1):
        lack, key = "GPUs", "gpus_per_worker"
    asked = "null" if workers is None else workers
    each = (f"{counted(gpus, 'GPU')} and " if gpus else "") + counted(cpus, "core")
    raise ClusterError(
        f"too few {lack}: evaluator.workers is {asked}, each with {each}; {who} has {has}, room for {fit}. "
        f"Ask for fewer workers, or less for each (evaluator.{key})."
    )


def _check_door(address: str, timeout: float) -> str:
    """Return the address of a cluster that lets us in; our token is shown if it asks and nothing was said of that.

    Raises:
        ClusterError: none is there, or it does not let us in.
    """
    place, near = f"cluster.address is {address!r}", None
    if address == "auto":
        near = found_near()
        if near is None:
            return address
        if not near:
            raise ClusterError(
                f"{place}, but no Ray cluster runs on this machine. Start one (ray start --head), give its host:port, "
                "or leave cluster.address out to start one for this search."
            )
        place += f" ({near})"
    door = Door.at(near or address)
    if door is None:
        raise ClusterError(f"{place}; give host:port, such as 10.0.0.1:{GCS_PORT}, ray://host:port, or auto.")
    deadline = time.monotonic() + timeout
    token = auth.find_token()
    try:
        answer = knock(door, timeout, auth.token_to_show())
        if answer == "token" and token is not None and auth.mode() is None:
            answer = knock(door, max(deadline - time.monotonic(), 1.0), token.value)
            if answer == "ray":
                auth.show_token()
    except OSError as error:
        why = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise ClusterError(
            f"{place}, but nobody can be reached there ({why}). Start a cluster there (ray start --head "
            f"--port={door.port}), or leave cluster.address out to start one here."
        ) from error
    if answer == "token":
        raise ClusterError(f"{place}; {auth.why_refused(token)}")
    if answer != "ray":
        late = f", or one that does not answer within {timeout:g} s" if answer == "silent" else ""
        raise ClusterError(
            f"{place}, but who listens there is no Ray cluster{late}. A head listens on port {GCS_PORT} for host:port "
            f"and on port {CLIENT_PORT} for ray://host:port, unless it was told others."
        )
    return near or address


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
