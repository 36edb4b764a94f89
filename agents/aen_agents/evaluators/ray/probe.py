"""Checks within a given time whether a Ray cluster is available at an address."""

import os
import socket
import time
from dataclasses import dataclass
from typing import Self

from aen_agents.evaluators.ray.internals import Answer, call_ray

CLIENT_PORT = 10001
GCS_PORT = 6379
_LARGEST_PORT = 65535


@dataclass(frozen=True)
class ClusterEndpoint:
    """The address of a cluster.

    Attributes:
        host: name or IP address of the machine.
        port: of its GCS, or of its Ray Client server.
        client: whether it is that of a Ray Client server, ``ray://``.
    """

    host: str
    port: int
    client: bool

    @classmethod
    def parse(cls, address: str) -> Self | None:
        """Parse ``host:port`` or ``ray://host:port``, where the port of ``ray://`` is optional; None: it is neither."""
        client = address.startswith("ray://")
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if not colon:
            host, port = address.removeprefix("ray://"), str(CLIENT_PORT if client else GCS_PORT)
        if not port.isdecimal() or not host or "/" in host or int(port) > _LARGEST_PORT:
            return None
        return cls(host.strip("[]"), int(port), client)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def uses_tls() -> bool:
    """Return whether Ray encrypts its connections."""
    return os.environ.get("RAY_USE_TLS", "0") not in ("", "0")


def probe(endpoint: ClusterEndpoint, timeout: float, token: str | None = None) -> Answer:
    """Check whether a Ray cluster is available at an endpoint.

    Args:
        endpoint: to check.
        timeout: seconds for the whole check (except for the look-up of the host's name).
        token: authentication token to send, or None.

    Returns:
        ``ray``: a cluster that accepts the token; ``token``: a cluster that requires a token, or another one;
        ``other``: another service; ``silent``: a service that has not answered in time.

    Raises:
        OSError: no connection; a TimeoutError if it took too long.
    """
    deadline = time.monotonic() + timeout
    with socket.create_connection((endpoint.host, endpoint.port), timeout) as connection:
        host, port = connection.getpeername()[:2]
    if uses_tls():
        return "ray"  # a call would need the cluster's certificates
    target = f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
    left = max(deadline - time.monotonic(), 0.1)
    return call_ray(target, client=endpoint.client, timeout=left, token=token)
