"""From a configuration to its evaluator on Ray."""

import shlex
from pathlib import Path
from typing import Any, cast

from aen.children import ChildSpec
from aen.data import load_dataset
from aen.evaluators import Evaluator
from aen.results.store import ResultStore
from aen.training import training_bytes
from aen_agents.config import RayConfig, SearchConfig
from aen_agents.evaluators.factory import EvaluatorFactory, population_of, with_evaluator
from aen_agents.evaluators.ray import gpus
from aen_agents.evaluators.ray.evaluator import RayEvaluator
from aen_agents.events import Listener
from aen_agents.text import command


class RayFactory(EvaluatorFactory):
    """Makes evaluators on a Ray cluster."""

    def resolve(self, config: SearchConfig, child: ChildSpec) -> tuple[SearchConfig, list[str]]:
        """Choose the part of a GPU that each worker gets, and mention GPUs that stay idle.

        Raises:
            ClusterError: the cluster cannot be reached.
        """
        settings = cast("RayConfig", config.evaluator)
        limits: dict[str, Any] = {"workers": settings.workers, "cpus": settings.cpus_per_worker}
        part, said = settings.gpus_per_worker, []
        if isinstance(part, str):
            nodes = gpus.find_gpus(config.cluster.address, config.cluster.connect_timeout, config.cluster.token_file)
            on_gpu = with_evaluator(config, gpus_per_worker=1.0)
            need = training_bytes(child, load_dataset(child.data), population=population_of(on_gpu)) if nodes else 0
            part, why = gpus.choose_part(nodes, need, **limits)
            config = with_evaluator(config, gpus_per_worker=part)
            idle = gpus.idle_gpus(nodes, part, **limits) if part else ""
            said = [why, *([idle] if idle else [])]
        return config, said

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
            token_file=config.cluster.token_file,
            workers=settings.workers,
            cpus_per_worker=settings.cpus_per_worker,
            gpus_per_worker=float(settings.gpus_per_worker),
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
