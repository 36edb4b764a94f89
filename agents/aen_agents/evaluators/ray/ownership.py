"""Says whether a cluster is this user's: whose processes listen at its address, or have joined it on this machine."""

import ipaddress
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from aen_agents.evaluators.ray.probe import ClusterEndpoint

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS = "0A"
_FLAG = "--gcs-address="  # on the command line of Ray's processes

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_own_cluster(endpoint: ClusterEndpoint) -> bool:
    """Return whether a cluster is this user's or root's; where the system does not tell, it is not.

    Args:
        endpoint: of the cluster.
    """
    return _listens_for_us(endpoint) or _has_joined(endpoint)


def trusted_users() -> set[int]:
    """Return the user ids whose processes may have this user's secrets: the user's own, and root's."""
    return {os.geteuid(), 0}


def _listens_for_us(endpoint: ClusterEndpoint) -> bool:
    """Return whether the port is one of this machine, on which only processes of this user listen.

    They count at all addresses of the machine: for a loopback address Ray connects to another one.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        listeners = _listeners(endpoint.port)
    except (OSError, UnicodeError, ValueError):
        return False
    addresses = {_plain(str(info[4][0])) for info in found}
    reached = any(at in addresses or at.is_unspecified for at, _ in listeners)
    return reached and all(map(_is_local, addresses)) and {uid for _, uid in listeners} <= trusted_users()


def _listeners(port: int) -> list[tuple[IPAddress, int]]:
    """Return address and user id of the sockets of this machine that listen on a port."""
    found = []
    for table in _TABLES:
        with suppress(FileNotFoundError):  # without IPv6
            for line in table.read_text().splitlines()[1:]:
                words = line.split()
                address, _, number = words[1].partition(":")
                if words[3] == _LISTENS and int(number, 16) == port:
                    found.append((_parse(address), int(words[7])))
    return found


def _parse(text: str) -> IPAddress:
    """Return an address of /proc/net/tcp: words of 32 bits in the byte order of the machine."""
    words = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    return _without_mapping(ipaddress.ip_address(words))


def _plain(text: str) -> IPAddress:
    return _without_mapping(ipaddress.ip_address(text.partition("%")[0]))


def _without_mapping(address: IPAddress) -> IPAddress:
    return getattr(address, "ipv4_mapped", None) or address


def _is_local(address: IPAddress) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as there:
        try:
            there.bind((str(address), 0))
        except OSError:
            return False
    return True


def _has_joined(endpoint: ClusterEndpoint) -> bool:
    """Return whether a process of this user on this machine is a part of the cluster; its head may be on another."""
    flag = f"{_FLAG}{endpoint}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.stat().st_uid in trusted_users() and flag in (folder / "cmdline").read_bytes().split(b"\0"):
                return True
    return False
