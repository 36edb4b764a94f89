"""LockstepVecEnv: several environments as one of Stable-Baselines3's, whose children are submitted together."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvStepReturn

from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen_envs.child_env import ChildEnv, Plan
from aen_envs.lockstep import Environment, Flight, land, submit, together

Array = npt.NDArray[Any]


class LockstepVecEnv(VecEnv):
    """Environments in lock-step: each step hands the children of all of them to their evaluator in one call.

    What it returns is what SB3's DummyVecEnv does over the same environments; only the order in which children are
    trained differs. An environment whose episode ended starts the next one in the same step; ``infos[i]`` then has
    ``terminal_observation``, and always ``TimeLimit.truncated``. For an agent's log of returns put SB3's VecMonitor
    around it.

    Where an evaluator fails, no environment has moved, unless the children of starts fail after a step: then a reset is
    due.

    Args:
        environments: themselves or what makes them; all share one evaluator, and nothing but what ``gymnasium.make``
            wraps around them is around them.

    Attributes:
        envs: the environments.
        evaluator: theirs.

    Raises:
        SpecError: see `aen_envs.lockstep.together`.
    """

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.envs: list[ChildEnv[Any]] = together(environments)
        self.evaluator: Evaluator = self.envs[0].evaluator
        super().__init__(len(self.envs), self.envs[0].observation_space, self.envs[0].action_space)
        self._observations: list[Any] = [None] * self.num_envs
        self._under_way: tuple[list[Plan], Flight] | None = None
        self._ready = False

    def reset(self) -> Array:
        """Start all episodes, with the seeds and options that were set; a step under way is dropped."""
        self._under_way = None
        self._start(range(self.num_envs), self._seeds, self._options)
        self._reset_seeds()
        self._reset_options()
        self._ready = True
        return np.stack(self._observations)

    def step_async(self, actions: Array) -> None:
        """Submit the children of all environments' actions, and do not wait for them.

        Raises:
            SpecError: another number of actions, one that there is not, no episode, or a step is under way.
        """
        if self._under_way is not None:
            raise SpecError("step_async was called while a step is under way; call step_wait first.")
        if not self._ready:
            raise SpecError("step was called before reset, or after one that failed; call reset first.")
        if np.shape(actions) != (self.num_envs,):
            raise SpecError(
                f"actions has shape {np.shape(actions)}; give one for each of {self.num_envs} environments."
            )
        plans = [env.plan(action) for env, action in zip(self.envs, actions, strict=True)]
        self._under_way = plans, submit(self.evaluator, plans)

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the children, then make the steps.

        Raises:
            SpecError: no step is under way.
        """
        if self._under_way is None:
            raise SpecError("step_wait was called, but no step is under way; call step_async first.")
        (plans, flight), self._under_way = self._under_way, None
        evaluations = land(flight)
        rewards = np.zeros(self.num_envs, dtype=np.float32)
        ended = np.zeros(self.num_envs, dtype=bool)
        infos: list[dict[str, Any]] = []
        for place, (env, plan, found) in enumerate(zip(self.envs, plans, evaluations, strict=True)):
            observation, rewards[place], terminated, truncated, info = env.arrive(plan, found)
            self._observations[place] = observation
            ended[place] = terminated or truncated
            infos.append(info | {"TimeLimit.truncated": truncated and not terminated})
            if ended[place]:
                infos[place]["terminal_observation"] = observation
        self._ready = False
        self._start(np.flatnonzero(ended).tolist(), [None] * self.num_envs, [{}] * self.num_envs)
        self._ready = True
        return np.stack(self._observations), rewards, ended, infos

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def get_images(self) -> Sequence[Array | None]:
        """Return a picture of each environment, or None where it draws none."""
        return [env.render() if env.render_mode == "rgb_array" else None for env in self.envs]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of some environments."""
        return [getattr(env, attr_name) for env in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ANN401 - SB3's
        """Set an attribute of some environments."""
        for env in self._chosen(indices):
            setattr(env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401 - of any method
        indices: VecEnvIndices = None,
        **method_kwargs: Any,  # noqa: ANN401 - of any method
    ) -> list[Any]:
        """Call a method of some environments, such as `action_masks`."""
        return [getattr(env, method_name)(*method_args, **method_kwargs) for env in self._chosen(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Say of some environments whether they are in a wrapper of this class; in lock-step none is in any."""
        return [is_wrapped(env, wrapper_class) for env in self._chosen(indices)]

    def _chosen(self, indices: VecEnvIndices) -> list[ChildEnv[Any]]:
        return [self.envs[place] for place in self._get_indices(indices)]

    def _start(self, places: Sequence[int], seeds: Sequence[int | None], options: Sequence[dict[str, Any]]) -> None:
        """Start episodes in some of the environments, their children together."""
        plans = [self.envs[place].plan_reset(seed=seeds[place], options=options[place] or None) for place in places]
        for place, plan, found in zip(places, plans, land(submit(self.evaluator, plans)), strict=True):
            self._observations[place], self.reset_infos[place] = self.envs[place].arrive_reset(plan, found)
