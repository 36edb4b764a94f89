"""The cores and the memory of this machine, or of the container."""

import os
from pathlib import Path


def available_cores() -> int:
    """Return how many cores this process may use; in a container that can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory() -> int:
    """Return the bytes of memory that the machine has, or a container may use (not those that happen to be free)."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return physical
    return min(limit, physical)
