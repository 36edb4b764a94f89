"""Which evaluator a config asks for."""

import shlex
from pathlib import Path

from aen.evaluators import LocalEvaluator
from aen.results.store import ResultStore
from aen.training import available_cores, check_device, check_threads
from aen_agents.config import DQNConfig, ExhaustiveConfig, LocalConfig, RayConfig, SearchConfig
from aen_agents.evaluators.ray.evaluator import RayEvaluator
from aen_agents.events import Listener
from aen_agents.text import command

CUDA_POPULATION = 64  # what `population: null` means there

SearchEvaluator = LocalEvaluator | RayEvaluator


def check_evaluator(config: SearchConfig) -> None:
    """Check what can be known of an evaluator before it is made.

    Raises:
        SpecError: no such device here, or fewer cores than threads.
    """
    if isinstance(config.evaluator, LocalConfig):
        check_device(config.evaluator.device)
        check_threads(config.evaluator.threads, workers_of(config))


def make_evaluator(config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> SearchEvaluator:
    """Return the evaluator of a config.

    Args:
        config: the search.
        store: where results are kept.
        weights: the folder of weights that are kept, in the run's folder.
        listener: is told of workers that come and go, and of what happens to children on them.

    Raises:
        ClusterError: the cluster cannot be reached, or has no room.
    """
    settings = config.evaluator
    if isinstance(settings, RayConfig):
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
    return LocalEvaluator(
        store,
        device=settings.device,
        threads=settings.threads,
        workers=workers_of(config),
        population=population_of(config),
        weights_folder=weights,
        debug=config.debug,
    )


def workers_of(config: SearchConfig) -> int:
    """Return how many processes of this machine train: a walk has work for one, the others for every core.

    With Ray it is the number asked for, 0 meaning as many as the cluster has room for.
    """
    settings = config.evaluator
    if isinstance(settings, RayConfig):
        return settings.workers or 0
    if settings.workers is not None:
        return settings.workers
    if not isinstance(config.agent, DQNConfig) and settings.device == "cpu":
        return max(available_cores() // settings.threads, 1)
    return 1


def population_of(config: SearchConfig) -> int:
    """Return how many children a worker trains side by side: on a CPU each by its own products is faster."""
    settings = config.evaluator
    if settings.population is not None:
        return settings.population
    known = isinstance(config.agent, ExhaustiveConfig)
    return CUDA_POPULATION if known and settings.device != "cpu" else 1
