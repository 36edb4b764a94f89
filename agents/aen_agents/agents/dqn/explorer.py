"""The DQN agent of AEN (arXiv 2104.04848) on Stable-Baselines3; docs/agents/dqn.md explains metrics and deviations."""

import bisect
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.common.vec_env import VecEnv

from aen._typing import JsonDict
from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.dqn.checkpoint import Loaded, intact, save
from aen_agents.agents.dqn.curves import RunEvents
from aen_agents.agents.dqn.environment import make_environment
from aen_agents.agents.dqn.state import dqn_state, environments_state, restore_dqn, restore_environments
from aen_agents.agents.dqn.vec_env import LockstepVecEnv
from aen_agents.agents.dqn.visits import OUT_OF_STEPS, Visits
from aen_agents.agents.final_stage import conclude
from aen_agents.config import DQNConfig, RayConfig
from aen_agents.events import Notice, StageStarted
from aen_envs.child_env import ChildEnv

NEVER = 10**12
CHECKPOINT_SECONDS = 10.0


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

    def predict(
        self,
        observation: Any,  # noqa: ANN401 - SB3's
        state: Any = None,  # noqa: ANN401 - SB3's
        episode_start: Any = None,  # noqa: ANN401 - SB3's
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Choose an action for each observation; epsilon is drawn for each, not once for all as SB3 does."""
        if deterministic or not self.policy.is_vectorized_observation(observation) or len(observation) == 1:
            return super().predict(observation, state, episode_start, deterministic)
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        for place in range(len(actions)):
            if np.random.rand() < self.exploration_rate:  # noqa: NPY002 - the source that SB3 draws from
                actions[place] = self.action_space.sample()
        return actions, state

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
    """Notes every step's state, ends training when the budget is used up, and writes a checkpoint now and then."""

    def __init__(self, visits: Visits, folder: Path, every: float) -> None:
        super().__init__()
        self.visits = visits
        self.folder = folder
        self.every = every
        self._written = time.monotonic()

    def _on_rollout_start(self) -> None:
        # Between the gradient steps of one step and the choice of the next action nothing is half done.
        if time.monotonic() - self._written >= self.every:
            arrays, dqn = dqn_state(cast("SearchDQN", self.model))
            state = {"visits": self.visits.mark(), "dqn": dqn, "environments": environments_state(self.training_env)}
            save(self.folder, arrays, state)
            self._written = time.monotonic()

    def _on_step(self) -> bool:
        for info, reward in zip(self.locals["infos"], self.locals["rewards"], strict=True):
            # Of environments in lock-step those behind the end of the budget do not count.
            if self.visits.why_finished() is None:
                self.visits.saw(info, reward=float(reward), epsilon=self.locals["self"].exploration_rate)
        self.logger.record("search/accuracy", info["accuracy"])
        self.logger.record("search/best_accuracy", self.visits.best)
        self.logger.record("search/first_visits", self.visits.first_visits)
        self.logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        return self.visits.why_finished() is None


def make_dqn(config: DQNConfig, env: gym.Env[Any, Any] | VecEnv, visits: Visits, *, seed: int) -> SearchDQN:
    """Return a DQN with the settings of a config; see `aen_agents.config.DQNConfig`."""
    several = env.num_envs if isinstance(env, VecEnv) else 1
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
        gradient_steps=config.gradient_steps * several,  # SB3 counts a step of all environments as one
        # SB3 copies after a step of all environments at the earliest, and warns where fewer steps are asked for.
        target_update_interval=NEVER if config.target_update == "even_children" else max(config.target_update, several),
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


def explore(
    config: DQNConfig,
    env: gym.Env[Any, Any] | VecEnv,
    visits: Visits,
    *,
    seed: int,
    folder: Path,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Let DQN walk through the environment until the budget is used up, from the last checkpoint on if there is one.

    Args:
        config: the agent's settings.
        env: the environment, whose untied child is evaluated first, or several in lock-step.
        visits: counts the states seen and says when to stop.
        seed: of the Q-network, the actions and the replay samples.
        folder: gets TensorBoard events in ``tensorboard/``, checkpoints in ``agent/`` and the agent in
            ``agent/dqn.zip``.
        checkpoint_seconds: a checkpoint is written at the first step after so many.
        notice: is told where it goes on, and of damaged checkpoints.
    """
    events, agent = folder / "tensorboard", folder / "agent"
    checkpoint = last_checkpoint(agent, visits, notice)
    if checkpoint is None:
        for file in events.glob("events.*"):
            file.unlink()  # a run that begins anew tells its whole story again
        info = _begin(env, seed)
        visits.saw(info, reward=0.0, epsilon=1.0, start=True)
    if visits.why_finished() is not None:
        return
    model = make_dqn(config, env, visits, seed=seed)
    if checkpoint is not None:
        restore_environments(cast("VecEnv", model.env), checkpoint.state["environments"])
        restore_dqn(model, checkpoint.arrays, checkpoint.state["dqn"])
    model.set_logger(Logger(str(events), [RunEvents(events, model.num_timesteps + 1 if checkpoint else None)]))
    watch = _Watch(visits, agent, checkpoint_seconds)
    try:
        steps = visits.budget.steps - model.num_timesteps
        model.learn(steps, callback=watch, log_interval=1, reset_num_timesteps=checkpoint is None)
    finally:
        model.logger.close()
        save_agent(model, agent / "dqn.zip")
    save(agent, {}, {"visits": visits.mark()})  # all is walked: who goes on from here needs no agent


def save_agent(model: SearchDQN, path: Path) -> None:
    """Write an agent so that the file appears whole or not at all."""
    content = io.BytesIO()  # SB3 would leave the file open on a full disk
    model.save(content)
    part = path.with_suffix(".part.zip")
    try:
        part.write_bytes(content.getbuffer())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _environments_before(folder: Path) -> int | None:
    """Return how many environments the last checkpoint is of: a run in lock-step keeps them, whatever its workers."""
    for checkpoint in intact(folder, lambda _: None):
        if "dqn" in checkpoint.state:
            return int(checkpoint.state["dqn"]["replay"]["n_envs"])
    return None


def _begin(env: gym.Env[Any, Any] | VecEnv, seed: int) -> JsonDict:
    """Begin an episode, or several; return what the first says of its start."""
    if isinstance(env, VecEnv):
        env.seed(seed)
        env.reset()
        info: JsonDict = env.reset_infos[0]
        return info
    return env.reset(seed=seed)[1]


def last_checkpoint(folder: Path, visits: Visits, notice: Callable[[str], None]) -> Loaded | None:
    """Return the last checkpoint that is whole and whose visits the history has, which are taken up.

    Args:
        folder: where checkpoints are.
        visits: of a run that has made no visit yet.
        notice: is told where the run goes on, and why not from a later checkpoint.

    Returns:
        The checkpoint; None: there is none, and all is walked anew.

    Raises:
        RunFolderError: a checkpoint is of another version.
    """
    damaged: list[str] = []
    for checkpoint in intact(folder, damaged.append):
        if visits.go_on(checkpoint.state["visits"]):
            damaged.append(f"going on after step {visits.steps}")
            break
        damaged.append(f"the history is not that of checkpoint {checkpoint.number}, which is not used")
    else:
        checkpoint = None
        if damaged:
            damaged.append("no checkpoint is left: exploring begins anew; what is in the store is not trained again")
    for text in damaged:
        notice(text)
    return checkpoint


class DQNExplorer:
    """DQN at work on a task; see `aen_agents.agents.base.Explorer`."""

    packages: tuple[str, ...] = ("gymnasium", "stable-baselines3")
    checkpoint_seconds = CHECKPOINT_SECONDS

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
        most = min(visits.budget.children, visits.total)
        task.listener(StageStarted("explore", most, steps=visits.budget.steps))
        # How often a run was broken says nothing of its result: the summary, which keeps notices, has none.
        how: dict[str, Any] = {
            "seed": task.config.seed,
            "folder": task.folder.path,
            "checkpoint_seconds": self.checkpoint_seconds,
            "notice": lambda text: task.listener(Notice(text)),
        }
        try:
            self._walk(how)
        finally:
            visits.close()
        if visits.why_finished() == OUT_OF_STEPS:
            task.notice(
                f"exploring ended after {visits.steps:,} steps (budget.steps): {visits.first_visits:,} of {most:,} "
                "children; raise budget.steps to meet more"
            )
        all_known = len(visits.accuracy_of_class) >= visits.classes
        if visits.steps < self.agent.learn_after and not all_known:
            task.notice(
                f"the agent never learnt: exploring ended after {visits.steps} steps, and agent.learn_after is "
                f"{self.agent.learn_after}; raise budget.children and budget.steps, or lower it"
            )

    def _walk(self, how: dict[str, Any]) -> None:
        """Walk through one environment, several in lock-step, or several of which none waits for another."""
        task, settings = self.task, self.task.config.environment
        many = isinstance(task.config.evaluator, RayConfig)
        hands = getattr(task.evaluator, "workers", 1) * getattr(task.evaluator, "population", 1)
        # A quarter more than workers, so that none waits while the next action is chosen.
        count = settings.n_envs or (hands + max(hands // 4, 1) if many else 1)
        if many and settings.collect == "lockstep" and settings.n_envs is None:
            count = _environments_before(task.folder.path / "agent") or count
        if many and settings.collect != "lockstep":
            from aen_agents.agents.dqn.collector import explore_asynchronously

            environments = [cast("ChildEnv[Any]", make_environment(task).unwrapped) for _ in range(count)]
            explore_asynchronously(
                self.agent, environments, self.visits, evaluator=task.evaluator, workers=hands, **how
            )
        elif count == 1:
            explore(self.agent, make_environment(task), self.visits, **how)
        else:
            explore(self.agent, LockstepVecEnv([make_environment(task) for _ in range(count)]), self.visits, **how)

    def found(self) -> list[str]:
        """Return the classes met, best first; at equal accuracy the one with fewer parameters."""
        accuracy, parameters = self.visits.accuracy_of_class, self.visits.parameters_of_class
        return sorted(accuracy, key=lambda key: (-accuracy[key], parameters[key]))

    def accuracies(self) -> dict[str, float]:
        """Return the accuracy of each class met, in the order of the first visits; none that diverged."""
        visits = self.visits
        return {key: a for key, a in visits.accuracy_of_class.items() if key not in visits.diverged}

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, compare, and look at the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> Exploration:
        """Return the counts of visits."""
        return Exploration(
            steps=self.visits.steps,
            states_visited=len(self.visits.seen_states),
            classes_visited=len(self.visits.accuracy_of_class),
            stopped_because=self.visits.why_finished(),
        )
