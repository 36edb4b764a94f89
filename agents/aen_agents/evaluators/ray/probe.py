"""Asking an address whether a Ray cluster is there. Ray itself would try for minutes, and write lines on the terminal.

Two calls of Ray's own protocol are asked, by their names alone and without any of its modules: to both it answers at
once, and neither changes anything.
"""

import os
import socket
import time
from dataclasses import dataclass
from typing import Literal, Self

CLIENT_PORT = 10001
GCS_PORT = 6379
_LARGEST_PORT = 65535
# Method and request: whether no nodes at all are alive; a ping (field 1 of its request is 6).
_GCS_CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive", b""
_CLIENT_CALL = "/ray.rpc.RayletDriver/ClusterInfo", b"\x08\x06"
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))

Answer = Literal["ray", "token", "other", "silent"]


@dataclass(frozen=True)
class Door:
    """Where a cluster may listen.

    Attributes:
        host: name or number of the machine.
        port: of its GCS, or of its Ray Client server.
        client: whether it is the latter, ``ray://``.
    """

    host: str
    port: int
    client: bool

    @classmethod
    def at(cls, address: str) -> Self | None:
        """Read ``host:port`` or ``ray://host:port``, the port of ``ray://`` being optional; None: it is neither."""
        client = address.startswith("ray://")
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if not colon:
            host, port = address.removeprefix("ray://"), str(CLIENT_PORT if client else GCS_PORT)
        if not port.isdecimal() or not host or "/" in host or int(port) > _LARGEST_PORT:
            return None
        return cls(host.strip("[]"), int(port), client)


def knock(door: Door, timeout: float, token: str | None = None) -> Answer:
    """Ask who is there.

    Args:
        door: where.
        timeout: seconds for all of it (looking up the host's name aside).
        token: to show; None: none.

    Returns:
        ``ray``: a cluster, which lets us in; ``token``: a cluster that wants a token, or another one; ``other``: who
        listens is no Ray; ``silent``: who listens has not answered in time.

    Raises:
        OSError: nobody listens; TimeoutError: nor is that said.
    """
    deadline = time.monotonic() + timeout
    with socket.create_connection((door.host, door.port), timeout) as connection:
        host, port = connection.getpeername()[:2]
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return "ray"  # without its certificates no more can be told
    import grpc  # type: ignore[import-untyped]

    method, request = _CLIENT_CALL if door.client else _GCS_CALL
    target = f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
    shown = [] if token is None else [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            channel.unary_unary(method)(request, timeout=max(deadline - time.monotonic(), 0.1), metadata=shown)
        except grpc.RpcError as error:
            code, said = error.code(), error.details() or ""
            if code is grpc.StatusCode.UNAUTHENTICATED and "token" in said.lower():  # a web server says otherwise
                return "token"
            return "silent" if code is grpc.StatusCode.DEADLINE_EXCEEDED else "other"
    return "ray"
