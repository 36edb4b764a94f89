"""LockstepVecEnv: a vector environment for Stable-Baselines3 that submits the children of all environments together."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvStepReturn

from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen_envs.lockstep import Environment, Futures, submit_all, unwrap_all, wait_all
from aen_envs.pending_step import PendingStep

Array = npt.NDArray[Any]


class LockstepVecEnv(VecEnv):
    """Several environments whose steps are synchronous: each step submits the children of all in one call.

    It returns the same values as SB3's DummyVecEnv over the same environments; only the order in which children are
    trained differs. An environment whose episode ended starts the next one in the same step; ``infos[i]`` then has
    ``terminal_observation``, and always ``TimeLimit.truncated``. Wrap it in SB3's VecMonitor to log the returns of
    episodes.

    If the evaluator fails, all environments are unchanged, except when the children of a start fail after a step: then
    `reset` must be called.

    Args:
        environments: environments, or functions that make them, with any wrappers. All must share one evaluator. Under
            a wrapper that changes actions (`gymnasium.ActionWrapper`) children are trained one after the other.

    Attributes:
        envs: the environments, without the wrappers that ``gymnasium.make`` always adds.
        evaluator: the evaluator that they share.

    Raises:
        SpecError: see `aen_envs.lockstep.unwrap_all`.
    """

    def __init__(self, environments: Sequence[Environment]) -> None:
        self._lockstep = unwrap_all(environments)
        self.envs: list[gym.Env[Any, Any]] = [each.env for each in self._lockstep]
        self.evaluator: Evaluator = self._lockstep[0].base.evaluator
        super().__init__(len(self.envs), self.envs[0].observation_space, self.envs[0].action_space)
        self._observations: list[Any] = [None] * self.num_envs
        self._running: tuple[list[PendingStep], Futures, list[Any]] | None = None
        self._ready = False

    def reset(self) -> Any:  # noqa: ANN401 - an array, or a dictionary of arrays
        """Start all episodes, with the seeds and options that were set; a running step is dropped."""
        self._running = None
        self._start(range(self.num_envs), self._seeds, self._options)
        self._reset_seeds()
        self._reset_options()
        self._ready = True
        return self._stacked()

    def step_async(self, actions: Array) -> None:
        """Submit the children of all environments' actions without waiting for them.

        Raises:
            SpecError: the number of actions is wrong, there is no such action or no episode, or a step is running.
        """
        if self._running is not None:
            raise SpecError("step_async was called while a step is running; call step_wait first.")
        if not self._ready:
            raise SpecError("step was called before reset, or after one that failed; call reset first.")
        shape = (self.num_envs, *(self.action_space.shape or ()))
        if np.shape(actions) != shape:
            raise SpecError(
                f"actions has shape {np.shape(actions)}; give one for each of {self.num_envs} environments."
            )
        chosen = list(actions)
        pending = [env.begin_step(action) for env, action in zip(self._lockstep, chosen, strict=True)]
        self._running = pending, submit_all(self.evaluator, pending), chosen

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the children, then perform the steps.

        Raises:
            SpecError: no step is running.
        """
        if self._running is None:
            raise SpecError("step_wait was called, but no step is running; call step_async first.")
        (pending, futures, actions), self._running = self._running, None
        evaluations = wait_all(futures)
        rewards = np.zeros(self.num_envs, dtype=np.float32)
        ended = np.zeros(self.num_envs, dtype=bool)
        infos: list[dict[str, Any]] = []
        self._ready = False  # a wrapper or a reward function may fail in some of the environments
        for place, (env, begun, found) in enumerate(zip(self._lockstep, pending, evaluations, strict=True)):
            observation, rewards[place], terminated, truncated, info = env.finish_step(begun, found, actions[place])
            self._observations[place] = observation
            ended[place] = terminated or truncated
            infos.append(info | {"TimeLimit.truncated": truncated and not terminated})
            if ended[place]:
                infos[place]["terminal_observation"] = observation
        self._start(np.flatnonzero(ended).tolist(), [None] * self.num_envs, [{}] * self.num_envs)
        self._ready = True
        return self._stacked(), rewards, ended, infos

    def _stacked(self) -> Any:  # noqa: ANN401 - as SB3 expects it for the observation space
        if isinstance(self.observation_space, gym.spaces.Dict):
            return {name: np.stack([each[name] for each in self._observations]) for name in self.observation_space}
        return np.stack(self._observations)

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def get_images(self) -> Sequence[Array | None]:
        """Return a picture of each environment; None unless its render mode is ``rgb_array``."""
        pictures: list[Any] = [env.render() if env.render_mode == "rgb_array" else None for env in self.envs]
        return pictures

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of some environments."""
        return [env.get_wrapper_attr(attr_name) for env in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:  # noqa: ANN401 - SB3's
        """Set an attribute of some environments."""
        for env in self._chosen(indices):
            env.set_wrapper_attr(attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,  # noqa: ANN401 - of any method
        indices: VecEnvIndices = None,
        **method_kwargs: Any,  # noqa: ANN401 - of any method
    ) -> list[Any]:
        """Call a method of some environments, such as `action_masks`."""
        return [env.get_wrapper_attr(method_name)(*method_args, **method_kwargs) for env in self._chosen(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return for some environments whether they have a wrapper of this class."""
        return [is_wrapped(env, wrapper_class) for env in self._chosen(indices)]

    def _chosen(self, indices: VecEnvIndices) -> list[gym.Env[Any, Any]]:
        return [self.envs[place] for place in self._get_indices(indices)]

    def _start(self, places: Sequence[int], seeds: Sequence[int | None], options: Sequence[dict[str, Any]]) -> None:
        """Start episodes in some of the environments, whose children are submitted together."""
        chosen = [options[place] or None for place in places]
        pending = [
            self._lockstep[place].begin_reset(seed=seeds[place], options=option)
            for place, option in zip(places, chosen, strict=True)
        ]
        evaluations = wait_all(submit_all(self.evaluator, pending))
        for place, begun, found, option in zip(places, pending, evaluations, chosen, strict=True):
            started = self._lockstep[place].finish_reset(begun, found, option)
            self._observations[place], self.reset_infos[place] = started
