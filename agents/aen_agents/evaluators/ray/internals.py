"""All uses of Ray's internals: what its public interface does not offer, or only after seconds or minutes.

`test_internals.py` checks each of them against the installed Ray. Where one is missing at run time, these functions
answer "unknown", and Ray's own checks apply, later and with its own messages.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal

from aen._processes import Process, process_start, this_machine

# Calls of Ray's gRPC services that change nothing and are answered at once: method, and request as bytes. Ray's public
# interface waits for minutes for an address that does not answer, and prints lines on the terminal.
GCS_CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive", b""  # of an empty list of nodes
CLIENT_CALL = "/ray.rpc.RayletDriver/ClusterInfo", b"\x08\x06"  # field 1, the type, is 6: PING
_CHANNEL_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))

# Variables of Ray's configuration for a cluster that is started by this process: fewer metrics and task events, which
# are not used here. Without them lost workers are replaced sooner.
QUIET_CLUSTER = {
    "RAY_metrics_report_interval_ms": "60000",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_core_worker_internal_heartbeat_ms": "10000",
}

LOOPBACK = "127.0.0.1"
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"

Answer = Literal["ray", "token", "other", "silent"]


def keep_quiet() -> None:
    """Set the variables that keep Ray from printing; it reads them when it is imported for the first time."""
    # A paragraph on standard output whenever a worker or a machine is lost (listeners get an event), and when workers
    # use fractions of a core (which was asked for).
    noise = "^(A worker died|The node with node id|WARNING: .* worker processes have been started)"
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", noise)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # without it, a warning at every start


def call_ray(target: str, *, client: bool, timeout: float, token: str | None) -> Answer:
    """Call a Ray service and classify its answer; see `aen_agents.evaluators.ray.probe.probe`.

    Args:
        target: as gRPC takes it, such as ``ipv4:10.0.0.1:6379``.
        client: whether it is a Ray Client server; else a GCS.
        timeout: in seconds.
        token: authentication token to send, or None.
    """
    import grpc  # type: ignore[import-untyped]

    method, request = CLIENT_CALL if client else GCS_CALL
    metadata = [] if token is None else [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(target, options=_CHANNEL_OPTIONS) as channel:
        try:
            channel.unary_unary(method)(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
            if code is grpc.StatusCode.UNAUTHENTICATED and "token" in details.lower():  # web servers: without "token"
                return "token"
            return "silent" if code is grpc.StatusCode.DEADLINE_EXCEEDED else "other"
    return "ray"


def job_without_working_folder() -> Any:  # noqa: ANN401 - Ray's
    """Return the settings of a job whose workers do not import from the working folder or that of the main script.

    Ray puts both in front of the ``sys.path`` of its workers, unless the job has a working folder of its own.
    """
    from ray.job_config import JobConfig

    class Job(JobConfig):
        def _runtime_env_has_working_dir(self) -> bool:
            return True

    return Job()


def raylet_process() -> Process | None:
    """Return the raylet through which this process is connected to a cluster; None: unknown, or a Ray client."""
    with suppress(Exception), socket.socket(socket.AF_UNIX) as connection:
        from ray._private.worker import global_worker

        connection.connect(global_worker.node.raylet_socket_name)  # type: ignore[union-attr]
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        start = process_start(pid)
        return Process(this_machine(), pid, start) if pid > 0 and start is not None else None
    return None


def reload_configuration() -> None:
    """Have Ray read its environment variables and its token again, if it was imported: it has read them then."""
    if "ray" not in sys.modules:
        return
    with suppress(Exception):
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def listen_on_loopback(*, alone: bool) -> None:
    """Have a Ray that this process starts listen on the loopback interface only, with `LOOPBACK`.

    Ray replaces that address by one that others can reach, except on systems on which it builds no clusters.

    Args:
        alone: whether it does; the default is not.
    """
    os.environ.pop(_CLUSTERS, None)
    if alone:
        os.environ[_CLUSTERS] = "0"  # for Ray's own processes
    with suppress(Exception):
        from ray._private import ray_constants

        ray_constants.ENABLE_RAY_CLUSTER = not alone


def local_resources() -> tuple[float, float] | None:
    """Return the cores and GPUs that a Ray started on this machine would have; None: unknown.

    Ray's public interface needs a running Ray for this, which takes seconds to start.
    """
    if os.environ.get("RAY_OVERRIDE_RESOURCES"):
        return None  # Ray takes the values of that variable
    keep_quiet()
    with suppress(Exception):
        from ray._private.accelerators import get_accelerator_manager_for_resource
        from ray._private.utils import get_num_cpus

        kind: Any = get_accelerator_manager_for_resource("GPU")
        gpus, visible = kind.get_current_node_num_accelerators(), kind.get_current_process_visible_accelerator_ids()
        return float(get_num_cpus()), float(gpus if visible is None else min(gpus, len(visible)))
    return None


def local_clusters() -> list[str] | None:
    """Return the ``host:port`` of the clusters on this machine, first that to which ``auto`` connects; None: unknown.

    They may be other users': Ray reads a file in its temporary folder and all users' command lines. Ray's public
    interface has this only as part of `ray.init`, which waits for a head that is lost.
    """
    keep_quiet()
    with suppress(Exception):
        from ray._private.services import find_bootstrap_address, find_gcs_addresses

        running: Iterable[str] = find_gcs_addresses()  # type: ignore[no-untyped-call]
        last = find_bootstrap_address(None)
        return list(dict.fromkeys(([] if last is None else [str(last)]) + sorted(running)))
    return None
