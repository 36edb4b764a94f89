"""SpaceEnv: what all environments have in common whose states are choices and whose rewards are accuracies."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_envs.child_env import ChildEnv, Plan
from aen_envs.rendering import Scene, draw_picture, draw_text
from aen_envs.rewards import REWARDS, RewardKind

if TYPE_CHECKING:
    from aen_envs.snapshots import Snapshot

# A place of so many choices is toggled by one action.
_TOGGLED = 2

Choices = npt.NDArray[np.integer[Any]]


class SpaceEnv(ChildEnv[Choices]):
    """A walk through the states of a space, one change of one place at a time.

    A place of two choices has one action, which toggles it; a place of more has two, which go on to the next and back
    to the previous choice, round in a circle.

    Args:
        sizes: how many choices each place of a state has; choice 0 everywhere is the start.
        evaluator: trains children or looks them up; None: in this process, results kept in memory.
        reward: ``paper``, ``delta`` or ``improvement``.
        stop_action: whether the last action ends the episode.
        horizon: steps until truncation.
        render_mode: ``ansi``, ``rgb_array`` or None.

    Raises:
        SpecError: an unknown reward or render mode, or a horizon below 1.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        evaluator: Evaluator | None,
        reward: RewardKind,
        stop_action: bool,
        horizon: int,
        render_mode: str | None,
    ) -> None:
        super().__init__(evaluator=evaluator, horizon=horizon, render_mode=render_mode)
        if reward not in REWARDS:
            raise SpecError(f"unknown reward {reward!r}{did_you_mean(str(reward), REWARDS)}.")
        self.reward = reward
        self.stop_action = stop_action
        self.sizes = tuple(sizes)
        # What each action does: the place that it changes, and by how much.
        self.changes = tuple(
            (place, step) for place, size in enumerate(self.sizes) for step in ((1, -1) if size > _TOGGLED else (1,))
        )
        self.observation_space = self._observation_space()
        self.action_space = gym.spaces.Discrete(len(self.changes) + stop_action)
        self._state: Choices = self._array([0] * len(self.sizes))

    @abstractmethod
    def spec_of(self, state: Sequence[int]) -> ChildSpec:
        """Return the child of a state."""

    @abstractmethod
    def scene(self) -> Scene:
        """Return what there is to draw."""

    def reference(self) -> ChildSpec:
        """Return the child whose accuracy is a0: that of choice 0 everywhere, unless an environment says otherwise."""
        return self.spec_of([0] * len(self.sizes))

    def _observation_space(self) -> gym.spaces.Space[Any]:
        if set(self.sizes) == {_TOGGLED}:
            return gym.spaces.MultiBinary(len(self.sizes))
        return gym.spaces.MultiDiscrete(list(self.sizes))

    def _array(self, state: Sequence[int]) -> Choices:
        return np.array(state, dtype=self.observation_space.dtype)

    def _start(self, options: dict[str, Any] | None) -> Sequence[int]:
        return self._checked((options or {}).get("state", [0] * len(self.sizes)), "options['state']")

    def _checked(self, state: Any, name: str) -> Sequence[int]:  # noqa: ANN401 - from outside
        fits = np.shape(state) == (len(self.sizes),) and all(
            choice in range(size) for choice, size in zip(state, self.sizes, strict=True)
        )
        if not fits:
            values = (
                "0 or 1"
                if set(self.sizes) == {_TOGGLED}
                else f"which each lies from 0 to below its place's {list(self.sizes)}"
            )
            raise SpecError(f"{name} is {state!r}; give {len(self.sizes)} values of {values}.")
        return [int(choice) for choice in state]

    def _plan_reset(self, options: dict[str, Any] | None, seed: int | None) -> Plan:
        state = self._start(options)
        specs = (self.reference(), self.spec_of(state))
        return Plan(specs, keep_weights=False, state=tuple(state), seed=seed)

    def _arrive_reset(self, plan: Plan, evaluations: Sequence[Evaluation]) -> tuple[Choices, dict[str, Any]]:
        reference, here = evaluations
        self._state = self._array(plan.state)
        self._baseline = reference.validation_accuracy
        self._accuracies = [here.validation_accuracy]
        info = self._info(plan.specs[1], here)
        self._met.add(reference.class_key)
        return self._state.copy(), info

    def _plan(self, action: int) -> Plan:
        state: list[int] = self._state.tolist()
        if action < len(self.changes):
            place, step = self.changes[action]
            state[place] = (state[place] + step) % self.sizes[place]
        # Stopping, too, has a child, that of the state as it is: it is rewarded by the same formula.
        return Plan((self.spec_of(state),), keep_weights=False, state=tuple(state), action=action, step=self._steps)

    def _arrive(
        self, plan: Plan, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Choices, float, bool, bool, dict[str, Any]]:
        stopped = action == len(self.changes)
        (evaluation,) = evaluations
        self._state = self._array(plan.state)
        accuracy = evaluation.validation_accuracy
        reward = REWARDS[self.reward](accuracy, self._baseline, self._accuracies[-1])
        self._accuracies.append(accuracy)
        truncated = not stopped and self._steps >= self.horizon
        return self._state.copy(), reward, stopped, truncated, self._info(plan.specs[0], evaluation)

    def _identity(self) -> JsonDict:
        unit = np.eye(len(self.sizes), dtype=np.int64)
        names = [
            self.spec_of((choice * unit[place]).tolist()).name
            for place, size in enumerate(self.sizes)
            for choice in range(1, size)
        ]
        own = {"reward": self.reward, "stop_action": self.stop_action, "sizes": list(self.sizes), "choices": names}
        return super()._identity() | own | {"reference": self.reference().key}

    def _snapshot(self) -> JsonDict:
        return {"state": self._state.tolist()}

    def _snapshot_kind(self) -> "type[Snapshot]":
        from aen_envs.snapshots import SpaceSnapshot

        return SpaceSnapshot

    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        return {"_state": self._array(self._checked(snapshot.state, "snapshot['state']"))}

    def text(self) -> str:
        """Return the scene as text."""
        return draw_text(self.scene())

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the scene as an RGB picture."""
        return draw_picture(self.scene())

    def _number(self) -> int:
        """Return the state as one number, its first place counting least: bits as a bit mask."""
        number = 0
        for choice, size in zip(reversed(self._state.tolist()), reversed(self.sizes), strict=True):
            number = number * size + choice
        return number

    def _info(self, spec: ChildSpec, evaluation: Evaluation) -> dict[str, Any]:
        return self._describe(spec, evaluation, state=self._number(), met_as=evaluation.class_key)
