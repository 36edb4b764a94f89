"""The environment `aen/LayerwiseRelaxation-v0`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.children import EquiNASSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator, LocalEvaluator
from aen.results import Evaluation
from aen.spaces import RelaxationSpace, Space
from aen_envs.arguments import ObservationKind, child_with_seed, flag, names_or_none, one_of, price, whole_number
from aen_envs.child_env import ChildEnv, PendingStep
from aen_envs.configurable import independent_copy
from aen_envs.own_data import DataChoice, on_data
from aen_envs.relaxation_actions import ActionKind, RelaxationActions
from aen_envs.relaxation_rendering import RelaxationScene, draw_picture, draw_text
from aen_envs.relaxation_specs import RelaxationSpecs, TrainedState, quick_child
from aen_envs.scratch_evaluator import ScratchEvaluator

if TYPE_CHECKING:
    from aen_envs.snapshots import RelaxationSnapshot, Snapshot

# The reward of an illegal action.
ILLEGAL = -0.01
# Defaults.
SLICES, HORIZON = 20, 200

Vector = npt.NDArray[np.float32]


class LayerwiseRelaxationEnv(ChildEnv[Vector]):
    """Relax the symmetries of a network, one layer at a time, while it is being trained.

    ## Description
    Every layer of a child of the EquiNAS backbone (arXiv 2210.05484) has a group, and along the network groups only
    shrink. Every action relaxes one layer by one step, to a maximal subgroup of its group, or leaves all groups
    unchanged; either way the child is then trained for another slice. A child inherits the weights, the optimiser state
    and the position in the sequence of batches of the child before. The equivariance relaxation morphism leaves its
    function unchanged, so that relaxing without training would have no measurable effect.

    ## Action Space
    `Discrete(n (k - 1) + 2)` for n layers (eight convolutions and, unless published, the dense layer) and k groups:

    - ``layer * (k - 1) + number - 1``: relax a layer (counted from 0) to the group ``space.groups[number]``; number 0,
      the base, cannot be relaxed to. `relaxations` lists (layer, group) of every such action, and `action_of` returns
      the action of a pair.
    - `train_action`, the last but one: train for another slice without relaxing.
    - `stop_action`, the last: end the episode.

    With ``actions="legal"`` `Discrete(m + 2)` instead, m being the most relaxations that are legal in any state (4 with
    all ten groups): action k below m is the k-th legal relaxation of the current state, counted from the last layer to
    the first and, within a layer, from larger to smaller groups; if there are fewer, counting starts again (k modulo
    their number), and if there is none, it trains. `train_action` and `stop_action` are the last two here, too. No
    action is illegal; after a training that diverged every action stops. `action_masks()` leaves out the repetitions.

    Relaxing is legal if the group is a maximal proper subgroup, among those on offer, of the layer's group and contains
    the group of the next layer; so a network is relaxed from its last layer on. Training is legal while slices are
    left, stopping always. After a training that diverged only stopping is legal. `action_masks()` returns the legal
    actions in the form that MaskablePPO of sb3-contrib needs, and ``info["action_mask"]`` in that of
    ``action_space.sample(mask)`` (int8). An illegal action, which only ``actions="all"`` has, changes nothing and
    trains nothing, but counts as a step.

    ## Observation Space
    `Box(0, 1, (n k + 2,), float32)`: the one-hot group of each layer (k numbers), then the validation accuracy
    and the fraction of slices left.

    ## Rewards
    With a and p the accuracy, in [0, 1], and the number of parameters of the new state, b and q those of the state
    before, and p0 the number of parameters of the start: ``a - b - parameter_price * (p - q) / p0``. A child whose
    training diverged counts with accuracy 0. An illegal action costs 0.01, stopping nothing.

    ## Starting State
    The base in all layers, trained from scratch for one slice; or ``reset(options={"state": numbers})``, the number of
    the group of each layer.

    ## Episode End
    Termination by stopping. Truncation when no slice is left, or after `horizon` steps.

    ## Arguments
    - `child`: the EquiNASSpec whose layers are relaxed; its `training.epochs` are those of a slice, such as 0.5; its
      own groups and parent are not used. By default a small one for digits, moved by quarter turns and flips.
    - `data`: the children's data set: a name, a path of own data, or a DataSpec; by default the child's.
    - `groups`: names of the groups on offer: subgroups of the child's base, among them the base and C1; None: all.
    - `evaluator`: trains children or looks them up. With `inherit` it must keep weights (a LocalEvaluator needs a
      `weights_folder`). By default it trains in this process and keeps results in memory and weights in a temporary
      folder until `close`, those used last up to 256 MiB; others are trained again when they are needed.
    - `inherit`: whether children inherit the weights of the state before. False: every state is trained from scratch
      instead, for as many epochs as it would have seen with `inherit`; all else is the same.
    - `slices`: number of slices of an episode, not counting that of the start. Each legal action but stopping uses one.
    - `horizon`: number of steps until truncation, including illegal actions.
    - `parameter_price`: the cost of growing by as many parameters as the start has.
    - `actions`: ``all``: an action for each layer and group, of which most are illegal in a state; or ``legal``: the
      legal ones, counted anew in each state, for agents that do not use the mask.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it.
    - `observation`: ``default`` or ``box``, which are the same here.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy` (of the start), `status`, `state` (as one number; the
    first layer is the least significant), `factors` and `group` (along the network, such as ``D4 x4, C4 x4``),
    `class_key`, `key` and `seconds` (of the last training), `parameters`, `epochs` (in all since the start),
    `slices_left`, `illegal`, `action_mask` and `looked_up`: whether the same training was met before, since the
    environment was made or last reset with a seed. States with equal groups have one `class_key`, but other accuracies
    if they were reached in other ways. A pickled environment with its own evaluator has the current weights.

    ## Version History
    - v0: first version.
    """

    settings: ClassVar[tuple[str, ...]] = ("inherit", "slices", "horizon", "parameter_price", "actions")

    def __init__(
        self,
        *,
        child: EquiNASSpec | JsonDict | None = None,
        data: DataChoice = None,
        groups: Sequence[str] | None = None,
        evaluator: Evaluator | None = None,
        inherit: bool = True,
        slices: int = SLICES,
        horizon: int = HORIZON,
        parameter_price: float = 0.0,
        actions: ActionKind = "all",
        child_seed: int = 0,
        observation: ObservationKind = "default",
        render_mode: str | None = None,
    ) -> None:
        self.inherit = flag("inherit", inherit)
        self.slices = whole_number("slices", slices)
        if self.slices < 1:
            raise SpecError(f"slices is {slices}; an episode needs at least 1 besides that of the start.")
        self.parameter_price = price("parameter_price", parameter_price)
        one_of("observation", observation, get_args(ObservationKind))
        if self.inherit and isinstance(evaluator, LocalEvaluator) and evaluator.weights_folder is None:
            raise SpecError(
                "evaluator has no weights_folder, where children find their parents' weights; give it one, or set "
                "inherit to False."
            )
        found = on_data(child_with_seed(EquiNASSpec, child, child_seed, quick_child), data)
        self.space = RelaxationSpace(found, names_or_none("groups", groups))
        self._actions = RelaxationActions(self.space, actions)
        self._specs = RelaxationSpecs(self.space, self.inherit)
        super().__init__(evaluator=evaluator, horizon=horizon, render_mode=render_mode)
        self.actions = actions
        self.relaxations = self._actions.pairs
        self.train_action = self._actions.train
        self.stop_action = self._actions.stop
        self.action_space = gym.spaces.Discrete(self._actions.n)
        self.observation_space = gym.spaces.Box(0, 1, (sum(self.space.sizes) + 2,), np.float32)
        self._current: TrainedState | None = None
        self._start_parameters = 1
        self._used = 0

    @classmethod
    def arguments_for(cls, space: Space, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - of any setting
        """Return the constructor's arguments for a RelaxationSpace.

        The slices of an episode share the epochs of the space's child, and `horizon` is at least `slices`.
        """
        own = cast("RelaxationSpace", space)
        training, slices = own.child.training, settings.get("slices", SLICES)
        one_slice = replace(training, epochs=training.epochs / (slices + 1))
        horizon = max(settings.get("horizon", HORIZON), slices)
        child = {"child": replace(own.child, training=one_slice), "groups": own.groups, "child_seed": own.child.seed}
        return child | settings | {"horizon": horizon}

    def _own_evaluator(self) -> Evaluator:
        return ScratchEvaluator() if self.inherit else LocalEvaluator()

    def _copied_evaluator(self) -> Evaluator:
        # A temporary folder of weights belongs to one environment, so a copy has an evaluator of its own.
        own = isinstance(self.evaluator, ScratchEvaluator)
        return independent_copy(self.evaluator) if own else self.evaluator

    @property
    def action_names(self) -> list[str]:
        """A name for each action, such as ``relax layer 1 to C4`` (``legal relaxation 1``), ``train``, ``stop``."""
        return self._actions.names

    @property
    def slices_left(self) -> int:
        """Number of slices left in this episode."""
        return self.slices - self._used

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return which actions are legal, in the form that MaskablePPO of sb3-contrib needs.

        Raises:
            SpecError: there is no episode yet.
        """
        current = self._trained("action_masks")
        return self._actions.mask(current.state, trains=self._trains(current))

    def action_of(self, layer: int, group: str) -> int:
        """Return the action that relaxes a layer, counted from 0, to a group.

        Raises:
            SpecError: there is no such action; with ``actions="legal"`` also if it is not legal in the current state.
        """
        return self._actions.action_of(layer, group, None if self._current is None else self._current.state)

    def _trains(self, current: TrainedState) -> bool:
        """Whether another slice can be trained."""
        return current.evaluation.status == "ok" and self.slices_left > 0

    def _begin_reset(self, options: dict[str, Any] | None, seed: int | None) -> PendingStep:
        state = (options or {}).get("state", (0,) * self.space.layers)
        if not self.space.has(state):
            raise SpecError(f"options['state'] is {state!r}; give {self.space.form}.")
        numbers = tuple(int(number) for number in state)
        spec = self._specs.spec_of(numbers, slices=1, parent=None)
        return PendingStep((spec,), self.inherit, numbers, seed=seed)

    def _finish_reset(self, pending: PendingStep, evaluations: Sequence[Evaluation]) -> tuple[Vector, dict[str, Any]]:
        self._current = TrainedState.of(pending, evaluations)
        self._used = 0
        self._start_parameters = self._current.evaluation.parameters
        self._baseline = self._current.evaluation.validation_accuracy
        self._accuracies = [self._baseline]
        return self._observation(), self._info(illegal=False)

    def _begin_step(self, action: int) -> PendingStep:
        before = self._trained("step")
        move = self._actions.move(action, before.state, trains=self._trains(before))
        if move is None or move == "stop":
            return PendingStep((), self.inherit, before.state, action=action, step=self._steps)
        state = list(before.state)
        if move != "train":
            layer, number = move
            state[layer] = number
        spec = self._specs.spec_of(tuple(state), slices=self._used + 2, parent=before)
        return PendingStep((spec,), self.inherit, tuple(state), action=action, step=self._steps)

    def _finish_step(
        self, pending: PendingStep, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        before = self._trained("step")
        stopped = self._actions.move(action, before.state, trains=self._trains(before)) == "stop"
        illegal = not (stopped or pending.specs)
        reward = ILLEGAL if illegal else 0.0
        if pending.specs:
            reward = self._advance(TrainedState.of(pending, evaluations))
        truncated = not stopped and (self.slices_left == 0 or self._steps >= self.horizon)
        return self._observation(), reward, stopped, truncated, self._info(illegal=illegal)

    def _identity(self) -> JsonDict:
        return super()._identity() | {
            "child": self.space.child.key,
            "groups": list(self.space.groups),
            "inherit": self.inherit,
            "slices": self.slices,
            "parameter_price": self.parameter_price,
            **({} if self.actions == "all" else {"actions": self.actions}),  # snapshots of before have none
        }

    def _snapshot_kind(self) -> "type[Snapshot]":
        from aen_envs.snapshots import RelaxationSnapshot

        return RelaxationSnapshot

    def _snapshot(self) -> JsonDict:
        current = self._trained("snapshot")
        return {
            "state": list(current.state),
            "used": self._used,
            "start_parameters": self._start_parameters,
            "spec": current.spec.to_json(),
            "evaluation": asdict(current.evaluation),
        }

    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        found = cast("RelaxationSnapshot", snapshot)
        current = self._specs.restored(found, self.evaluator)
        return {"_current": current, "_used": found.used, "_start_parameters": found.start_parameters}

    def text(self) -> str:
        """Return the state as text."""
        return draw_text(self.scene())

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""
        return draw_picture(self.scene())

    def scene(self) -> RelaxationScene:
        """Return the content of a rendering."""
        current = self._trained("scene")
        return RelaxationScene(
            groups=self.space.groups,
            state=current.state,
            name=current.spec.name,
            parameters=current.evaluation.parameters,
            accuracies=self._accuracies,
            slices=self.slices,
        )

    def _trained(self, caller: str) -> TrainedState:
        """Return the current state.

        Raises:
            SpecError: there is no episode yet.
        """
        if self._current is None:
            raise SpecError(f"{caller} was called before reset; call reset first.")
        return self._current

    def _advance(self, after: TrainedState) -> float:
        """Make a state the current one; return the reward."""
        ours, theirs = after.evaluation, self._trained("step").evaluation
        self._current = after
        self._used += 1
        self._accuracies.append(ours.validation_accuracy)
        growth = (ours.parameters - theirs.parameters) / self._start_parameters
        return ours.validation_accuracy - theirs.validation_accuracy - self.parameter_price * growth

    def _observation(self) -> Vector:
        current = self._trained("step")
        groups = len(self.space.groups)
        found = np.zeros(self.space.layers * groups + 2, dtype=np.float32)
        found[[layer * groups + number for layer, number in enumerate(current.state)]] = 1
        found[-2] = current.evaluation.validation_accuracy
        found[-1] = self.slices_left / self.slices
        return found

    def _info(self, *, illegal: bool) -> dict[str, Any]:
        current = self._trained("step")
        number = self.space.number_at(current.state)
        return self._describe(current.spec, current.evaluation, state=number, met_as=current.spec.key) | {
            "epochs": self._specs.epochs(self._used + 1),
            "slices_left": self.slices_left,
            "illegal": illegal,
            "action_mask": self.action_masks().astype(np.int8),
        }

    def __getstate__(self) -> dict[str, Any]:
        """Include the current state's weights, if the evaluator is the environment's own."""
        weights = None
        if isinstance(self.evaluator, ScratchEvaluator) and self._current is not None:
            weights = self.evaluator.read_weights(self._current.spec.key)
        return self.__dict__ | {"_pickled_weights": weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("_pickled_weights")
        self.__dict__ |= state
        if isinstance(self.evaluator, ScratchEvaluator) and self._current is not None:
            self.evaluator.write_weights(self._current.spec.key, weights)
