"""The environments over benchmark tables: `aen/GroupDecompositionTabular-v0` and `aen/GCNNDesignTabular-v0`."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aen._typing import JsonDict
from aen.bench import Table
from aen.bench.table import Noise
from aen.results import Evaluation
from aen.spaces import DecompositionSpace, GCNNSpace, Space
from aen_envs.arguments import ObservationKind, Observed
from aen_envs.gcnn_design import GCNNDesignEnv, Reference
from aen_envs.group_decomposition import GroupDecompositionEnv
from aen_envs.listed_states import ListedStates
from aen_envs.pending_step import PendingStep
from aen_envs.rewards import RewardFunction, RewardKind
from aen_envs.space_env import SpaceEnv
from aen_envs.table_choice import MICROSECONDS, TableChoice

if TYPE_CHECKING:
    from aen_envs.full_observation import FullObservation


class TabularEnv(SpaceEnv):
    """What environments over tables have in common: `regret`, and the seconds of all trainings, in `info`."""

    chosen: TableChoice

    def _choose(self, chosen: TableChoice) -> dict[str, Any]:
        """Set the table; return what it decides of the arguments of the environment of its space."""
        self.chosen = chosen
        self._seen: set[int] = set()
        self._best, self._microseconds = -1, 0
        space = super().arguments_for(chosen.table.definition.space)
        return space | {"evaluator": chosen.evaluator, "child_seed": chosen.seed}

    @property
    def table(self) -> Table:
        """The table."""
        return self.chosen.table

    @classmethod
    def arguments_for(cls, space: Space, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - of any setting
        """Return the settings alone: the table has the space."""
        del space
        return settings

    def full_observation(self, walks: int = 1) -> "FullObservation":
        """Return what makes the observations of ``observe="full"``; the images are not needed."""
        from aen_envs.full_observation import FullObservation, table_scores

        scores = table_scores(self.space, self.table.symmetry)
        listed = ListedStates.of(self.space, list(self.table.place_of_class))
        return FullObservation(listed, self.state_space, scores, walks)

    def _identity(self) -> JsonDict:
        evaluator = self.chosen.evaluator
        return super()._identity() | {"table": self.table.name, "noise": evaluator.noise, "epoch": evaluator.epoch}

    def _finish_reset(self, pending: PendingStep, evaluations: Sequence[Evaluation]) -> tuple[Any, dict[str, Any]]:
        if pending.forgets:
            self._see([])
        self._meet(evaluations[0].class_key)  # of the reference, which is trained as well
        return super()._finish_reset(pending, evaluations)

    def restore(self, snapshot: JsonDict) -> None:
        """Resume the episode of a snapshot; see `ChildEnv.restore`."""
        super().restore(snapshot)
        self._see(sorted(self._met))

    def _see(self, class_keys: Sequence[str]) -> None:
        """Set the classes that were met."""
        self._seen, self._best, self._microseconds = set(), -1, 0
        for key in class_keys:
            self._meet(key)

    def _meet(self, class_key: str) -> int:
        """Take a class that is met, and return its place in the table."""
        chosen = self.chosen
        place = chosen.table.place_of_class[class_key]
        if place not in self._seen:
            self._seen.add(place)
            self._microseconds += chosen.microseconds[place]
            # Of equals the first in the table, so that the order in which they were met does not count.
            if self._best < 0 or (chosen.accuracy[place], -place) > (chosen.accuracy[self._best], -self._best):
                self._best = place
        return place

    def _info(self, pending: PendingStep, place: int, evaluation: Evaluation) -> dict[str, Any]:
        regret = self.chosen.regret[self._meet(evaluation.class_key)]
        info = super()._info(pending, place, evaluation)
        info["regret"] = regret
        info["best_regret"] = self.chosen.regret[self._best]
        info["total_seconds"] = self._microseconds / MICROSECONDS
        return info


class GroupDecompositionTabularEnv(TabularEnv, GroupDecompositionEnv):
    """Choose the symmetries of a dense network, whose results are looked up in a benchmark table.

    ## Description
    `aen/GroupDecomposition-v0` without training: every child was trained when the table was built (`aen.bench`).
    States, actions, observations, rewards and the end of episodes are those of `GroupDecompositionEnv`, with equal
    values.

    ## Action Space
    See `GroupDecompositionEnv`.

    ## Observation Space
    See `GroupDecompositionEnv`.

    ## Rewards
    See `GroupDecompositionEnv`.

    ## Starting State
    See `GroupDecompositionEnv`.

    ## Episode End
    See `GroupDecompositionEnv`.

    ## Arguments
    - `table`: the name of a table, such as ``digits-04``, or an `aen.bench.Table`.
    - `folder`: where the file of a named table is; by default those that aen ships.
    - `noise`: ``seed``: a child has the result of one seed, as a training has; ``mean``: the mean over all seeds.
    - `epoch`: after which the children were measured; by default the last one.
    - `child_seed`: the seed of every child, one of the table's; by default its first one.
    - `reward`, `stop_action`, `horizon`, `observation`, `observe`, `render_mode`: see `GroupDecompositionEnv`.

    ``info`` has what that of `GroupDecompositionEnv` has, and
    - `regret`: how far the class's mean validation accuracy over the table's seeds, after all epochs, is below the best
      class's. It is for judging an agent, who cannot know it.
    - `best_regret`: that of the class that was most accurate among those met so far: the one that the agent would name.
    - `total_seconds`: how long training all classes met so far took, that of the reference child included.

    What was met so far is forgotten by a reset with a seed, or with ``options={"forget": True}``.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        *,
        table: str | Table | None = None,
        folder: str | os.PathLike[str] | None = None,
        noise: Noise = "seed",
        epoch: int | None = None,
        child_seed: int | None = None,
        reward: RewardKind | RewardFunction = "delta",
        stop_action: bool = False,
        horizon: int = 100,
        observation: ObservationKind = "default",
        observe: Observed = "state",
        render_mode: str | None = None,
    ) -> None:
        chosen = TableChoice(DecompositionSpace, table, folder, noise=noise, epoch=epoch, child_seed=child_seed)
        super().__init__(
            **self._choose(chosen),
            reward=reward,
            stop_action=stop_action,
            horizon=horizon,
            observation=observation,
            observe=observe,
            render_mode=render_mode,
        )


class GCNNDesignTabularEnv(TabularEnv, GCNNDesignEnv):
    """Choose group, augmentations and size of a convolutional network, whose results are looked up in a table.

    ## Description
    `aen/GCNNDesign-v0` without training: every child was trained when the table was built (`aen.bench`). States,
    actions, observations, rewards and the end of episodes are those of `GCNNDesignEnv`, with equal values.

    ## Action Space
    See `GCNNDesignEnv`.

    ## Observation Space
    See `GCNNDesignEnv`.

    ## Rewards
    See `GCNNDesignEnv`.

    ## Starting State
    See `GCNNDesignEnv`.

    ## Episode End
    See `GCNNDesignEnv`.

    ## Arguments
    - `table`, `folder`, `noise`, `epoch`, `child_seed`: see `GroupDecompositionTabularEnv`.
    - `reward`, `reference`, `stop_action`, `horizon`, `observation`, `observe`, `render_mode`: see `GCNNDesignEnv`.

    ``info`` has what that of `GCNNDesignEnv` has, and `regret`, `best_regret` and `total_seconds`, see
    `GroupDecompositionTabularEnv`.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        *,
        table: str | Table | None = None,
        folder: str | os.PathLike[str] | None = None,
        noise: Noise = "seed",
        epoch: int | None = None,
        child_seed: int | None = None,
        reward: RewardKind | RewardFunction = "delta",
        reference: Reference = "untied",
        stop_action: bool = False,
        horizon: int = 50,
        observation: ObservationKind = "default",
        observe: Observed = "state",
        render_mode: str | None = None,
    ) -> None:
        chosen = TableChoice(GCNNSpace, table, folder, noise=noise, epoch=epoch, child_seed=child_seed)
        super().__init__(
            **self._choose(chosen),
            reward=reward,
            reference=reference,
            stop_action=stop_action,
            horizon=horizon,
            observation=observation,
            observe=observe,
            render_mode=render_mode,
        )
