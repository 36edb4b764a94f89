"""The collector's loop.

An environment's transition goes into the replay when its child is done, and its next action is chosen at once: none
waits for another. While children train, the agent learns. Which child is done first depends on the machines, so a run
cannot be repeated step by step; what is stored of a child does not depend on it.
"""

import queue
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aen._typing import JsonDict
from aen.evaluators import Evaluator
from aen_agents.agents.dqn.checkpoint import Loaded, save
from aen_agents.agents.dqn.collector.env_slot import Walker
from aen_agents.agents.dqn.collector.in_flight import Flights
from aen_agents.agents.dqn.collector.learner import Learner
from aen_agents.agents.dqn.collector.prefetch import Ahead
from aen_agents.agents.dqn.model import SearchDQN
from aen_agents.agents.dqn.state import dqn_state, restore_dqn
from aen_agents.agents.dqn.visits import Visits
from aen_envs.child_env import ChildEnv
from aen_envs.lockstep import submit


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
        learner: takes the gradient steps.
        ahead: has children trained for workers that would idle.
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
        self.folder = folder
        self.checkpoint_seconds = checkpoint_seconds
        self.learner = Learner(model)
        self.ahead = Ahead(evaluator, workers)
        self._walkers = [Walker(env, number) for number, env in enumerate(environments)]
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: deque[Walker] = deque()
        self._flights = Flights(visits)

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
        self.learner.owed = state["owed"]
        restore_dqn(self.model, checkpoint.arrays, state["dqn"])

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
        """Return all that `go_on` needs, between two arrivals."""
        arrays, dqn = dqn_state(self.model)
        return arrays, {
            "visits": self.visits.mark(),
            "dqn": dqn,
            "environments": [walker.state() for walker in self._walkers],
            "owed": self.learner.owed,
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
            self.learner.walked(time.perf_counter() - begun)

    def _next(self) -> list[Walker]:
        """Learn until somebody has arrived and learning has had its share, or wait for it; return all who have."""
        while self.learner.is_due(somebody_waits=not self._arrived.empty()):
            self.learner.learn()
        done = [self._arrived.get()]
        while not self._arrived.empty():
            done.append(self._arrived.get())
        found = []
        for number in done:
            walker = self._walkers[number]
            walker.left -= 1
            if walker.left <= 0:
                found.append(walker)
        return found

    def _arrive(self, walker: Walker) -> None:
        """Make the step, or the reset, whose children are done."""
        plan = walker.plan
        if plan is None:
            raise RuntimeError("an environment arrived that was not on its way")
        evaluations = [future.result() for future in walker.futures]
        walker.plan, walker.futures = None, []
        self._flights.land(spec.class_key for spec in plan.specs)
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
        self.learner.owe()
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
        logger.record("search/trained_ahead", self.ahead.count)
        logger.record("search/gradient_steps_left_out", self.learner.left_out)
        if self.model.num_timesteps % len(self._walkers) == 0:
            logger.dump(self.model.num_timesteps)

    def _choose(self, walkers: Sequence[Walker]) -> None:
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

    def _released(self) -> list[Walker]:
        held, self._held = list(self._held), deque()
        return held

    def _submit(self, walkers: Sequence[Walker]) -> None:
        """Ask for the children of the walkers' plans, all together."""
        going: list[Walker] = []
        for walker in walkers:
            plan = walker.plan
            if plan is None:
                continue
            if self._flights.set_out(spec.class_key for spec in plan.specs):
                going.append(walker)
            else:
                self._held.append(walker)
        flight = submit(self.evaluator, [walker.plan for walker in going if walker.plan is not None])
        for walker, futures in zip(going, flight, strict=True):
            walker.futures = futures
            self._await(walker)

    def _await(self, walker: Walker) -> None:
        """Have the walker's number come through the queue as each of its children is done."""
        walker.left = len(walker.futures)
        if not walker.futures:
            self._arrived.put(walker.number)
        for future in walker.futures:
            future.add_done_callback(lambda _, number=walker.number: self._arrived.put(number))  # type: ignore[misc]

    def _fill(self) -> None:
        """Have unvisited neighbours of the highest Q trained, where fewer children are on their way than workers."""
        free = self.ahead.free(self._flights)
        walkers = [walker for walker in self._walkers if walker.in_episode] if free else []
        if walkers:
            values = self._values([walker.observation for walker in walkers if walker.observation is not None])
            self.ahead.fill(free, walkers, values, self._flights)
