"""SpaceEnv: the environment of a space whose places are changed one at a time."""

from collections.abc import Sequence
from dataclasses import asdict
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen.spaces import Space
from aen_envs.arguments import ObservationKind, Observed, flag, one_of, space_of
from aen_envs.child_env import ChildEnv, PendingStep
from aen_envs.listed_states import ListedStates
from aen_envs.rendering import Scene, draw_picture, draw_text
from aen_envs.rewards import RewardFunction, RewardKind, find_reward, reward_name
from aen_envs.symmetry_observation import LARGEST_Z, symmetry_scores

if TYPE_CHECKING:
    from aen_envs.full_observation import FullObservation
    from aen_envs.snapshots import Snapshot

# A place with this many choices has one action, which toggles it.
_TOGGLED = 2

Choices = npt.NDArray[Any]


class SpaceEnv(ChildEnv[Any]):
    """Choose a state of a space, one change of one place at a time.

    The environment of any `aen.spaces.Space` in which every combination of choices is a state. It never uses the
    space's `classes` or `baseline`, so it can be made for spaces whose classes are expensive or too many to list.

    ## Action Space
    `Discrete`: a place with two choices has one action, which toggles it; a place with more has two, one after the
    other: to the next and to the previous choice, cyclically. `changes` lists (place, step) of every action. With
    ``stop_action=True`` the last action ends the episode.

    ## Observation Space
    `MultiBinary(n)` if all n places have two choices, else `MultiDiscrete(space.sizes)`: the choice at each place. With
    ``observation="box"`` the same numbers in a float32 `Box`, from 0 to the last choice of each place.

    With ``observe_symmetry_test=True`` a `Dict` with the `state` as above and `symmetry_test`: for each symmetry
    a number from -10 to 10, near 0 if the training images look the same after it. With ``observation="box"`` these
    numbers follow those of the state.

    ## Rewards
    With a the accuracy of the new state, a0 that of the baseline and b that of the state before, all in [0, 1]:
    - ``paper``: (a - a0) exp(|a - a0|)
    - ``delta``: a - a0
    - ``improvement``: a - b
    - ``accuracy``: a
    - a function: ``reward(a, a0, b)``, which returns a finite number

    The stop action leaves the state as it is and is rewarded by the same formula.

    ## Starting State
    Choice 0 everywhere, or ``reset(options={"state": choices})``. What was met in earlier episodes is remembered until
    a reset with a seed, or with ``options={"forget": True}``.

    ## Episode End
    Truncation after `horizon` steps. Termination by the stop action, if there is one.

    ## Arguments
    - `space`: the space; one of `aen.spaces` also as a dictionary, see `aen.spaces.space_from_json`.
    - `evaluator`: trains children or looks them up; by default it trains in this process and keeps results in memory.
    - `reward`: ``paper``, ``delta``, ``improvement``, ``accuracy``, or a function.
    - `stop_action`: whether there is a stop action.
    - `horizon`: number of steps until truncation.
    - `observation`: ``default`` or ``box``.
    - `observe_symmetry_test`: whether observations include a test of the training images, see `aen.symmetry_test`.
    - `observe`: ``state``, or ``full``: a `Dict` with the state, what is known of its factors and what the environment
      has met, see docs/environments.md.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    Attributes:
        space: the space.
        sizes: number of choices at each place.
        state_space: the observation space of a state.
        changes: (place, step) of every action but stopping.
        reference_name: what renderings call the child whose accuracy is a0.

    Raises:
        SpecError: not every combination of choices is a state, or a wrong argument.
    """

    settings: ClassVar[tuple[str, ...]] = ("reward", "stop_action", "horizon")
    reset_options: ClassVar[tuple[str, ...]] = ("state", "forget")
    space: Space

    def __init__(
        self,
        space: Space | JsonDict,
        *,
        evaluator: Evaluator | None = None,
        reward: RewardKind | RewardFunction = "delta",
        stop_action: bool = False,
        horizon: int = 100,
        observation: ObservationKind = "default",
        observe_symmetry_test: bool = False,
        observe: Observed = "state",
        render_mode: str | None = None,
    ) -> None:
        space = space_of(Space, space)  # type: ignore[type-abstract]
        self.reward = reward
        self._reward = find_reward(reward)
        self.stop_action = flag("stop_action", stop_action)
        self.observation = one_of("observation", observation, get_args(ObservationKind))
        self.observe_symmetry_test = flag("observe_symmetry_test", observe_symmetry_test)
        self.observe = one_of("observe", observe, get_args(Observed))
        if self.observe == "full" and self.observe_symmetry_test:
            raise SpecError("observe is 'full', which includes the symmetry test; leave observe_symmetry_test out.")
        super().__init__(evaluator=evaluator, horizon=horizon, render_mode=render_mode)
        self.sizes = tuple(space.sizes)
        if prod(self.sizes) != space.states:
            raise SpecError(
                f"space is a {type(space).__name__} with {space.states:,} states, but its sizes have "
                f"{prod(self.sizes):,} combinations; SpaceEnv needs every combination of choices to be a state."
            )
        self.space = space
        self._dtype = np.dtype(np.int8 if set(self.sizes) == {_TOGGLED} else np.int64)
        self.reference_name = space.baseline_name
        self.changes = tuple(
            (place, step) for place, size in enumerate(self.sizes) for step in ((1, -1) if size > _TOGGLED else (1,))
        )
        self._scores = symmetry_scores(space) if self.observe_symmetry_test else None
        self.state_space = self._space_of_states()
        self._full = self.full_observation() if self.observe == "full" else None
        self.observation_space = self._observation_space(self.state_space)
        self.action_space = gym.spaces.Discrete(len(self.changes) + self.stop_action)
        self._state: Choices = self._array([0] * len(self.sizes))

    @property
    def action_names(self) -> list[str]:
        """A name for each action: ``toggle rot90``, ``next group``, ``previous group``, ``stop``."""
        names = self.space.place_names
        verbs = {(True, 1): "toggle", (False, 1): "next", (False, -1): "previous"}
        found = [f"{verbs[self.sizes[place] <= _TOGGLED, step]} {names[place]}" for place, step in self.changes]
        return [*found, "stop"] if self.stop_action else found

    def spec_of(self, state: Sequence[int]) -> ChildSpec:
        """Return the child of a state; children of the states met last are remembered."""
        return self.space.child_at(tuple(state))

    def reference(self) -> ChildSpec:
        """Return the child whose accuracy is a0: the space's baseline."""
        return self.spec_of(self.space.baseline_state)

    def scene(self) -> Scene:
        """Return the content of a rendering."""
        state = self._state.tolist()
        return Scene(
            names=self.space.labels(state),
            bits=[int(choice > 0) for choice in state],
            group=self.spec_of(state).group,
            accuracies=self._accuracies,
            baseline=self._baseline,
            reference=self.reference_name,
        )

    def _observation_space(self, states: gym.spaces.Space[Any]) -> gym.spaces.Space[Any]:
        """Return the observation space: that of states, with what else is observed."""
        if self._full is not None:
            return self._full.space
        if self._scores is None:
            return states
        scores = gym.spaces.Box(-LARGEST_Z, LARGEST_Z, self._scores.shape, np.float32)
        if isinstance(states, gym.spaces.Box):
            low, high = np.concatenate([states.low, scores.low]), np.concatenate([states.high, scores.high])
            return gym.spaces.Box(low, high, dtype=np.float32)
        return gym.spaces.Dict({"state": states, "symmetry_test": scores})

    def full_observation(self, walks: int = 1) -> "FullObservation":
        """Return what makes the observations of ``observe="full"``, for a number of walks."""
        from aen_envs.full_observation import FullObservation, factor_scores

        scores = factor_scores(self.space, None, look_at_images=True)
        return FullObservation(ListedStates.of(self.space), self.state_space, scores, walks)

    def _space_of_states(self) -> gym.spaces.Space[Any]:
        if self.observation == "box":
            return gym.spaces.Box(0, np.array(self.sizes, dtype=np.float32) - 1, dtype=np.float32)
        if set(self.sizes) == {_TOGGLED}:
            return gym.spaces.MultiBinary(len(self.sizes))
        return gym.spaces.MultiDiscrete(list(self.sizes))

    def _array(self, state: Sequence[int]) -> Choices:
        return np.array(state, dtype=self._dtype)

    def _observation(self) -> Choices | dict[str, Choices]:
        state = self._state.astype(self.state_space.dtype)
        if self._full is not None:
            return self._full.single(state, (self.horizon - self._steps) / self.horizon)
        if self._scores is None:
            return state
        if self.observation == "box":
            return np.concatenate([state, self._scores])
        return {"state": state, "symmetry_test": self._scores.copy()}

    def start_state(self, options: dict[str, Any] | None) -> Sequence[int]:
        """Return the state in which an episode starts.

        Raises:
            SpecError: ``options["state"]`` is not a state.
        """
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

    def _begin_reset(self, options: dict[str, Any] | None, seed: int | None) -> PendingStep:
        state = self.start_state(options)
        forget = flag("options['forget']", (options or {}).get("forget", False))
        specs = (self.reference(), self.spec_of(state))
        return PendingStep(specs, keep_weights=False, state=tuple(state), seed=seed, forget=forget)

    def _finish_reset(self, pending: PendingStep, evaluations: Sequence[Evaluation]) -> tuple[Any, dict[str, Any]]:
        reference, here = evaluations
        self._state = self._array(pending.state)
        self._baseline = reference.validation_accuracy
        self._accuracies = [here.validation_accuracy]
        info = self._info(pending, 1, here)
        self._met.add(reference.class_key)
        if self._full is not None:
            if pending.forgets:
                self._full.forget()
            for each in (here, reference)[: 1 + (reference.class_key != here.class_key)]:
                self._full.note(each.class_key, each.validation_accuracy)
        return self._observation(), info

    def _begin_step(self, action: int) -> PendingStep:
        state: list[int] = self._state.tolist()
        if action < len(self.changes):
            place, step = self.changes[action]
            state[place] = (state[place] + step) % self.sizes[place]
        # Stopping needs the child of the unchanged state, because it is rewarded by the same formula.
        return PendingStep(
            (self.spec_of(state),), keep_weights=False, state=tuple(state), action=action, step=self._steps
        )

    def _finish_step(
        self, pending: PendingStep, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        stopped = action == len(self.changes)
        (evaluation,) = evaluations
        accuracy = evaluation.validation_accuracy
        reward = self._reward(accuracy, self._baseline, self._accuracies[-1])
        self._state = self._array(pending.state)
        self._accuracies.append(accuracy)
        truncated = not stopped and self._steps >= self.horizon
        if self._full is not None:
            self._full.note(evaluation.class_key, accuracy)
        return self._observation(), reward, stopped, truncated, self._info(pending, 0, evaluation)

    def _identity(self) -> JsonDict:
        unit = np.eye(len(self.sizes), dtype=np.int64)
        names = [
            self.spec_of((choice * unit[place]).tolist()).name
            for place, size in enumerate(self.sizes)
            for choice in range(1, size)
        ]
        own = {
            "reward": reward_name(self.reward),
            "stop_action": self.stop_action,
            "sizes": list(self.sizes),
            "choices": names,
        }
        observed = {} if self._full is None else {"observe": self.observe}
        return super()._identity() | own | observed | {"reference": self.reference().key}

    def _snapshot(self) -> JsonDict:
        met = {} if self._full is None else {"evidence": asdict(self._full.evidence.met(0))}
        return {"state": self._state.tolist()} | met

    def _snapshot_kind(self) -> "type[Snapshot]":
        from aen_envs.snapshots import SpaceSnapshot

        return SpaceSnapshot

    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        found: dict[str, Any] = {"_state": self._array(self._checked(snapshot.state, "snapshot['state']"))}
        met = getattr(snapshot, "evidence", None)
        if self._full is not None and met is not None:
            found["_full"] = self._full.with_evidence(**met.model_dump())
        return found

    def text(self) -> str:
        """Return the state as text."""
        return draw_text(self.scene())

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""
        return draw_picture(self.scene())

    def _info(self, pending: PendingStep, place: int, evaluation: Evaluation) -> dict[str, Any]:
        number = self.space.number_at(pending.state)
        return self._describe(pending.specs[place], evaluation, state=number, met_as=evaluation.class_key)
