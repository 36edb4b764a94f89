"""Makes the evaluator of a configuration."""

from abc import ABC, abstractmethod
from pathlib import Path
from pkgutil import resolve_name
from typing import cast

import torch

from aen.children import ChildSpec
from aen.evaluators import Evaluator, LocalEvaluator
from aen.results.store import ResultStore
from aen.training import available_cores, check_device, check_threads, choose_device, idle_gpus
from aen_agents.config import AUTO, LocalConfig, SearchConfig
from aen_agents.events import Listener, Notice

CUDA_POPULATION = 64  # population on CUDA if the config leaves it out


class EvaluatorFactory(ABC):
    """Makes the evaluators of one kind of the section `evaluator`; see `EvaluatorSection.factory`."""

    @abstractmethod
    def make(self, config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> Evaluator:
        """Return the evaluator of a search; see `make_evaluator`."""

    def resolve(self, config: SearchConfig, child: ChildSpec) -> tuple[SearchConfig, list[str]]:
        """Return the config with a value in place of each `AUTO` of the evaluator's section, and what to tell the user.

        Args:
            config: the config.
            child: the baseline's child.

        Raises:
            AenError: it cannot be found out, for example since the cluster cannot be reached.
        """
        del child
        return config, []

    def check(self, config: SearchConfig) -> None:  # noqa: B027 - most evaluators have nothing to check
        """Check the config before the evaluator is made.

        Raises:
            AenError: the evaluator cannot work on this machine.
        """

    def workers(self, config: SearchConfig) -> int:
        """Return the number of workers; 0: as many as fit, which is determined later."""
        del config
        return 1


class LocalFactory(EvaluatorFactory):
    """Makes evaluators on this machine."""

    def resolve(self, config: SearchConfig, child: ChildSpec) -> tuple[SearchConfig, list[str]]:
        """Choose the device, and mention GPUs that stay idle."""
        del child
        device, said = config.evaluator.device, []
        if device == AUTO:
            device = choose_device()
            if device == "cuda":
                said.append(f"device=cuda: {torch.cuda.get_device_name()}")
            config = with_evaluator(config, device=device)
        idle = idle_gpus(device)
        if idle:
            said.append(f"{idle}; evaluator=ray trains on all GPUs" if device != "cpu" else idle)
        return config, said

    def make(self, config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> Evaluator:
        """Return a `LocalEvaluator`."""
        return LocalEvaluator(
            store,
            device=config.evaluator.device,
            threads=config.evaluator.threads,
            workers=self.workers(config),
            population=population_of(config),
            weights_folder=weights,
            debug=config.debug,
            notice=lambda text: listener(Notice(text)),
        )

    def check(self, config: SearchConfig) -> None:
        """Check that the device exists and that there are enough cores."""
        if config.evaluator.device != AUTO:
            check_device(config.evaluator.device)
        check_threads(config.evaluator.threads, self.workers(config))

    def workers(self, config: SearchConfig) -> int:
        """Return the number of processes: by default 1 for step-by-step agents, otherwise as many as cores allow."""
        settings = cast("LocalConfig", config.evaluator)
        if settings.workers is not None:
            return settings.workers
        device = choose_device() if settings.device == AUTO else settings.device
        if not config.agent.step_by_step and device == "cpu":
            return max(available_cores() // settings.threads, 1)
        return 1


def resolve_evaluator(config: SearchConfig, child: ChildSpec) -> tuple[SearchConfig, list[str]]:
    """Return the config with what its evaluator's factory chooses here, and what to tell the user.

    Args:
        config: the config.
        child: the baseline's child.

    Raises:
        AenError: it cannot be found out, for example since the cluster cannot be reached.
    """
    return _factory(config).resolve(config, child)


def with_evaluator(config: SearchConfig, **values: object) -> SearchConfig:
    """Return a config with other values in the section `evaluator`."""
    return config.model_copy(update={"evaluator": config.evaluator.model_copy(update=values)})


def check_evaluator(config: SearchConfig) -> None:
    """Check the evaluator's settings before it is made.

    Raises:
        AenError: it cannot work on this machine, for example without the device or with fewer cores than threads.
    """
    _factory(config).check(config)


def make_evaluator(config: SearchConfig, store: ResultStore, weights: Path, listener: Listener) -> Evaluator:
    """Return the evaluator of a config.

    Args:
        config: the config of the search.
        store: the store of results.
        weights: the folder of kept weights, in the run folder.
        listener: is notified of workers that start or are lost, and of their children's results and faults.

    Raises:
        AenError: it cannot be made, for example since the cluster cannot be reached or has no free resources.
    """
    return _factory(config).make(config, store, weights, listener)


def workers_of(config: SearchConfig) -> int:
    """Return the number of workers; 0: as many as fit on the cluster."""
    return _factory(config).workers(config)


def population_of(config: SearchConfig) -> int:
    """Return how many children a worker trains together; on a CPU training them one by one is faster."""
    settings = config.evaluator
    if settings.population is not None:
        return settings.population
    return CUDA_POPULATION if config.agent.knows_children_ahead and settings.device != "cpu" else 1


def _factory(config: SearchConfig) -> EvaluatorFactory:
    factory: EvaluatorFactory = resolve_name(config.evaluator.factory)()
    return factory
