"""ChildVectorEnv: a Gymnasium vector environment that submits the children of all its environments together."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator
from aen_envs.child_env import ChildEnv
from aen_envs.lockstep import Environment, submit_all, unwrap_all, wait_all

Array = npt.NDArray[Any]
Infos = dict[str, Any]


class ChildVectorEnv(VectorEnv[Array, Array, Array]):
    """Several environments whose steps are synchronous: each step submits the children of all in one call.

    It returns the same values as Gymnasium's SyncVectorEnv over the same environments; only the order in which children
    are trained differs. If the evaluator fails, all environments are unchanged, except when the children of a start
    fail after a step: then `reset` must be called.

    Args:
        environments: environments, or functions that make them. All must share one evaluator and have no wrappers other
            than those of ``gymnasium.make``.
        autoreset_mode: when an environment whose episode ended starts the next one: in its next step, whose action is
            ignored (``NextStep``), or in the same step (``SameStep``); then ``infos["final_obs"]`` and
            ``infos["final_info"]`` hold the values at the end.

    Attributes:
        envs: the environments.
        evaluator: the evaluator that they share.

    Raises:
        SpecError: see `aen_envs.lockstep.unwrap_all`; or an unknown mode.
    """

    def __init__(
        self,
        environments: Sequence[Environment],
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        super().__init__()
        self.envs: list[ChildEnv[Any]] = []
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        modes = (AutoresetMode.NEXT_STEP.value, AutoresetMode.SAME_STEP.value)
        if mode not in modes:
            raise SpecError(f"unknown autoreset_mode {mode!r}{did_you_mean(str(mode), modes)}.")
        self.envs = unwrap_all(environments)
        self.evaluator: Evaluator = self.envs[0].evaluator
        self.num_envs = len(self.envs)
        self.metadata = self.envs[0].metadata | {"autoreset_mode": AutoresetMode(mode)}
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._same_step = mode == AutoresetMode.SAME_STEP.value
        self._observations: list[Any] = [None] * self.num_envs
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self._ready = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, Infos]:
        """Start all episodes, or with ``options={"reset_mask": mask}`` those of some environments.

        Args:
            seed: the seed of environment 0, the others get the numbers after it; or one seed for each.
            options: passed to each environment, such as ``{"state": numbers}``.

        Raises:
            SpecError: the number of seeds or the mask is wrong; see also the environment's `begin_reset`.
        """
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + number for number in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise SpecError(f"seed has {len(seeds)} numbers for {self.num_envs} environments; give one for each.")
        mask = (options or {}).get("reset_mask")
        places = list(range(self.num_envs)) if mask is None else self._masked(mask)
        infos: Infos = {}
        for place, info in zip(places, self._start(places, seeds, options), strict=True):
            infos = self._add_info(infos, info, place)
        self._ended[places] = False
        self._ready = True
        return self._batch(), infos

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Infos]:
        """Take an action in each environment.

        Raises:
            SpecError: the number of actions is wrong, there is no such action, or no episode.
        """
        if not self._ready:
            raise SpecError("step was called before reset, or after one that failed; call reset first.")
        if np.shape(actions) != (self.num_envs,):
            raise SpecError(
                f"actions has shape {np.shape(actions)}; give one for each of {self.num_envs} environments."
            )
        starting = [False] * self.num_envs if self._same_step else self._ended.tolist()
        pending = [
            env.begin_reset() if starts else env.begin_step(action)
            for env, starts, action in zip(self.envs, starting, actions, strict=True)
        ]
        evaluations = wait_all(submit_all(self.evaluator, pending))
        rewards = np.zeros(self.num_envs)
        terminations, truncations = np.zeros((2, self.num_envs), dtype=np.bool_)
        step_infos: list[Infos] = []
        for place, (env, begun, found) in enumerate(zip(self.envs, pending, evaluations, strict=True)):
            if starting[place]:
                self._observations[place], info = env.finish_reset(begun, found)
            else:
                outcome = env.finish_step(begun, found)
                self._observations[place], rewards[place], terminations[place], truncations[place], info = outcome
            step_infos.append(info)
        self._ended = terminations | truncations
        infos = self._start_over(step_infos) if self._same_step else self._merge(step_infos)
        return self._batch(), rewards, terminations, truncations, infos

    def render(self) -> tuple[Any, ...]:
        """Return the rendering of each environment."""
        return tuple(env.render() for env in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of any method
        """Call a method of every environment, or get an attribute."""
        found = [getattr(env, name) for env in self.envs]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:  # noqa: ANN401 - of any attribute
        """Set an attribute of every environment, to one value or to a list or tuple of one value each.

        Raises:
            SpecError: the number of values is wrong.
        """
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise SpecError(f"values has {len(each)} for {self.num_envs} environments; give one for each.")
        for env, value in zip(self.envs, each, strict=True):
            setattr(env, name, value)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ANN401 - gymnasium's
        """Close the environments."""
        del kwargs
        for env in self.envs:
            env.close()

    def _start(
        self, places: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Start episodes in some of the environments; return their infos."""
        pending = [self.envs[place].begin_reset(seed=seeds[place], options=options) for place in places]
        evaluations = wait_all(submit_all(self.evaluator, pending))
        infos = []
        for place, begun, found in zip(places, pending, evaluations, strict=True):
            self._observations[place], info = self.envs[place].finish_reset(begun, found)
            infos.append(info)
        return infos

    def _start_over(self, step_infos: Sequence[Infos]) -> Infos:
        """Start the next episode of each environment whose episode ended; return the infos of all."""
        ended: list[int] = np.flatnonzero(self._ended).tolist()
        finals = {place: {"final_obs": self._observations[place], "final_info": step_infos[place]} for place in ended}
        self._ready = False
        starts = dict(zip(ended, self._start(ended, [None] * self.num_envs, None), strict=True))
        self._ready = True
        return self._merge([starts.get(place, info) for place, info in enumerate(step_infos)], finals)

    def _merge(self, step_infos: Sequence[Infos], finals: Mapping[int, Infos] = MappingProxyType({})) -> Infos:
        infos: Infos = {}
        for place, info in enumerate(step_infos):
            infos = self._add_info(infos, finals.get(place, {}), place)
            infos = self._add_info(infos, info, place)
        return infos

    def _masked(self, mask: object) -> list[int]:
        if not (isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (self.num_envs,)):
            raise SpecError(
                f"options['reset_mask'] is {mask!r}; give an array of {self.num_envs} booleans, one for each "
                "environment."
            )
        if not mask.any():
            raise SpecError("options['reset_mask'] is False everywhere; name at least 1 environment.")
        found: list[int] = np.flatnonzero(mask).tolist()
        if not self._ready and not mask.all():
            raise SpecError("options['reset_mask'] names only some environments, but none has an episode; reset all.")
        return found

    def _batch(self) -> Array:
        """Return the observations of all environments as a new array."""
        return np.stack(self._observations)


def make_vector_environment(
    environment_id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    evaluator: Evaluator | None = None,
    **arguments: Any,  # noqa: ANN401 - those of the environment
) -> ChildVectorEnv:
    """Return several environments of an id in one ChildVectorEnv.

    Args:
        environment_id: an id that is registered with Gymnasium.
        num_envs: number of environments.
        autoreset_mode: see `ChildVectorEnv`.
        evaluator: the evaluator that all share; by default the first environment's own.
        arguments: of each environment.

    Raises:
        SpecError: `num_envs` is below 1; see also `ChildVectorEnv`.
    """
    if num_envs < 1:
        raise SpecError(f"num_envs is {num_envs}; it must be at least 1.")
    create: Any = load_env_creator(str(gym.spec(environment_id).entry_point))
    first = create(evaluator=evaluator, **arguments)
    others = [create(evaluator=first.evaluator, **arguments) for _ in range(num_envs - 1)]
    return ChildVectorEnv([first, *others], autoreset_mode=autoreset_mode)
