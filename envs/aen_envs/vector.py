"""ChildVectorEnv: a Gymnasium vector environment that submits the children of all its environments together."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from gymnasium.wrappers import RenderCollection, TimeLimit

from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen_envs.arguments import check_options, one_of, whole_number
from aen_envs.configurable import HasPlainSpec
from aen_envs.lockstep import Environment, submit_all, unwrap_all, wait_all

Array = npt.NDArray[Any]
Infos = dict[str, Any]
# How values of these types are stored in the infos of a vector environment.
_COLUMNS: Mapping[type, Any] = {float: float, int: int, bool: bool, str: object, np.ndarray: None}


class ChildVectorEnv(HasPlainSpec, VectorEnv[Array, Array, Array]):
    """Several environments whose steps are synchronous: each step submits the children of all in one call.

    It returns the same values as Gymnasium's SyncVectorEnv over the same environments; only the order in which children
    are trained differs. If the evaluator fails, all environments are unchanged, except when the children of a start
    fail after a step: then `reset` must be called.

    Args:
        environments: environments, or functions that make them, with any wrappers. All must share one evaluator. Under
            a wrapper that changes actions (`gymnasium.ActionWrapper`) children are trained one after the other.
        autoreset_mode: when an environment whose episode ended starts the next one: in its next step, whose action is
            ignored (``NextStep``); in the same step (``SameStep``), where ``infos["final_obs"]`` and
            ``infos["final_info"]`` hold the values at the end; or when `reset` is called with a ``reset_mask``
            (``Disabled``).

    Attributes:
        envs: the environments, without the wrappers that ``gymnasium.make`` always adds.
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
        self.envs: list[gym.Env[Any, Any]] = []
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        self._mode = AutoresetMode(one_of("autoreset_mode", mode, [each.value for each in AutoresetMode]))
        self._lockstep = unwrap_all(environments)
        self.envs = [each.env for each in self._lockstep]
        self.evaluator: Evaluator = self._lockstep[0].base.evaluator
        self.num_envs = len(self.envs)
        self.metadata = self.envs[0].metadata | {"autoreset_mode": self._mode}
        self.render_mode = self.envs[0].render_mode
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
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
        seeds = self._seeds(seed)
        places = list(range(self.num_envs))
        if options is not None:
            check_options(options, (*self._lockstep[0].base.reset_options, "reset_mask"))
            if "reset_mask" in options:
                places = self._masked(options["reset_mask"])
                options = {name: value for name, value in options.items() if name != "reset_mask"}
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
        chosen = self._actions(actions)
        starting = self._ended.tolist() if self._mode is AutoresetMode.NEXT_STEP else [False] * self.num_envs
        if self._mode is AutoresetMode.DISABLED and self._ended.any():
            raise SpecError(
                f"the episodes of environments {np.flatnonzero(self._ended).tolist()} have ended; reset them with "
                "options={'reset_mask': mask}, or choose another autoreset_mode."
            )
        pending = [
            env.begin_reset() if starts else env.begin_step(action)
            for env, starts, action in zip(self._lockstep, starting, chosen, strict=True)
        ]
        evaluations = wait_all(submit_all(self.evaluator, pending))
        rewards = np.zeros(self.num_envs)
        terminations, truncations = np.zeros((2, self.num_envs), dtype=np.bool_)
        step_infos: list[Infos] = []
        self._ready = False  # a wrapper or a reward function may fail in some of the environments
        for place, (env, begun, found) in enumerate(zip(self._lockstep, pending, evaluations, strict=True)):
            if starting[place]:
                self._observations[place], info = env.finish_reset(begun, found)
            else:
                outcome = env.finish_step(begun, found, chosen[place])
                self._observations[place], rewards[place], terminations[place], truncations[place], info = outcome
            step_infos.append(info)
        self._ended = terminations | truncations
        infos = self._start_over(step_infos) if self._mode is AutoresetMode.SAME_STEP else self._merge(step_infos)
        self._ready = True
        return self._batch(), rewards, terminations, truncations, infos

    @property
    def action_names(self) -> list[str]:
        """The names of the actions of an environment."""
        return self._lockstep[0].base.action_names

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the environments' random number generators."""
        return self.get_attr("np_random_seed")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The environments' random number generators."""
        return self.get_attr("np_random")

    def render(self) -> tuple[Any, ...]:
        """Return the rendering of each environment."""
        return tuple(env.render() for env in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of any method
        """Call a method of every environment, or get an attribute."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
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
            env.set_wrapper_attr(name, value)

    def close_extras(self, **kwargs: Any) -> None:  # noqa: ANN401 - gymnasium's
        """Close the environments."""
        del kwargs
        for env in self.envs:
            env.close()

    def _start(
        self, places: Sequence[int], seeds: Sequence[int | None], options: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Start episodes in some of the environments; return their infos."""
        pending = [self._lockstep[place].begin_reset(seed=seeds[place], options=options) for place in places]
        evaluations = wait_all(submit_all(self.evaluator, pending))
        infos = []
        for place, begun, found in zip(places, pending, evaluations, strict=True):
            self._observations[place], info = self._lockstep[place].finish_reset(begun, found, options)
            infos.append(info)
        return infos

    def _start_over(self, step_infos: Sequence[Infos]) -> Infos:
        """Start the next episode of each environment whose episode ended; return the infos of all."""
        ended: list[int] = np.flatnonzero(self._ended).tolist()
        finals = {place: {"final_obs": self._observations[place], "final_info": step_infos[place]} for place in ended}
        starts = dict(zip(ended, self._start(ended, [None] * self.num_envs, None), strict=True))
        return self._merge([starts.get(place, info) for place, info in enumerate(step_infos)], finals)

    def _merge(self, step_infos: Sequence[Infos], finals: Mapping[int, Infos] = MappingProxyType({})) -> Infos:
        alike = None if finals else _columns(step_infos)
        if alike is not None:
            return alike
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
        space = self.single_observation_space
        empty: Any = create_empty_array(space, n=self.num_envs)
        batch: Any = concatenate(space, self._observations, empty)
        found: Array = batch
        return found

    def _seeds(self, seed: object) -> list[int | None]:
        """Return the seed of each environment."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, Iterable) and not isinstance(seed, str | bytes | Mapping) and np.ndim(seed) > 0:  # type: ignore[arg-type]
            seeds = list(seed)
            if len(seeds) != self.num_envs:
                raise SpecError(f"seed has {len(seeds)} numbers for {self.num_envs} environments; give one for each.")
            return seeds
        first = whole_number("seed", seed, 0)
        return [first + number for number in range(self.num_envs)]

    def _actions(self, actions: Any) -> list[Any]:  # noqa: ANN401 - of any action space
        """Return the action of each environment."""
        if not isinstance(self.single_action_space, gym.spaces.Discrete):  # that of a wrapper
            return list(iterate(self.action_space, actions))
        if np.shape(actions) != (self.num_envs,):
            raise SpecError(
                f"actions has shape {np.shape(actions)}; give one for each of {self.num_envs} environments."
            )
        return list(actions)


def _columns(infos: Sequence[Infos]) -> Infos | None:
    """Return what `VectorEnv._add_info` makes of infos, in a fifth of the time; None if they are not all alike."""
    first = infos[0]
    if any(info.keys() != first.keys() for info in infos):
        return None
    found: Infos = {}
    for name, value in first.items():
        kind = type(value)
        if name == "final_obs" or kind not in _COLUMNS:
            return None
        dtype = value.dtype if kind is np.ndarray else _COLUMNS[kind]
        found[name] = np.array([info[name] for info in infos], dtype=dtype)
        found[f"_{name}"] = np.ones(len(infos), dtype=np.bool_)
    return found


def make_vector_environment(
    environment_id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    evaluator: Evaluator | None = None,
    max_episode_steps: int | None = None,
    disable_env_checker: bool | None = None,
    render_mode: str | None = None,
    **arguments: Any,  # noqa: ANN401 - those of the environment
) -> ChildVectorEnv:
    """Return several environments of an id in one ChildVectorEnv.

    Args:
        environment_id: an id that is registered with Gymnasium.
        num_envs: number of environments.
        autoreset_mode: see `ChildVectorEnv`.
        evaluator: the evaluator that all share; by default the first environment's own.
        max_episode_steps: number of steps after which an episode is truncated, besides the environment's horizon; None
            or -1: only by the horizon.
        render_mode: of the environments; with ``_list`` behind it `render` returns all frames since the last call.
        disable_env_checker: as of ``gymnasium.make``; has no effect, because the environments have no checker.
        arguments: of each environment.

    Raises:
        SpecError: `num_envs` or `max_episode_steps` is below 1; see also `ChildVectorEnv`.
    """
    del disable_env_checker
    number = whole_number("num_envs", num_envs, 1)
    limit = None if max_episode_steps in {None, -1} else whole_number("max_episode_steps", max_episode_steps, 1)
    create: Any = load_env_creator(str(gym.spec(environment_id).entry_point))
    collects = isinstance(render_mode, str) and render_mode.endswith("_list")
    arguments["render_mode"] = render_mode.removesuffix("_list") if collects and render_mode else render_mode
    first = create(evaluator=evaluator, **arguments)
    envs = [first, *(create(evaluator=first.evaluator, **arguments) for _ in range(number - 1))]
    # The wrappers of gymnasium.make, in its order.
    limited = envs if limit is None else [TimeLimit(env, limit) for env in envs]
    wrapped = [RenderCollection(env) for env in limited] if collects else limited
    return ChildVectorEnv(wrapped, autoreset_mode=autoreset_mode)
