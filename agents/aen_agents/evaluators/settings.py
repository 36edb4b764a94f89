"""How children are trained on a cluster."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """How children are trained on a cluster; see `aen_agents.evaluators.ray.RayEvaluator`."""

    workers: int
    cpus: float
    gpus: float
    threads: int
    device: str
    timeout: float | None
    retries: int
    weights_folder: Path | None
    debug: bool
