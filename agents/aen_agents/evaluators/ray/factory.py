"""From a configuration to its evaluator on Ray."""

import shlex
from pathlib import Path
from typing import cast

from aen.evaluators import Evaluator
from aen.results.store import ResultStore
from aen_agents.config import RayConfig, SearchConfig
from aen_agents.evaluators.factory import EvaluatorFactory, population_of
from aen_agents.evaluators.ray.evaluator import RayEvaluator
from aen_agents.events import Listener
from aen_agents.text import command


class RayFactory(EvaluatorFactory):
    """Makes evaluators on a Ray cluster."""

    def make(self, config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> Evaluator:
        """Return a `RayEvaluator`.

        Raises:
            ClusterError: the cluster cannot be reached, or has no room.
        """
        settings = cast("RayConfig", config.evaluator)
        return RayEvaluator(
            store,
            address=config.cluster.address,
            connect_timeout=config.cluster.connect_timeout,
            workers=settings.workers,
            cpus_per_worker=settings.cpus_per_worker,
            gpus_per_worker=settings.gpus_per_worker,
            threads=settings.threads,
            population=population_of(config),
            timeout=settings.timeout,
            retries=settings.retries,
            weights_folder=weights,
            debug=config.debug,
            listener=listener,
            resume=f"{command()} resume {shlex.quote(str(weights.parent))}",
        )

    def workers(self, config: SearchConfig) -> int:
        """Return the number asked for; 0: as many as the cluster has room for."""
        return cast("RayConfig", config.evaluator).workers or 0
