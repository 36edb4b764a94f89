"""Resources of a cluster: how many workers fit."""

import sys
from dataclasses import dataclass

from aen.errors import AenError
from aen_agents.text import counted


class ClusterError(AenError):
    """A cluster that cannot be reached, or that lacks the resources asked for."""


@dataclass(frozen=True)
class ClusterResources:
    """The resources of a cluster.

    Attributes:
        nodes: cores and GPUs of each machine that is alive.
    """

    nodes: tuple[tuple[float, float], ...]

    @property
    def cores(self) -> float:
        """Number of cores of all machines."""
        return sum(cpus for cpus, _ in self.nodes)

    def workers(self, cpus: float, gpus: float) -> int:
        """Return how many workers with so many cores and GPUs fit; each needs them on one machine."""
        return sum(min(_times(cpus, have_cpus), _on_gpus(gpus, have_gpus)) for have_cpus, have_gpus in self.nodes)

    def __str__(self) -> str:
        cpus, gpus = (sum(node[i] for node in self.nodes) for i in (0, 1))
        return f"{counted(cpus, 'core')} and {counted(gpus, 'GPU')} on {counted(len(self.nodes), 'machine')}"


def _times(part: float, whole: float) -> int:
    return int(whole / part + 1e-9)  # rounding: 1 / 0.1 must be 10


def _on_gpus(gpus: float, have: float) -> int:
    """Return how many workers with so many GPUs fit on a machine; a fraction is one of a single GPU."""
    if not gpus:
        return sys.maxsize
    return int(have) * _times(gpus, 1) if gpus < 1 else _times(gpus, have)
