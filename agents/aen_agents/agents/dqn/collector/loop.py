"""Collector: steps many environments asynchronously.

An environment's transition enters the replay buffer when its child is done, and its next action is chosen at once; no
environment waits for another. While children are trained, the agent learns. Which child is done first depends on the
machines, so a run cannot be repeated step by step; the stored result of a child does not depend on that order.
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
from aen_agents.agents.dqn.collector.env_slot import EnvSlot
from aen_agents.agents.dqn.collector.in_flight import InFlightClasses
from aen_agents.agents.dqn.collector.learner import Learner
from aen_agents.agents.dqn.collector.prefetch import Prefetcher
from aen_agents.agents.dqn.model import SearchDQN
from aen_agents.agents.dqn.observer import AgentObserver
from aen_agents.agents.dqn.state import dqn_state, restore_dqn
from aen_agents.agents.dqn.visits import Visits
from aen_envs.child_env import ChildEnv
from aen_envs.lockstep import submit


class Collector:
    """Steps environments as their children are done, while one DQN learns from all of them.

    Args:
        model: made for one environment; its replay takes the transitions of all.
        environments: unwrapped, all on one evaluator.
        visits: counts and says when to stop.
        evaluator: of the environments.
        workers: how many children it trains at a time; where fewer are in flight, unvisited neighbours of the highest
            Q are trained in advance. 0: none are.
        folder: gets checkpoints.
        checkpoint_seconds: one is written after so many.

    Attributes:
        learner: takes the gradient steps.
        prefetcher: trains children in advance.
        observer: logs what the agent knows.
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
        self.observer = AgentObserver(model, environments[0].action_names, visits.listener)
        self.prefetcher = Prefetcher(evaluator, workers)
        self._slots = [EnvSlot(env, number) for number, env in enumerate(environments)]
        self._completed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._held: deque[EnvSlot] = deque()
        self._in_flight = InFlightClasses(visits)

    def start(self, seed: int) -> None:
        """Begin all episodes."""
        for slot in self._slots:
            slot.pending = slot.env.begin_reset(seed=seed + slot.number)
        shape = self.model.observation_space.shape or ()
        self.model._last_obs = np.zeros((1, *shape))  # noqa: SLF001 - not used, but part of the saved state
        self.model._last_episode_starts = np.ones((1,), dtype=bool)  # noqa: SLF001

    def resume(self, checkpoint: Loaded) -> None:
        """Resume from a checkpoint: children that were in flight are submitted again."""
        state = checkpoint.state
        # There may be more or fewer workers now, and therefore environments.
        for slot in self._slots:
            slot.pending = slot.env.begin_reset()
        for slot, saved in zip(self._slots, state["environments"], strict=False):
            slot.epsilon = saved["epsilon"]
            if saved["episode"] is None:
                slot.pending = slot.env.begin_reset(seed=saved["seed"])
                continue
            slot.env.restore(saved["episode"])
            slot.observation = np.asarray(saved["observation"], dtype=self.model.observation_space.dtype)
            slot.pending = slot.env.begin_reset() if saved["action"] is None else slot.env.begin_step(saved["action"])
        self.learner.pending = state["owed"]
        restore_dqn(self.model, checkpoint.arrays, state["dqn"])

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
        """Return all that `resume` needs; called between two steps."""
        arrays, dqn = dqn_state(self.model)
        return arrays, {
            "visits": self.visits.mark(),
            "dqn": dqn,
            "environments": [slot.state() for slot in self._slots],
            "owed": self.learner.pending,
        }

    def run(self) -> None:
        """Step until the budget is used up."""
        written = time.monotonic()
        self._submit(self._slots)
        while True:
            ready = self._wait()
            started = time.perf_counter()
            for slot in ready:
                self._finish(slot)
                if self.visits.why_finished() is not None:
                    return
            # Acting comes first: workers wait for it, but not for learning.
            self._choose(ready)
            self._submit([*self._take_held(), *ready])
            self._prefetch()
            if time.monotonic() - written >= self.checkpoint_seconds:
                save(self.folder, *self.state())
                written = time.monotonic()
            self.learner.add_other_time(time.perf_counter() - started)

    def _wait(self) -> list[EnvSlot]:
        """Learn and wait until children are done; return the environments whose steps can be finished."""
        while self.learner.is_due(steps_wait=not self._completed.empty()):
            self.learner.learn()
        done = [self._completed.get()]
        while not self._completed.empty():
            done.append(self._completed.get())
        found = []
        for number in done:
            slot = self._slots[number]
            slot.left -= 1
            if slot.left <= 0:
                found.append(slot)
        return found

    def _finish(self, slot: EnvSlot) -> None:
        """Finish the step, or the reset, whose children are done."""
        pending = slot.pending
        if pending is None:
            raise RuntimeError("an environment is done that waited for nothing")
        evaluations = [future.result() for future in slot.futures]
        slot.pending, slot.futures = None, []
        self._in_flight.remove(spec.class_key for spec in pending.specs)
        if pending.action is None:
            slot.observation, info = slot.env.finish_reset(pending, evaluations)
            if self.visits.steps == 0 and not self.visits.accuracy_of_class:
                self.visits.saw(info, reward=0.0, epsilon=1.0, start=True)
            return
        before = slot.observation
        observation, reward, terminated, truncated, info = slot.env.finish_step(pending, evaluations)
        model = self.model
        done = terminated or truncated
        info |= {"TimeLimit.truncated": truncated and not terminated}
        buffer: Any = model.replay_buffer
        buffer.add(
            np.asarray(before)[None],
            observation[None],
            np.array([[pending.action]]),
            np.array([reward]),
            np.array([done]),
            [info],
        )
        self.visits.saw(info, reward=float(reward), epsilon=slot.epsilon)
        model.num_timesteps += 1
        model._on_step()  # noqa: SLF001 - SB3's own hook: epsilon by the schedule, and the target network
        self.learner.add_transition()
        slot.observation = observation
        self._record(info)
        if done:
            slot.pending = slot.env.begin_reset()

    def _record(self, info: JsonDict) -> None:
        logger = self.model.logger
        logger.record("search/accuracy", info["accuracy"])
        logger.record("search/best_accuracy", self.visits.best)
        logger.record("search/first_visits", self.visits.first_visits)
        logger.record("search/classes_seen", len(self.visits.accuracy_of_class))
        logger.record("search/trained_ahead", self.prefetcher.count)
        logger.record("search/gradient_steps_left_out", self.learner.skipped)
        if self.model.num_timesteps % len(self._slots) == 0:
            logger.dump(self.model.num_timesteps)

    def _choose(self, slots: Sequence[EnvSlot]) -> None:
        """Choose an action for each environment in an episode; epsilon is drawn for each separately."""
        asking = [slot for slot in slots if slot.pending is None and slot.observation is not None]
        if not asking:
            return
        epsilon = self.model.exploration_rate
        best = self._values([slot.observation for slot in asking if slot.observation is not None]).argmax(axis=1)
        for slot, greedy in zip(asking, best.tolist(), strict=True):
            explores = np.random.rand() < epsilon  # noqa: NPY002 - the source that SB3 draws from, which is restored
            action = int(self.model.action_space.sample()) if explores else int(greedy)
            slot.epsilon = epsilon
            slot.pending = slot.env.begin_step(action)
            if slot.observation is not None and self.observer.is_due():
                self.observer.log(slot.observation, action, step=self.visits.steps + 1, epsilon=epsilon)

    @torch.no_grad()
    def _values(self, observations: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return Q of each action in each state."""
        self.model.policy.set_training_mode(mode=False)
        tensor, _ = self.model.policy.obs_to_tensor(np.stack(observations))
        values: npt.NDArray[Any] = self.model.q_net(tensor).cpu().numpy()
        return values

    def _take_held(self) -> list[EnvSlot]:
        held, self._held = list(self._held), deque()
        return held

    def _submit(self, slots: Sequence[EnvSlot]) -> None:
        """Submit the children of all pending steps in one call; those without room in the budget are held back."""
        going: list[EnvSlot] = []
        for slot in slots:
            pending = slot.pending
            if pending is None:
                continue
            if self._in_flight.try_add(spec.class_key for spec in pending.specs):
                going.append(slot)
            else:
                self._held.append(slot)
        flight = submit(self.evaluator, [slot.pending for slot in going if slot.pending is not None])
        for slot, futures in zip(going, flight, strict=True):
            slot.futures = futures
            self._await(slot)

    def _await(self, slot: EnvSlot) -> None:
        """Put the slot's number into the queue as each of its children is done."""
        slot.left = len(slot.futures)
        if not slot.futures:
            self._completed.put(slot.number)
        for future in slot.futures:
            future.add_done_callback(lambda _, number=slot.number: self._completed.put(number))  # type: ignore[misc]

    def _prefetch(self) -> None:
        """Train unvisited neighbours of the highest Q where fewer children are in flight than there are workers."""
        idle = self.prefetcher.idle_workers(self._in_flight)
        slots = [slot for slot in self._slots if slot.in_episode] if idle else []
        if slots:
            values = self._values([slot.observation for slot in slots if slot.observation is not None])
            self.prefetcher.submit(idle, slots, values, self._in_flight)
