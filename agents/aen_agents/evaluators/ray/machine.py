"""What Ray would find on this machine: its cores and GPUs, and clusters that run here.

Ray says that only once it runs, which takes seconds. So its own inner functions are asked, if they are where they are
looked for; where they are not, nothing is said here and Ray finds out itself.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def room_here() -> tuple[float, float] | None:
    """Return the cores and GPUs that a Ray started here would have; None: that cannot be told."""
    if os.environ.get("RAY_OVERRIDE_RESOURCES"):
        return None  # it has what that says
    with suppress(Exception):
        from ray._private.accelerators import get_accelerator_manager_for_resource
        from ray._private.utils import get_num_cpus

        kind: Any = get_accelerator_manager_for_resource("GPU")
        gpus, visible = kind.get_current_node_num_accelerators(), kind.get_current_process_visible_accelerator_ids()
        return float(get_num_cpus()), float(gpus if visible is None else min(gpus, len(visible)))
    return None


def found_near() -> str | None:
    """Return the ``host:port`` to which ``auto`` leads, nothing if to no cluster; None: that cannot be told."""
    with suppress(Exception):
        from ray._private.services import find_bootstrap_address, find_gcs_addresses

        running: Iterable[str] = find_gcs_addresses()  # type: ignore[no-untyped-call]
        return str(find_bootstrap_address(None) or next(iter(sorted(running)), ""))
    return None
