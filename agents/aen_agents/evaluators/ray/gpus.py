"""Chooses how large a part of a GPU each worker gets, by the memory of the cluster's GPUs."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aen_agents.evaluators.ray import cluster
from aen_agents.evaluators.ray.internals import keep_quiet, local_resources
from aen_agents.evaluators.ray.resources import ClusterError, ClusterResources
from aen_agents.text import counted

# What CUDA, cuDNN and cuBLAS take on a GPU in each process, and the part of the memory that workers may use together.
PROCESS_BYTES = 10**9
USABLE = 0.9
PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class GpuNode:
    """A machine of the cluster with GPUs.

    Attributes:
        cores: that Ray has there.
        gpus: that Ray has there.
        name: of the GPU; empty: torch cannot use it.
        memory: bytes of the smallest GPU; 0: torch cannot use it.
    """

    cores: float
    gpus: float
    name: str
    memory: int


def find_gpus(address: str | None, timeout: float, token_file: str | None = None) -> list[GpuNode]:
    """Return the machines with GPUs of the cluster at an address.

    A cluster that is not this machine's is connected to, and disconnected from, for this.

    Args:
        address: as `aen_agents.evaluators.ray.cluster.connect` takes it.
        timeout: seconds to wait for the cluster's answer.
        token_file: as for `connect`.

    Raises:
        ClusterError: the cluster cannot be reached.
    """
    keep_quiet()
    import ray  # takes a second

    if cluster.starts_here(address) and not ray.is_initialized():
        here = local_resources()
        if here is not None:
            return [GpuNode(*here, *_look())] if here[1] else []
    connected = cluster.connect(address, timeout, token_file=token_file)
    try:
        return _look_everywhere()
    finally:
        if connected:
            cluster.disconnect()


def choose_part(nodes: Sequence[GpuNode], worker_bytes: int, *, workers: int | None, cpus: float) -> tuple[float, str]:
    """Return the GPUs of each worker, and why.

    As many workers share a GPU as fit in its memory and as there are cores for; if a number of workers is given, no
    more than it needs.

    Args:
        nodes: the machines with GPUs.
        worker_bytes: device memory that a worker needs for the training.
        workers: number of workers wanted; None: as many as fit.
        cpus: cores of each worker.
    """
    if not nodes:
        return 0.0, "gpus_per_worker=0: the cluster has no GPU, children are trained on CPUs"
    usable = [node for node in nodes if node.memory]
    if len(usable) < len(nodes):
        number = counted(len(nodes) - len(usable), "machine")
        return 0.0, (
            f"gpus_per_worker=0: torch cannot use the GPUs of {number} of the cluster (it was built without CUDA, or "
            "their driver is too old), children are trained on CPUs"
        )
    need = worker_bytes + PROCESS_BYTES
    limits = [USABLE * min(node.memory for node in usable) / need]
    limits += [node.cores / cpus / node.gpus for node in usable]
    if workers is not None:
        limits.append(math.ceil(workers / sum(node.gpus for node in usable)))
    each = max(int(min(limits)), 1)
    part = 1.0 if each == 1 else math.floor(10_000 / each) / 10_000
    smallest = min(usable, key=lambda node: node.memory)
    shared = f"{each} workers share a GPU" if each > 1 else "each worker has a GPU"
    return part, (
        f"gpus_per_worker={part:g}: {shared} ({smallest.name}, {smallest.memory / 1e9:.0f} GB; a worker needs about "
        f"{need / 1e9:.1f} GB)"
    )


def idle_gpus(nodes: Sequence[GpuNode], part: float, *, workers: int | None, cpus: float) -> str:
    """Return a sentence about the GPUs of the cluster that stay idle, or ``""``.

    Args:
        nodes: the machines with GPUs.
        part: GPUs of each worker, at most one.
        workers: number of workers wanted; None: as many as fit.
        cpus: cores of each worker.
    """
    idle, left = 0, math.inf if workers is None else workers
    for node in nodes:
        here = min(left, ClusterResources(((node.cores, node.gpus),)).workers(cpus, part))
        idle += int(node.gpus) - math.ceil(here / int(1 / part + 1e-9))
        left -= here
    return f"{counted(idle, 'GPU')} of the cluster {'stays' if idle == 1 else 'stay'} idle" if idle > 0 else ""


def _look() -> tuple[str, int]:
    """Return the name and the bytes of memory of the smallest GPU of this machine; ``("", 0)``: none is usable."""
    import torch  # takes a second; here for the remote call, too

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [torch.cuda.get_device_properties(number) for number in range(count)]
    smallest = min(found, key=lambda properties: properties.total_memory, default=None)
    return ("", 0) if smallest is None else (str(smallest.name), int(smallest.total_memory))


def _look_unreserved() -> tuple[str, int]:
    """`_look` in a task of Ray that reserves no GPU: Ray then hides them, but this does not compute anything."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return _look()


def _look_everywhere() -> list[GpuNode]:
    """Return the machines with GPUs of the cluster to which this process is connected.

    Raises:
        ClusterError: a machine does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task: Any = ray.remote(num_cpus=0, max_retries=1)(_look_unreserved)
    nodes = [n for n in ray.nodes() if n["Alive"] and n["Resources"].get("GPU", 0)]  # type: ignore[no-untyped-call]
    calls = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in nodes
    ]
    try:
        found = ray.get(calls, timeout=PROBE_SECONDS)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ClusterError(
            f"evaluator.gpus_per_worker is auto, but the GPUs of the cluster cannot be looked at: {reason}. "
            "Give evaluator.gpus_per_worker a number, such as 0.25; 0 trains on CPUs."
        ) from error
    return [
        GpuNode(float(node["Resources"].get("CPU", 0)), float(node["Resources"]["GPU"]), *look)
        for node, look in zip(nodes, found, strict=True)
    ]
