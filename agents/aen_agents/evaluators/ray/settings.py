"""Settings of the training on a cluster."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Settings of the training on a cluster; see `aen_agents.evaluators.ray.evaluator.RayEvaluator`.

    Attributes:
        starts: number of workers that may be starting at a time; each takes a core for a second or more.
    """

    workers: int
    starts: int
    cpus: float
    gpus: float
    threads: int
    device: str
    timeout: float | None
    retries: int
    weights_folder: Path | None
    debug: bool
