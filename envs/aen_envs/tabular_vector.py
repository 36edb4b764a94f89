"""TabularVectorEnv: thousands of walks through a benchmark table at once, as arrays."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from aen._fields import shown
from aen.errors import SpecError
from aen_envs.arguments import check_options, check_seed, flag, one_of, whole_number
from aen_envs.configurable import HasPlainSpec
from aen_envs.full_observation import FullObservation
from aen_envs.listed_states import ListedStates
from aen_envs.table_choice import MICROSECONDS
from aen_envs.tabular import GCNNDesignTabularEnv, GroupDecompositionTabularEnv, TabularEnv
from aen_envs.walk_results import WalkResults

Array = npt.NDArray[Any]
Infos = dict[str, Any]


class TabularVectorEnv(HasPlainSpec, VectorEnv[Any, Array, Array]):
    """Walks through one table, whose steps are taken together by NumPy, without a loop over the walks.

    It returns the values that Gymnasium's SyncVectorEnv over as many environments of the table returns.

    Args:
        env: an environment over the table; every walk has its arguments.
        num_envs: number of walks.
        autoreset_mode: when a walk whose episode ended starts the next one: in its next step, whose action is ignored
            (``NextStep``); in the same step (``SameStep``), where ``infos["final_obs"]`` and ``infos["final_info"]``
            hold the values at the end; or when `reset` is called with a ``reset_mask`` (``Disabled``).
        max_episode_steps: number of steps after which an episode is truncated, besides the environment's horizon, as by
            Gymnasium's TimeLimit; None: only by the horizon.

    Attributes:
        env: the environment; it takes no steps.

    Raises:
        SpecError: a wrong argument.
        TableError: the environment's reference, or the state in which episodes start, is not in the table.
    """

    def __init__(
        self,
        env: TabularEnv,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__()
        self.env = env
        self.num_envs = n = whole_number("num_envs", num_envs, 1)
        mode = autoreset_mode.value if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
        self._mode = AutoresetMode(one_of("autoreset_mode", mode, [each.value for each in AutoresetMode]))
        endless = max_episode_steps in {None, -1}
        self._limit = None if endless else whole_number("max_episode_steps", max_episode_steps, 1)
        self.metadata = env.metadata | {"autoreset_mode": self._mode}
        self.render_mode = env.render_mode
        self.single_action_space = env.action_space
        self.action_space = batch_space(self.single_action_space, n)
        self.single_observation_space = env.observation_space
        self.observation_space = batch_space(self.single_observation_space, n)
        listed = ListedStates.of(env.space, list(env.table.place_of_class))
        self._results = WalkResults(env, listed)
        self._results.check(np.array([0]))  # where episodes start again
        self._observed: Array = listed.choices.astype(env.state_space.dtype)
        self._strides = listed.strides
        self._full: FullObservation | None = env.full_observation(n) if env.observe == "full" else None
        self._ready = False
        self._ended = np.zeros(n, dtype=np.bool_)
        self._states, self._steps, self._microseconds = np.zeros((3, n), dtype=np.int64)
        self._seen = np.zeros((n, len(listed.class_keys)), dtype=np.bool_)
        self._best = np.full(n, -1)
        self._every = np.arange(n)

    def reset(
        self, *, seed: int | Iterable[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Start all episodes, or with ``options={"reset_mask": mask}`` those of some walks.

        Args:
            seed: walks that get one forget what they have met: a number, or one, or None, for each. Nothing else
                depends on it.
            options: ``state``: where the walks start; ``forget``: whether they forget; ``reset_mask``.

        Raises:
            SpecError: a wrong seed or option.
            TableError: the class of the state is not in the table.
        """
        check_options(options, (*self.env.reset_options, "reset_mask"))
        options = options or {}
        mask = self._masked(options["reset_mask"]) if "reset_mask" in options else np.ones(self.num_envs, dtype=bool)
        forgets = mask & (self._seeded(seed) | flag("options['forget']", options.get("forget", False)))
        number = int(np.dot(self.env.start_state(options), self._strides))
        self._results.check(np.array([number]))
        self._forget(np.flatnonzero(forgets))
        walks = np.flatnonzero(mask)
        infos = self._spread(self._start(walks, number), walks)
        self._ready = True
        return self._observations(), infos

    def step(self, actions: Array) -> tuple[Any, Array, Array, Array, Infos]:
        """Take an action in each walk.

        Raises:
            SpecError: the number of actions is wrong, there is no such action, or no episode.
            TableError: the class of a new state is not in the table; nothing has moved.
        """
        chosen = self._actions(actions)
        if not self._ready:
            raise SpecError("step was called before reset; call reset first.")
        starting = self._ended.copy() if self._mode is AutoresetMode.NEXT_STEP else np.zeros_like(self._ended)
        if self._mode is AutoresetMode.DISABLED and self._ended.any():
            raise SpecError(
                f"the episodes of environments {np.flatnonzero(self._ended).tolist()} have ended; reset them with "
                "options={'reset_mask': mask}, or choose another autoreset_mode."
            )
        moving = np.flatnonzero(~starting) if starting.any() else self._every
        chosen, before = self._known_actions(chosen[moving]), self._states[moving]
        after = self._results.next_states[before, chosen]
        self._results.check(after)
        rewards, terminations = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=np.bool_)
        truncations = np.zeros(self.num_envs, dtype=np.bool_)
        rewards[moving] = self._results.rewards(before, after)  # may raise; nothing has moved so far
        terminations[moving] = stopped = chosen == self._results.stop
        self._states[moving] = after
        self._steps[moving] += 1
        self._states[starting], self._steps[starting] = 0, 0
        steps = self._steps[moving]
        over = ~stopped & (steps >= self.env.horizon)
        truncations[moving] = over if self._limit is None else over | (steps >= self._limit)
        infos = self._spread(self._entries(self._every, np.flatnonzero(starting)), self._every)
        self._ended = terminations | truncations
        if self._mode is AutoresetMode.SAME_STEP and self._ended.any():
            infos = self._start_over(infos)
        return self._observations(), rewards, terminations, truncations, infos

    def render(self) -> None:
        """There is nothing to see of thousands of walks; render a single environment.

        Raises:
            SpecError: always.
        """
        raise SpecError("a TabularVectorEnv has no pictures; make a single environment with this render_mode.")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ANN401 - of any method
        """Call a method of the environment, or get an attribute: the same for every walk."""
        found = self.env.get_wrapper_attr(name)
        value = found(*args, **kwargs) if callable(found) else found
        return (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of the environment, once for every walk."""
        return self.call(name)

    @property
    def action_names(self) -> list[str]:
        """The names of the actions of a walk."""
        return self.env.action_names

    def _start(self, walks: Array, number: int) -> Infos:
        """Start episodes of some walks in the state of a number; return the entries of their infos."""
        self._states[walks], self._steps[walks], self._ended[walks] = number, 0, False
        return self._entries(walks, walks)

    def _start_over(self, infos: Infos) -> Infos:
        """Start the next episode of each walk whose episode ended; return the infos of all."""
        walks = np.flatnonzero(self._ended)
        last = self._observations()
        final = np.full(self.num_envs, None, dtype=object)
        if isinstance(last, dict):
            names = list(last)
            final[walks] = [
                dict(zip(names, each, strict=True)) for each in zip(*(last[n][walks] for n in names), strict=True)
            ]
        else:
            final[walks] = list(last[walks])
        mask = self._ended.copy()
        final_info = self._spread({name: infos[name][walks] for name in infos if name[0] != "_"}, walks)
        for name, values in self._start(walks, 0).items():
            infos[name][walks] = values
        return infos | {"final_obs": final, "_final_obs": mask, "final_info": final_info, "_final_info": mask.copy()}

    def _forget(self, walks: Array) -> None:
        self._seen[walks], self._microseconds[walks], self._best[walks] = False, 0, -1
        if self._full is not None:
            self._full.evidence.forget(walks)

    def _entries(self, walks: Array, starts: Array) -> Infos:
        """Return the entries of the infos of walks that have come to their states, and note what they have met.

        Args:
            walks: which.
            starts: those of them that have started an episode, which meet the reference as well.
        """
        states = self._states[walks]
        places = self._results.places[states]
        seen = self._seen[walks, places]
        self._meet(walks, places)
        if len(starts):
            here = self._results.places[self._states[starts]]
            others = starts[here != self._results.reference]
            self._meet(others, np.full(len(others), self._results.reference))
        return self._results.infos(states) | {
            "looked_up": seen,
            "best_regret": self._results.regret[self._best[walks]],
            "total_seconds": self._microseconds[walks] / MICROSECONDS,
        }

    def _meet(self, walks: Array, places: Array) -> None:
        """Note the classes of children that some walks meet."""
        results, best = self._results, self._best[walks]
        self._microseconds[walks] += np.where(self._seen[walks, places], 0, results.microseconds[places])
        self._seen[walks, places] = True
        ours, theirs = results.accuracy[places], results.accuracy[best]
        # Of equals the first in the table, so that the order in which they were met does not count.
        better = (best < 0) | (ours > theirs) | ((ours == theirs) & (places < best))
        self._best[walks] = np.where(better, places, best)
        if self._full is not None:
            self._full.evidence.note(walks, places, ours)

    def _spread(self, entries: Infos, walks: Array) -> Infos:
        """Return entries of some walks as the infos of all: arrays with a mask for each."""
        infos: Infos = {}
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        mask[walks] = True
        for name, values in entries.items():
            infos[name] = values
            if len(walks) < self.num_envs:
                infos[name] = np.full(self.num_envs, None if values.dtype == object else 0, dtype=values.dtype)
                infos[name][walks] = values
            infos[f"_{name}"] = mask.copy()
        return infos

    def _observations(self) -> Any:  # noqa: ANN401 - an array, or a dictionary of arrays
        states = self._observed[self._states]
        if self._full is None:
            return states
        return self._full.batch(states, (self.env.horizon - self._steps) / self.env.horizon)

    def _seeded(self, seed: object) -> Array:
        """Return which walks get a seed."""
        if isinstance(seed, Iterable) and not isinstance(seed, str | bytes | Mapping) and np.ndim(seed) > 0:  # type: ignore[arg-type]
            seeds = [check_seed(each) for each in seed]
            if len(seeds) != self.num_envs:
                raise SpecError(f"seed has {len(seeds)} numbers for {self.num_envs} environments; give one for each.")
            return np.array([each is not None for each in seeds])
        return np.full(self.num_envs, check_seed(seed) is not None)

    def _masked(self, mask: object) -> Array:
        if not (isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (self.num_envs,)):
            raise SpecError(
                f"options['reset_mask'] is {shown(mask)}; give an array of {self.num_envs} booleans, one for each "
                "environment."
            )
        if not mask.any():
            raise SpecError("options['reset_mask'] is False everywhere; name at least 1 environment.")
        if not self._ready and not mask.all():
            raise SpecError("options['reset_mask'] names only some environments, but none has an episode; reset all.")
        return mask

    def _actions(self, actions: object) -> Array:
        """Return the action of each walk, as whole numbers."""
        found = np.asarray(actions)
        if found.shape != (self.num_envs,):
            raise SpecError(f"actions has shape {found.shape}; give one for each of {self.num_envs} environments.")
        if not np.issubdtype(found.dtype, np.integer):
            raise SpecError(f"actions has the type {found.dtype} but must be whole numbers, such as np.int64.")
        return found

    def _known_actions(self, actions: Array) -> Array:
        wrong = (actions < 0) | (actions >= self._results.next_states.shape[1])
        if wrong.any():
            last = self._results.next_states.shape[1] - 1
            raise SpecError(f"an action is {actions[wrong][0]}; choose 0 to {last}.")
        return actions


def make_tabular_vector(
    kind: type[TabularEnv],
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    max_episode_steps: int | None = None,
    disable_env_checker: bool | None = None,
    **arguments: Any,  # noqa: ANN401 - those of the environment
) -> TabularVectorEnv:
    """Return walks through a table, for ``gymnasium.make_vec``.

    Args:
        kind: the class of the environment.
        num_envs: number of walks.
        autoreset_mode: see `TabularVectorEnv`.
        max_episode_steps: see `TabularVectorEnv`.
        disable_env_checker: as of ``gymnasium.make``; has no effect, because there is no checker.
        arguments: of the environment.
    """
    del disable_env_checker
    return TabularVectorEnv(
        kind(**arguments), num_envs, autoreset_mode=autoreset_mode, max_episode_steps=max_episode_steps
    )


# The vector entry points, named like the classes of the environments.
GroupDecompositionTabular = partial(make_tabular_vector, GroupDecompositionTabularEnv)
GCNNDesignTabular = partial(make_tabular_vector, GCNNDesignTabularEnv)
