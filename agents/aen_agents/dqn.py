"""The DQN agent of AEN (arXiv 2104.04848) on Stable-Baselines3; docs/agents/dqn.md explains metrics and deviations."""

import bisect
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update

from aen._typing import JsonDict
from aen_agents.conclusion import conclude
from aen_agents.config import DQNConfig
from aen_agents.environments import make_environment
from aen_agents.events import StageStarted
from aen_agents.explorer import Task
from aen_agents.visits import Visits

NEVER = 10**12


class ScaledBits(BaseFeaturesExtractor):
    """Hands the observed bits, times a constant, to the Q-network."""

    def __init__(self, observation_space: gym.Space[Any], scale: float) -> None:
        super().__init__(observation_space, features_dim=gym.spaces.utils.flatdim(observation_space))
        self.scale = scale

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the scaled bits, ``[batch, n]``."""
        return observations.float() * self.scale


class SearchDQN(DQN):
    """SB3's DQN with epsilon and target copies governed by first visits instead of steps."""

    rule: "VisitRule | None" = None

    def _on_step(self) -> None:
        # SB3 recomputes epsilon from its schedule in here, after the callbacks; the schedule is the visits' (below).
        super()._on_step()
        if self.rule is not None and self.rule.copy_target():
            polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), 1.0)

    def _sample_action(self, learning_starts: int, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        # SB3 acts at random until it begins to learn, whatever epsilon is; here epsilon alone decides.
        del learning_starts
        return super()._sample_action(0, *args, **kwargs)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "rule", "exploration_schedule"]


class VisitRule:
    """Epsilon and target copies by the number of first visits."""

    def __init__(self, config: DQNConfig, visits: Visits) -> None:
        self.visits = visits
        unit = visits.classes if config.epsilon_unit == "fraction" else 1
        self.starts = [start * unit for start, _ in config.epsilon]
        self.epsilons = [epsilon for _, epsilon in config.epsilon]
        self.even_children = config.target_update == "even_children"

    def epsilon(self) -> float:
        """Return epsilon at the present number of first visits."""
        return self.epsilons[bisect.bisect_right(self.starts, self.visits.first_visits) - 1]

    def copy_target(self) -> bool:
        """Say whether the target network is to be copied at this step."""
        return self.even_children and self.visits.first_visits % 2 == 0

    def __call__(self, progress_remaining: float) -> float:
        """Stand in for SB3's exploration schedule, which is a function of the steps that remain."""
        del progress_remaining
        return self.epsilon()


class _Watch(BaseCallback):
    """Notes every step's state and ends training when the budget is used up."""

    def __init__(self, visits: Visits) -> None:
        super().__init__()
        self.visits = visits

    def _on_step(self) -> bool:
        info, reward = self.locals["infos"][0], float(self.locals["rewards"][0])
        self.visits.saw(info, reward=reward, epsilon=self.locals["self"].exploration_rate)
        self.logger.record("search/accuracy", info["accuracy"])
        self.logger.record("search/best_accuracy", self.visits.best)
        self.logger.record("search/first_visits", self.visits.first_visits)
        self.logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        return self.visits.why_finished() is None


def make_dqn(config: DQNConfig, env: gym.Env[Any, Any], visits: Visits, *, seed: int) -> SearchDQN:
    """Return a DQN with the settings of a config; see `aen_agents.config.DQNConfig`."""
    # 12 generators make a network of a few thousand weights; it is faster on the CPU than on any GPU.
    model = SearchDQN(
        "MlpPolicy",
        env,
        learning_rate=config.learning_rate,
        buffer_size=config.replay_size,
        # SB3 learns at the first step whose number is above learning_starts, and each step adds one transition.
        learning_starts=config.learn_after - 1,
        batch_size=config.batch_size,
        gamma=config.discount,
        train_freq=1,
        gradient_steps=config.gradient_steps,
        target_update_interval=NEVER if config.target_update == "even_children" else config.target_update,
        max_grad_norm=float("inf") if config.max_gradient_norm is None else config.max_gradient_norm,
        policy_kwargs={
            "net_arch": list(config.layers),
            "activation_fn": torch.nn.ReLU,
            "features_extractor_class": ScaledBits,
            "features_extractor_kwargs": {"scale": config.input_scale},
        },
        seed=seed,
        device="cpu",
    )
    model.rule = VisitRule(config, visits)
    model.exploration_schedule = model.rule
    model.exploration_rate = model.rule.epsilon()
    return model


def explore(config: DQNConfig, env: gym.Env[Any, Any], visits: Visits, *, seed: int, folder: Path) -> None:
    """Let DQN walk through the environment until the budget is used up.

    Args:
        config: the agent's settings.
        env: the environment, whose untied child is evaluated first.
        visits: counts the states seen and says when to stop.
        seed: of the Q-network, the actions and the replay samples.
        folder: gets TensorBoard events in ``tensorboard/`` and the agent in ``agent/dqn.zip``.
    """
    _, info = env.reset(seed=seed)
    visits.saw(info, reward=0.0, epsilon=1.0, start=True)
    if visits.why_finished() is None:
        model = make_dqn(config, env, visits, seed=seed)
        model.set_logger(configure(str(folder / "tensorboard"), ["tensorboard"]))
        try:
            model.learn(visits.budget.steps, callback=_Watch(visits), log_interval=1)
        finally:
            model.save(folder / "agent" / "dqn.zip")


class DQNExplorer:
    """DQN at work on a task; see `aen_agents.explorer.Explorer`."""

    packages: tuple[str, ...] = ("gymnasium", "stable-baselines3")

    def __init__(self, task: Task, agent: DQNConfig) -> None:
        self.task = task
        self.agent = agent
        self.visits = Visits(
            budget=task.config.budget,
            counted=agent.first_visits,
            classes=len(task.space.classes),
            states=task.space.states,
            listener=task.listener,
            history=task.folder.history_file,
        )

    def explore(self) -> None:
        """Walk until the budget is used up."""
        task, visits = self.task, self.visits
        for events in (task.folder.path / "tensorboard").glob("events.*"):
            events.unlink()  # a run that goes on tells its whole story again
        task.listener(StageStarted("explore", min(visits.budget.children, visits.total)))
        env = make_environment(task)
        explore(self.agent, env, visits, seed=task.config.seed, folder=task.folder.path)
        all_known = len(visits.accuracy_of_class) >= visits.classes
        if visits.steps < self.agent.learn_after and not all_known:
            task.notice(
                f"the agent never learnt: exploring ended after {visits.steps} steps, and agent.learn_after is "
                f"{self.agent.learn_after}; raise budget.children and budget.steps, or lower it"
            )

    def found(self) -> list[str]:
        """Return the classes met, best first; at equal accuracy the one with fewer parameters."""
        accuracy, parameters = self.visits.accuracy_of_class, self.visits.parameters_of_class
        return sorted(accuracy, key=lambda key: (-accuracy[key], parameters[key]))

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each class met, in the order of the first visits; none that diverged."""
        visits = self.visits
        return {key: a for key, a in visits.accuracy_of_class.items() if key not in visits.diverged}

    def conclude(self) -> JsonDict:
        """Select on fresh seeds, compare, and look at the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> JsonDict:
        """Return the counts of visits."""
        return {
            "steps": self.visits.steps,
            "states_visited": len(self.visits.seen_states),
            "classes_visited": len(self.visits.accuracy_of_class),
            "stopped_because": self.visits.why_finished(),
        }
