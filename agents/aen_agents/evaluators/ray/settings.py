"""Settings: how children are trained on a cluster."""

from dataclasses import dataclass
from pathlib import Path

from aen.errors import SpecError


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


def check_positive(**values: float | None) -> None:
    """Check that arguments are above 0, or None.

    Raises:
        SpecError: one is not; the message names it.
    """
    for name, value in values.items():
        if value is not None and not value > 0:
            raise SpecError(f"{name} is {value}; it must be above 0.")
