"""WalkResults: what a step into each state of a table gives, as arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aen.errors import TableError
from aen_envs.listed_states import ListedStates
from aen_envs.rewards import find_reward
from aen_envs.tabular import TabularEnv

Array = npt.NDArray[Any]


class WalkResults:
    """The results of all states of an environment over a table.

    Args:
        env: the environment.
        listed: its states, with the classes in the order of the table.

    Attributes:
        next_states: the state to which each action leads from each state, shape ``[states, actions]``.
        places: the place of each state's class in the table, shape ``[states]``; -1: it is not there.
        accuracy: validation accuracy of each class, shape ``[classes]``.
        regret: of each class, likewise.
        microseconds: of each class's training, likewise.
        reference: the place of the reference's class.
        stop: the action that ends an episode; -1: there is none.
    """

    def __init__(self, env: TabularEnv, listed: ListedStates) -> None:
        chosen = env.chosen
        self._table = env.table
        self.next_states = listed.next_states(env.changes)
        self.stop = -1
        if env.stop_action:
            self.stop = self.next_states.shape[1]
            self.next_states = np.column_stack([self.next_states, np.arange(len(self.next_states))])
        self.places = listed.place_of_state
        self.accuracy = np.array(chosen.accuracy)
        self.regret = np.array(chosen.regret)
        self.microseconds = np.array(chosen.microseconds)
        baseline = chosen.evaluator.look_up(env.reference())
        self.reference = self._table.place_of_class[baseline.class_key]
        self._baseline = baseline.validation_accuracy
        self._columns = self._columns_of(env, listed)
        self._reward = find_reward(env.reward)
        self._kind = env.reward if isinstance(env.reward, str) else None
        classes = len(self.accuracy)
        if self._kind is None:  # a function of the user's, which is called once for each pair of classes
            self._rewards = np.full((classes, classes), np.nan)
        else:
            self._rewards = np.array([self._reward(each, self._baseline, 0.0) for each in chosen.accuracy])

    def _columns_of(self, env: TabularEnv, listed: ListedStates) -> dict[str, Array]:
        """Return entries of `info` that depend on the state alone, shape ``[states]``."""
        number = len(listed.choices)
        names = ("status", "factors", "class_key", "key", "group")
        texts = {name: np.full(number, None, dtype=object) for name in names}
        parameters, seconds = np.zeros(number, dtype=np.int64), np.zeros(number)
        for state in np.flatnonzero(self.places >= 0).tolist():
            spec = env.spec_of(listed.choices[state].tolist())
            found = env.chosen.evaluator.look_up(spec)
            for name, text in zip(
                names, (found.status, spec.name, found.class_key, found.key, spec.group), strict=True
            ):
                texts[name][state] = text
            parameters[state], seconds[state] = found.parameters, found.seconds
        return texts | {"parameters": parameters, "seconds": seconds}

    def check(self, states: Array) -> None:
        """Check that the classes of states are in the table.

        Raises:
            TableError: one is not.
        """
        missing = states[self.places[states] < 0]
        if len(missing):
            raise TableError(f"table {self._table.name} has no entry for state {int(missing[0])}.")

    def rewards(self, before: Array, after: Array) -> npt.NDArray[np.float64]:
        """Return the rewards of steps between states.

        Raises:
            SpecError: a reward function fails or returns no finite number.
        """
        then, now = self.places[before], self.places[after]
        if self._kind == "improvement":
            gained: npt.NDArray[np.float64] = self.accuracy[now] - self.accuracy[then]
            return gained
        if self._kind is not None:
            known: npt.NDArray[np.float64] = self._rewards[now]
            return known
        found: npt.NDArray[np.float64] = self._rewards[now, then]
        missing = np.isnan(found)
        if missing.any():
            for a, b in np.unique(np.column_stack([now, then])[missing], axis=0).tolist():
                self._rewards[a, b] = self._reward(float(self.accuracy[a]), self._baseline, float(self.accuracy[b]))
            found = self._rewards[now, then]
        return found

    def infos(self, states: Array) -> dict[str, Array]:
        """Return the entries of `info` that depend on the state alone."""
        places = self.places[states]
        return {
            "accuracy": self.accuracy[places],
            "baseline_accuracy": np.full(len(states), self._baseline),
            "state": states.copy(),
            "regret": self.regret[places],
            **{name: values[states] for name, values in self._columns.items()},
        }
