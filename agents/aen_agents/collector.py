"""The collector: many environments, each stepping alone, and one DQN that learns from all of them.

An environment's transition goes into the replay when its child is done, and its next action is chosen at once: none
waits for another. While children train, the agent learns. Which child is done first depends on the machines, so a run
cannot be repeated step by step; what is stored of a child does not depend on it.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.logger import Logger

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_agents.checkpoint import Loaded, save
from aen_agents.config import DQNConfig
from aen_agents.dqn import RunEvents, SearchDQN, last_checkpoint, make_dqn
from aen_agents.dqn_state import dqn_state, restore_dqn
from aen_agents.visits import Visits
from aen_envs.child_env import ChildEnv, Plan
from aen_envs.lockstep import submit

# Learning may lag behind by so many transitions; gradient steps due beyond are left out: no worker waits for them.
MOST_OWED = 256
# So much of the agent's time is for learning, however fast children come in.
LEARNING_SHARE = 0.25
# Neighbours that are looked at, between two arrivals, for workers that would idle.
MOST_LOOKED_AT = 64


@dataclass(eq=False)
class _Walker:
    """An environment on its way.

    Attributes:
        env: the environment.
        number: of the environment.
        plan: what it waits for.
        futures: of the plan's children.
        left: how many of them are not done.
        observation: before the plan's step; None: no episode yet.
        epsilon: with which the action was drawn.
    """

    env: ChildEnv[Any]
    number: int
    plan: Plan | None = None
    futures: "list[Future[Evaluation]]" = field(default_factory=list)
    left: int = 0
    observation: npt.NDArray[Any] | None = None
    epsilon: float = 1.0


class Collector:
    """Steps environments as their children come in, and lets a DQN learn from all of them.

    Args:
        model: made for one environment; its replay takes the transitions of all.
        environments: unwrapped, all on one evaluator.
        visits: counts and says when to stop.
        evaluator: of the environments.
        workers: how many children it trains at a time; where fewer are on their way, unvisited neighbours of the
            highest Q are trained ahead. 0: none ever are.
        folder: gets checkpoints.
        checkpoint_seconds: one is written after so many.

    Attributes:
        ahead: how many children were trained ahead.
        left_out: how many gradient steps were not taken, since children came in faster than the agent learns.
    """

    def __init__(
        self,
        model: SearchDQN,
        environments: Sequence[ChildEnv[Any]],
        visits: Visits,
        *,
        evaluator: Evaluator,
        workers: int,
        folder: Path,
        checkpoint_seconds: float,
    ) -> None:
        self.model = model
        self.visits = visits
        self.evaluator = evaluator
        self.workers = workers
        self.folder = folder
        self.checkpoint_seconds = checkpoint_seconds
        self.ahead = 0
        self.left_out = 0
        for group in model.policy.optimizer.param_groups:
            group["fused"] = True  # twice as fast, and other in the last bits: no matter here, where order is not fixed
        self._walkers = [_Walker(env, number) for number, env in enumerate(environments)]
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: deque[_Walker] = deque()
        self._owed = 0
        # Seconds since there last was nothing to learn: spent on learning, and on all else but waiting.
        self._learnt = self._walked = 0.0
        # By class: how many walkers wait for it.
        self._flying: dict[str, int] = {}
        self._ahead: dict[str, Future[Evaluation]] = {}
        self._seen_ahead: set[str] = set()

    def start(self, seed: int) -> None:
        """Begin all episodes anew."""
        for walker in self._walkers:
            walker.plan = walker.env.plan_reset(seed=seed + walker.number)
        shape = self.model.observation_space.shape or ()
        self.model._last_obs = np.zeros((1, *shape))  # noqa: SLF001 - nothing looks at it, but its state has it
        self.model._last_episode_starts = np.ones((1,), dtype=bool)  # noqa: SLF001

    def go_on(self, checkpoint: Loaded) -> None:
        """Go on from a checkpoint: children that were on their way are asked for again."""
        state = checkpoint.state
        # There may be more or fewer workers now, and so environments.
        for walker in self._walkers:
            walker.plan = walker.env.plan_reset()
        for walker, saved in zip(self._walkers, state["environments"], strict=False):
            walker.epsilon = saved["epsilon"]
            if saved["episode"] is None:
                walker.plan = walker.env.plan_reset(seed=saved["seed"])
                continue
            walker.env.restore(saved["episode"])
            walker.observation = np.asarray(saved["observation"], dtype=self.model.observation_space.dtype)
            walker.plan = walker.env.plan_reset() if saved["action"] is None else walker.env.plan(saved["action"])
        self._owed = state["owed"]
        restore_dqn(self.model, checkpoint.arrays, state["dqn"])

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
        """Return all that `go_on` needs, between two arrivals."""
        arrays, dqn = dqn_state(self.model)
        environments: list[JsonDict] = [
            {
                "episode": None if walker.observation is None else walker.env.snapshot(),
                "observation": None if walker.observation is None else walker.observation.tolist(),
                "action": None if walker.plan is None else walker.plan.action,
                "seed": None if walker.plan is None else walker.plan.seed,
                "epsilon": walker.epsilon,
            }
            for walker in self._walkers
        ]
        return arrays, {
            "visits": self.visits.mark(),
            "dqn": dqn,
            "environments": environments,
            "owed": self._owed,
        }

    def run(self) -> None:
        """Walk until the budget is used up."""
        written = time.monotonic()
        self._submit(self._walkers)
        while True:
            moving = self._next()
            begun = time.perf_counter()
            for walker in moving:
                self._arrive(walker)
                if self.visits.why_finished() is not None:
                    return
            # Acting comes first: workers wait for it, and for learning they do not.
            self._choose(moving)
            self._submit([*self._released(), *moving])
            self._fill()
            if time.monotonic() - written >= self.checkpoint_seconds:
                save(self.folder, *self.state())
                written = time.monotonic()
            self._walked += time.perf_counter() - begun

    def _next(self) -> list[_Walker]:
        """Learn until somebody has arrived and learning has had its share, or wait for it; return all who have."""
        while self._owed > 0 and (
            self._arrived.empty() or self._learnt < LEARNING_SHARE * (self._learnt + self._walked)
        ):
            self._learn()
        if self._owed == 0:
            self._learnt = self._walked = 0.0
        done = [self._arrived.get()]
        with suppress(queue.Empty):
            while True:
                done.append(self._arrived.get_nowait())
        found = []
        for number in done:
            walker = self._walkers[number]
            walker.left -= 1
            if walker.left <= 0:
                found.append(walker)
        return found

    def _learn(self) -> None:
        """Take the gradient steps of one transition."""
        self._owed -= 1
        begun = time.perf_counter()
        self.model.train(gradient_steps=self.model.gradient_steps, batch_size=self.model.batch_size)
        self._learnt += time.perf_counter() - begun

    def _arrive(self, walker: _Walker) -> None:
        """Make the step, or the reset, whose children are done."""
        plan = walker.plan
        if plan is None:
            raise RuntimeError("an environment arrived that was not on its way")
        evaluations = [future.result() for future in walker.futures]
        walker.plan, walker.futures = None, []
        for key in {spec.class_key for spec in plan.specs}:  # a start that is its own reference was counted once
            self._landed(key)
        if plan.action is None:
            walker.observation, info = walker.env.arrive_reset(plan, evaluations)
            if self.visits.steps == 0 and not self.visits.accuracy_of_class:
                self.visits.saw(info, reward=0.0, epsilon=1.0, start=True)
            return
        before = walker.observation
        observation, reward, terminated, truncated, info = walker.env.arrive(plan, evaluations)
        model = self.model
        done = terminated or truncated
        info |= {"TimeLimit.truncated": truncated and not terminated}
        buffer: Any = model.replay_buffer
        buffer.add(
            np.asarray(before)[None],
            observation[None],
            np.array([[plan.action]]),
            np.array([reward]),
            np.array([done]),
            [info],
        )
        self.visits.saw(info, reward=float(reward), epsilon=walker.epsilon)
        model.num_timesteps += 1
        model._on_step()  # noqa: SLF001 - SB3's own hook: epsilon by the schedule, and the target network
        if model.num_timesteps > model.learning_starts and self._owed < MOST_OWED:
            self._owed += 1
        elif self._owed >= MOST_OWED:
            self.left_out += model.gradient_steps
        walker.observation = observation
        self._record(info)
        if done:
            walker.plan = walker.env.plan_reset()

    def _record(self, info: JsonDict) -> None:
        logger = self.model.logger
        logger.record("search/accuracy", info["accuracy"])
        logger.record("search/best_accuracy", self.visits.best)
        logger.record("search/first_visits", self.visits.first_visits)
        logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        logger.record("search/trained_ahead", self.ahead)
        logger.record("search/gradient_steps_left_out", self.left_out)
        if self.model.num_timesteps % len(self._walkers) == 0:
            logger.dump(self.model.num_timesteps)

    def _choose(self, walkers: Sequence[_Walker]) -> None:
        """Choose an action for each walker in an episode: epsilon is drawn for each by itself."""
        asking = [walker for walker in walkers if walker.plan is None and walker.observation is not None]
        if not asking:
            return
        epsilon = self.model.exploration_rate
        best = self._values([walker.observation for walker in asking if walker.observation is not None]).argmax(axis=1)
        for walker, greedy in zip(asking, best.tolist(), strict=True):
            explores = np.random.rand() < epsilon  # noqa: NPY002 - the source that SB3 draws from, and that is restored
            action = int(self.model.action_space.sample()) if explores else int(greedy)
            walker.epsilon = epsilon
            walker.plan = walker.env.plan(action)

    @torch.no_grad()
    def _values(self, observations: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return Q of each action in each state."""
        self.model.policy.set_training_mode(mode=False)
        tensor, _ = self.model.policy.obs_to_tensor(np.stack(observations))
        values: npt.NDArray[Any] = self.model.q_net(tensor).cpu().numpy()
        return values

    # Who may go: never more new classes at a time than the budget still has.

    def _released(self) -> list[_Walker]:
        held, self._held = list(self._held), deque()
        return held

    def _is_new(self, key: str) -> bool:
        return key not in self.visits.accuracy_of_class and key not in self._flying

    def _room(self) -> int:
        """Return how many more new classes may be on their way."""
        if self.visits.counted != "classes":
            return len(self._walkers)
        waited_for = len(self._flying)
        return self.visits.budget.children - self.visits.first_visits - waited_for

    def _submit(self, walkers: Sequence[_Walker]) -> None:
        """Ask for the children of the walkers' plans, all together."""
        going: list[_Walker] = []
        for walker in walkers:
            plan = walker.plan
            if plan is None:
                continue
            keys = {spec.class_key for spec in plan.specs}
            new = [key for key in keys if self._is_new(key)]
            if new and self._room() < len(new) and self._flying:
                self._held.append(walker)
                continue
            for key in keys:
                self._flying[key] = self._flying.get(key, 0) + 1
            going.append(walker)
        flight = submit(self.evaluator, [walker.plan for walker in going if walker.plan is not None])
        for walker, futures in zip(going, flight, strict=True):
            walker.futures = futures
            self._await(walker)

    def _await(self, walker: _Walker) -> None:
        """Have the walker's number come through the queue as each of its children is done."""
        walker.left = len(walker.futures)
        if not walker.futures:
            self._arrived.put(walker.number)
        for future in walker.futures:
            future.add_done_callback(lambda _, number=walker.number: self._arrived.put(number))  # type: ignore[misc]

    def _landed(self, key: str) -> None:
        left = self._flying.get(key, 0) - 1
        if left > 0:
            self._flying[key] = left
        else:
            self._flying.pop(key, None)
        self._ahead.pop(key, None)

    # Work for workers that would idle.

    def _fill(self) -> None:
        """Have unvisited neighbours of the highest Q trained, where fewer children are on their way than workers."""
        self._ahead = {key: future for key, future in self._ahead.items() if not future.done()}
        waited_for = len(self._flying)
        free = self.workers - waited_for - len(self._ahead)
        # Near the end there is nothing to go on to: these would only be in the way of the selection.
        if free <= 0 or self._room() <= 0:
            return
        walkers = [walker for walker in self._walkers if walker.observation is not None and _in_episode(walker)]
        if not walkers:
            return
        values = self._values([walker.observation for walker in walkers if walker.observation is not None])
        order = np.argsort(values, axis=None)[::-1]
        found: dict[str, ChildSpec] = {}
        # Looking costs time as well: so many places are looked at, then it is left to the next arrival.
        for place in order[: min(4 * free, MOST_LOOKED_AT)].tolist():
            walker, action = walkers[place // values.shape[1]], place % values.shape[1]
            plan = walker.env.plan(action)
            if plan.keep_weights or len(plan.specs) != 1:
                return  # its weights would have to be kept, for a state that may never be entered
            key = plan.specs[0].class_key
            if self._is_new(key) and key not in self._seen_ahead:
                found[key] = plan.specs[0]
            if len(found) == free:
                break
        if found:
            futures = self.evaluator.submit(list(found.values()))
            self._ahead |= dict(zip(found, futures, strict=True))
            self._seen_ahead |= found.keys()
            self.ahead += len(found)


def _in_episode(walker: _Walker) -> bool:
    return walker.plan is None or walker.plan.action is not None


def explore_asynchronously(
    config: DQNConfig,
    environments: Sequence[ChildEnv[Any]],
    visits: Visits,
    *,
    evaluator: Evaluator,
    workers: int,
    seed: int,
    folder: Path,
    checkpoint_seconds: float,
    notice: Callable[[str], None],
) -> None:
    """Let a DQN walk through environments of which none waits for another; see `aen_agents.dqn.explore`.

    Args:
        config: the agent's settings.
        environments: unwrapped, all on one evaluator.
        visits: counts the states seen and says when to stop.
        evaluator: of the environments.
        workers: how many children it trains at a time.
        seed: of the Q-network, the actions and the replay samples; the order in which children are done is not seeded.
        folder: the run's.
        checkpoint_seconds: a checkpoint is written after so many.
        notice: is told where it goes on, and of damaged checkpoints.
    """
    events, agent = folder / "tensorboard", folder / "agent"
    checkpoint = last_checkpoint(agent, visits, notice)
    if visits.why_finished() is not None:
        return
    if checkpoint is None:
        for file in events.glob("events.*"):
            file.unlink()  # a run that begins anew tells its whole story again
    model = make_dqn(config, environments[0], visits, seed=seed)
    collector = Collector(
        model,
        environments,
        visits,
        evaluator=evaluator,
        workers=workers,
        folder=agent,
        checkpoint_seconds=checkpoint_seconds,
    )
    if checkpoint is None:
        collector.start(seed)
    else:
        collector.go_on(checkpoint)
    model.set_logger(Logger(str(events), [RunEvents(events, model.num_timesteps + 1)]))
    try:
        collector.run()
    finally:
        model.logger.close()
        model.save(agent / "dqn.zip")
    save(agent, {}, {"visits": visits.mark()})  # all is walked: who goes on from here needs no agent
