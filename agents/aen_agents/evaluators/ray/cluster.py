"""Connects to a Ray cluster or starts one on this machine, and checks its resources."""

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.internals import (
    LOOPBACK,
    QUIET_CLUSTER,
    job_without_working_folder,
    keep_quiet,
    listen_on_loopback,
    local_clusters,
    local_resources,
)
from aen_agents.evaluators.ray.ownership import is_own_cluster
from aen_agents.evaluators.ray.probe import CLIENT_PORT, GCS_PORT, ClusterEndpoint, probe, uses_tls
from aen_agents.evaluators.ray.resources import ClusterError, ClusterResources
from aen_agents.evaluators.ray.surroundings import (
    ensure_user,
    name_not_utf8,
    remove_temporary_folders,
    report_loss,
    temporary_folder,
)
from aen_agents.text import counted, printable

DISCONNECT_SECONDS = 5.0
_EXIT_ERROR = 2
_START_ONE = (
    "Start one (ray start --head), give its host:port, or leave cluster.address out to start one for this search."
)


def connect(
    address: str | None,
    timeout: float,
    *,
    workers: int | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    token_file: str | None = None,
) -> bool:
    """Connect this process to a cluster; without an address, in $RAY_ADDRESS either, start one on this machine.

    A cluster that is started listens on the loopback interface only, and requires a token unless $RAY_AUTH_MODE is
    ``disabled``: the one that the user has named, else a random one.

    Args:
        address: ``host:port``, ``ray://host:port``, ``auto`` or None.
        timeout: seconds to wait for the cluster's answer.
        workers: number of workers wanted, as `check_resources` takes it. Before a cluster is started on this machine,
            its resources are checked.
        cpus: cores of each worker.
        gpus: GPUs of each worker.
        token_file: file that contains the cluster's token; see `aen_agents.evaluators.ray.auth`.

    Returns:
        Whether this call connected the process; if so, the caller should disconnect it.

    Raises:
        ClusterError: the cluster does not answer, refuses this process, or runs another version of Ray or Python; or
            this machine has too few resources.
        AuthError: $RAY_AUTH_MODE has an unknown value, or a token's file cannot be read.
    """
    keep_quiet()
    ensure_user()
    name = name_not_utf8()
    if name is not None:
        raise ClusterError(
            f"{printable(name)!r} is not UTF-8, but Ray needs a command line and a working directory in UTF-8; rename "
            "that folder or file, or use evaluator=local."
        )
    import ray

    if ray.is_initialized():
        return False
    address = resolve_address(address)
    mode, token = auth.mode(), auth.named_token(token_file)
    options: dict[str, Any] = {}
    if address not in (None, "local"):
        address, token = _check_address(address, timeout, token)
    else:
        token = None if mode == "disabled" else token or auth.new_token()
        here = local_resources()
        if here is not None:
            check_resources(workers, cpus, gpus, ClusterResources((here,)))
        options["include_dashboard"] = False
        options["_temp_dir"] = _temporary_folder()
        report_loss(_exit_lost)  # until an evaluator takes over: this thread may be waiting for Ray
        options["_node_ip_address"] = LOOPBACK
        for name, value in QUIET_CLUSTER.items():
            os.environ.setdefault(name, value)
    if not (address or "").startswith("ray://"):
        options["job_config"] = job_without_working_folder()
    try:
        auth.use(token)
        listen_on_loopback(alone="_node_ip_address" in options)
        with _kept_signal_handlers():
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:
        report_loss(None)
        _forget()
        reason = " ".join(str(error).split())
        if "ersion mismatch" in reason:
            raise ClusterError(
                f"cluster.address is {address!r}: {reason} Install the versions of the cluster for the search."
            ) from error
        failed = "a Ray cluster cannot be started here" if address is None else f"cluster.address is {address!r}"
        raise ClusterError(f"{failed}: {reason[:500]}") from error
    return True


def starts_here(address: str | None) -> bool:
    """Return whether `connect` starts a cluster on this machine for an address."""
    return resolve_address(address) in (None, "local")


def resolve_address(address: str | None) -> str | None:
    """Return the address to connect to, which $RAY_ADDRESS may give; None: a cluster is started on this machine."""
    return os.environ.get("RAY_ADDRESS") or address if address in (None, "auto") else address


def head_address(address: str | None) -> str:
    """Return the address of the head of the cluster to which this process is connected.

    Args:
        address: that `connect` got.
    """
    import ray

    address = resolve_address(address) or ""
    return address if address.startswith("ray://") else ray.get_runtime_context().gcs_address


def disconnect() -> None:
    """Disconnect from the cluster; one that was started by this process is stopped."""
    import ray

    report_loss(None)
    with _kept_signal_handlers():
        ray.shutdown()
    _forget()


def _forget() -> None:
    """Undo what was prepared for a connection."""
    auth.restore()
    listen_on_loopback(alone=False)
    remove_temporary_folders()


def _temporary_folder() -> str:
    try:
        return str(temporary_folder())
    except OSError as error:
        raise ClusterError(f"a Ray cluster cannot be started here: {error}.") from error


def disconnect_lost() -> None:
    """Disconnect from a cluster whose head is lost: Ray may wait for the head forever.

    If Ray has not disconnected within 5 seconds, neither would it at the exit of this process. The process then exits
    without it, with status 2. (Ray itself would end the process after a minute, with status 1.)
    """
    thread = threading.Thread(target=disconnect, name="aen-disconnect", daemon=True)
    thread.start()
    thread.join(DISCONNECT_SECONDS)
    if thread.is_alive():
        sys.excepthook = sys.__excepthook__  # Ray's hook reports every error to the head
        atexit.register(_exit)  # the last one registered runs first: before Ray's own


def _exit_lost(what: str) -> None:
    """End the process with a message. Ray itself would wait for a minute or longer, and then do so without one."""
    sys.stderr.write(
        f"aen: error: the Ray cluster is lost: {what}. All results so far are stored. To resume, run the same command "
        "again with the folder that it has created as --out.\n"
    )
    _exit()


def _exit() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(_EXIT_ERROR)


def cluster_resources() -> ClusterResources:
    """Return the resources of the cluster, in use or not."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return ClusterResources(tuple((float(node.get("CPU", 0)), float(node.get("GPU", 0))) for node in alive))


def check_resources(workers: int | None, cpus: float, gpus: float, here: ClusterResources | None = None) -> int:
    """Return the number of workers: as many as are wanted, or as many as fit.

    Args:
        workers: number wanted, or None.
        cpus: cores of each.
        gpus: GPUs of each.
        here: resources of this machine, before a cluster is started on it.

    Raises:
        ClusterError: they do not fit.
    """
    has, owner = (cluster_resources(), "the cluster") if here is None else (here, "this machine")
    fit = has.workers(cpus, gpus)
    if 0 < fit >= (workers or 1):
        return workers or fit
    if gpus and not any(have for _, have in has.nodes):
        raise ClusterError(f"evaluator.gpus_per_worker is {gpus:g}, but {owner} has no GPU; leave it out to use cores.")
    lack, key = "cores", "cpus_per_worker"
    if gpus and has.workers(cpus, 0) >= (workers or 1):
        lack, key = "GPUs", "gpus_per_worker"
    wanted = "null" if workers is None else workers
    each = (f"{counted(gpus, 'GPU')} and " if gpus else "") + counted(cpus, "core")
    raise ClusterError(
        f"too few {lack}: evaluator.workers is {wanted}, each with {each}; {owner} has {has}, room for {fit}. "
        f"Ask for fewer workers, or less for each (evaluator.{key})."
    )


def _check_address(address: str, timeout: float, token: auth.Token | None) -> tuple[str, auth.Token | None]:
    """Return the address of a cluster that accepts this process, and the token to send.

    If $RAY_AUTH_MODE is not set, a token is sent only to a cluster that requires one.

    Args:
        address: of the cluster, or ``auto``.
        timeout: seconds to wait for its answer.
        token: that the user has named; without it, the one in the home folder is sent to a cluster of this user.

    Raises:
        ClusterError: there is no cluster at the address, or it refuses this process.
    """
    given, mode = f"cluster.address is {address!r}", auth.mode()
    auto = address == "auto"
    if auto:
        address = _found_cluster(given)
        given += f" ({address})"
    endpoint = ClusterEndpoint.parse(address)
    if endpoint is None:
        raise ClusterError(f"{given}; give host:port, such as 10.0.0.1:{GCS_PORT}, ray://host:port, or auto.")
    deadline = time.monotonic() + timeout
    own = is_own_cluster(endpoint)
    if auto and not own:
        token = None  # nobody has named this address
    elif own and token is None:
        token = auth.home_token()
    sent = token if mode == "token" or (mode is None and uses_tls()) else None
    try:
        answer = probe(endpoint, timeout, None if sent is None else sent.value)
        if answer == "token" and token is not None and mode is None:
            sent = token
            answer = probe(endpoint, max(deadline - time.monotonic(), 1.0), token.value)
    except OSError as error:
        reason = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise ClusterError(
            f"{given}: cannot connect to {endpoint} ({reason}). Start a cluster there (ray start --head "
            f"--port={endpoint.port}), or leave cluster.address out to start one on this machine."
        ) from error
    if auto and not own:
        raise ClusterError(f"{given}, but that cluster is not this user's. {_START_ONE}")
    if answer == "token" or (mode == "token" and token is None and answer == "ray"):
        raise ClusterError(f"{given}: {auth.explain_refusal(token)}")
    if answer != "ray":
        silent = f", or does not answer within {timeout:g} s" if answer == "silent" else ""
        raise ClusterError(
            f"{given}: the service on that port is not a Ray cluster{silent}. By default a head uses port {GCS_PORT} "
            f"for host:port and port {CLIENT_PORT} for ray://host:port."
        )
    return address, sent


def _found_cluster(given: str) -> str:
    """Return the address of a cluster on this machine, if possible one of this user's."""
    found = local_clusters()
    if found is None:
        raise ClusterError(f"{given}, but this version of Ray does not say which clusters there are; give host:port.")
    if not found:
        raise ClusterError(f"{given}, but no Ray cluster runs on this machine. {_START_ONE}")
    endpoints = {address: ClusterEndpoint.parse(address) for address in found}
    own = (address for address, endpoint in endpoints.items() if endpoint is not None and is_own_cluster(endpoint))
    return next(own, found[0])


@contextmanager
def _kept_signal_handlers() -> Iterator[None]:
    """Restore this process's signal handlers after the block: Ray replaces that of SIGTERM."""
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
                except ValueError:  # not the main thread: the handler was not replaced either
                    break
