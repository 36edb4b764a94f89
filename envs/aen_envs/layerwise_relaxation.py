"""The environment `aen/LayerwiseRelaxation-v0`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen._typing import JsonDict
from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator, LocalEvaluator
from aen.results import Evaluation
from aen.spaces import RelaxationSpace
from aen_envs.child_env import ChildEnv, Plan
from aen_envs.relaxation_rendering import RelaxationScene, draw_picture, draw_text
from aen_envs.scratch_folder import ScratchFolder

if TYPE_CHECKING:
    from aen_envs.snapshots import RelaxationSnapshot, Snapshot

# The reward of an illegal action.
ILLEGAL = -0.01

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Visit:
    """A state and what its training came to."""

    state: tuple[int, ...]
    spec: EquiNASSpec
    evaluation: Evaluation


def _visit(plan: Plan, evaluations: Sequence[Evaluation]) -> _Visit:
    (spec,), (evaluation,) = plan.specs, evaluations
    return _Visit(plan.state, cast("EquiNASSpec", spec), evaluation)


def quick_child() -> EquiNASSpec:
    """Return the child of an environment made bare: moved digits, half an epoch in a fifth of a second."""
    data = DataSpec("digits", train=300, validation=300, test=300, moves=("rot90", "hflip"))
    training = TrainingSpec(epochs=0.5, batch_size=32, learning_rate=1e-2)
    return EquiNASSpec(data=data, side=8, width=1, kernel_size=3, dense=16, training=training)


class LayerwiseRelaxationEnv(ChildEnv[Vector]):
    """Relax the symmetries of a network, one layer at a time, while it is being trained.

    ## Description
    Every layer of a child of the EquiNAS backbone (arXiv 2210.05484) has a group, and along the network groups only
    shrink. Every action relaxes one layer by one step, to a maximal subgroup of its group, or leaves all groups as they
    are; either way the child is then trained for another slice. A relaxed child goes on from the weights, the
    optimiser's state and the place in the order of the batches of the child before: the equivariance relaxation
    morphism leaves its function as it was, so by itself it would change nothing that can be measured.

    ## Action Space
    `Discrete(n (k - 1) + 2)` for n layers (eight convolutions and, unless published, the dense layer) and k groups:

    - ``layer * (k - 1) + number - 1``: relax that layer, counted from 0, to that group, in `space.groups`, counted from
      0, which is the base and no layer's aim. `relaxations` lists (layer, group) of every such action, `action_of`
      finds one.
    - `train_action`, the last but one: train on.
    - `stop_action`, the last: end the episode.

    Relaxing is legal where the group is a maximal proper subgroup, among those on offer, of the layer's group and holds
    the group of the layer behind: so a network is relaxed from its end. Training on is legal while slices are left, and
    stopping always. After a training that diverged nothing but stopping is. `action_masks()` says what is legal, as
    MaskablePPO of sb3-contrib asks for it, and ``info["action_mask"]`` the same as int8, as
    ``action_space.sample(mask)`` does. An illegal action changes nothing and trains nothing, but counts as a step.

    ## Observation Space
    `Box(0, 1, (n k + 2,), float32)`: k numbers for each layer, 1 for its group and 0 for the others; then the
    validation accuracy and the share of the slices that is left.

    ## Rewards
    With a and p the accuracy, in [0, 1], and the number of parameters of the new state, b and q those of the state
    before, and p0 the number of parameters of the start: ``a - b - parameter_price * (p - q) / p0``. A child whose
    training diverged counts with accuracy 0. An illegal action costs 0.01, stopping nothing.

    ## Starting State
    The base in all layers, trained from nothing for one slice; or ``reset(options={"state": numbers})``, the number of
    the group of each layer.

    ## Episode End
    Termination by stopping. Truncation when no slice is left, or after `horizon` steps.

    ## Arguments
    - `child`: the EquiNASSpec whose layers are relaxed; its `training.epochs` are those of a slice, such as 0.5; its
      own groups and parent are not used. By default a small one for digits, moved by quarter turns and flips.
    - `groups`: on offer, subgroups of the child's base, with the base and C1; None: all of them.
    - `evaluator`: trains children or looks them up. With `inherit` it must keep weights, a LocalEvaluator in its
      `weights_folder`; by default in this process, results kept in memory and weights in a temporary folder until
      `close`.
    - `inherit`: whether children go on from the weights of the state before. False: every state is trained from nothing
      instead, for as many epochs as the state would have seen with `inherit`; all else is the same.
    - `slices`: how many there are in an episode, after that of the start. Each legal action but stopping uses one.
    - `horizon`: steps until truncation, illegal ones counted.
    - `parameter_price`: what it costs to grow by as many parameters as the start has.
    - `child_seed`: the seed of every child. ``reset(seed=)`` never changes it, or each reset would train everything
      again.
    - `render_mode`: ``ansi`` or ``rgb_array``.

    ``info`` holds `accuracy` (validation), `baseline_accuracy` (the start's), `status`, `state` (the groups' numbers as
    one, the first layer counting least), `factors` and `group` (along the network, such as ``D4 x4, C4 x4``),
    `class_key`, `parameters`, `seconds` (of its last training), `epochs` (trained since the start, in all),
    `slices_left`, `illegal`, `action_mask` and `looked_up`: whether this very training was met before, since the
    environment was made or last reset with a seed, so that it was looked up, not trained. States of equal groups have
    one `class_key`, but different accuracies where the way to them was another.

    A pickled environment takes the weights of its present state along, if it has an evaluator of its own.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        *,
        child: EquiNASSpec | None = None,
        groups: Sequence[str] | None = None,
        evaluator: Evaluator | None = None,
        inherit: bool = True,
        slices: int = 20,
        horizon: int = 200,
        parameter_price: float = 0.0,
        child_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        self._folder: ScratchFolder | None = None
        self.inherit = inherit
        if slices < 1:
            raise SpecError(f"slices is {slices}; an episode needs at least 1 after the start's.")
        if not 0 <= parameter_price < float("inf"):
            raise SpecError(f"parameter_price is {parameter_price}; it must be a finite number from 0 up.")
        if inherit and isinstance(evaluator, LocalEvaluator) and evaluator.weights_folder is None:
            raise SpecError(
                "evaluator has no weights_folder, where children find their parents' weights; give it one, or set "
                "inherit to False."
            )
        self.space = RelaxationSpace((child or quick_child()).with_seed(child_seed), groups)
        super().__init__(evaluator=evaluator, horizon=horizon, render_mode=render_mode)
        self.slices = slices
        self.parameter_price = parameter_price
        self.relaxations = tuple((layer, name) for layer in range(self.space.layers) for name in self.space.groups[1:])
        self.train_action = len(self.relaxations)
        self.stop_action = self.train_action + 1
        self.action_space = gym.spaces.Discrete(self.stop_action + 1)
        self.observation_space = gym.spaces.Box(0, 1, (sum(self.space.sizes) + 2,), np.float32)
        self._visit: _Visit | None = None
        self._start_parameters = 1
        self._used = 0

    def _own_evaluator(self) -> Evaluator:
        if not self.inherit:
            return LocalEvaluator()
        self._folder = ScratchFolder()
        return LocalEvaluator(weights_folder=self._folder.path)

    @property
    def slices_left(self) -> int:
        """How many slices are left in this episode."""
        return self.slices - self._used

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return which actions are legal, as MaskablePPO of sb3-contrib asks for it.

        Raises:
            SpecError: there is no episode yet.
        """
        visit = self._visited("action_masks")
        mask = np.zeros(self.stop_action + 1, dtype=np.bool_)
        mask[self.stop_action] = True
        if visit.evaluation.status == "ok" and self.slices_left > 0:
            mask[self.train_action] = True
            for layer, number in self.space.relaxations(visit.state):
                mask[self.action_of(layer, self.space.groups[number])] = True
        return mask

    def action_of(self, layer: int, group: str) -> int:
        """Return the action that relaxes a layer, counted from 0, to a group.

        Raises:
            SpecError: there is no such action.
        """
        if (layer, group) not in self.relaxations:
            raise SpecError(
                f"layer is {layer} and group {group!r}; layers from 0 to {self.space.layers - 1} are relaxed to "
                f"{', '.join(self.space.groups[1:]) or 'nothing'}."
            )
        return self.relaxations.index((layer, group))

    def _plan_reset(self, options: dict[str, Any] | None, seed: int | None) -> Plan:
        state = (options or {}).get("state", (0,) * self.space.layers)
        if not self.space.has(state):
            raise SpecError(f"options['state'] is {state!r}; give {self.space.form}.")
        numbers = tuple(int(number) for number in state)
        return Plan((self._spec(numbers, slices=1, parent=None),), self.inherit, numbers, seed=seed)

    def _arrive_reset(self, plan: Plan, evaluations: Sequence[Evaluation]) -> tuple[Vector, dict[str, Any]]:
        self._visit = _visit(plan, evaluations)
        self._used = 0
        self._start_parameters = self._visit.evaluation.parameters
        self._baseline = self._visit.evaluation.validation_accuracy
        self._accuracies = [self._baseline]
        return self._observation(), self._info(illegal=False)

    def _plan(self, action: int) -> Plan:
        before = self._visited("step")
        if action == self.stop_action or not self.action_masks()[action]:
            return Plan((), self.inherit, before.state, action=action, step=self._steps)
        state = list(before.state)
        if action != self.train_action:
            layer, name = self.relaxations[action]
            state[layer] = self.space.groups.index(name)
        spec = self._spec(tuple(state), slices=self._used + 2, parent=before)
        return Plan((spec,), self.inherit, tuple(state), action=action, step=self._steps)

    def _arrive(
        self, plan: Plan, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        stopped = action == self.stop_action
        illegal = not (stopped or plan.specs)
        reward = ILLEGAL if illegal else 0.0
        if plan.specs:
            reward = self._go_on(_visit(plan, evaluations))
        truncated = not stopped and (self.slices_left == 0 or self._steps >= self.horizon)
        return self._observation(), reward, stopped, truncated, self._info(illegal=illegal)

    def _identity(self) -> JsonDict:
        return super()._identity() | {
            "child": self.space.child.key,
            "groups": list(self.space.groups),
            "inherit": self.inherit,
            "slices": self.slices,
            "parameter_price": self.parameter_price,
        }

    def _snapshot_kind(self) -> "type[Snapshot]":
        from aen_envs.snapshots import RelaxationSnapshot

        return RelaxationSnapshot

    def _snapshot(self) -> JsonDict:
        visit = self._visited("snapshot")
        return {
            "state": list(visit.state),
            "used": self._used,
            "start_parameters": self._start_parameters,
            "spec": visit.spec.to_json(),
            "evaluation": asdict(visit.evaluation),
        }

    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        found = cast("RelaxationSnapshot", snapshot)
        if not self.space.has(found.state):
            raise SpecError(f"snapshot['state'] is {found.state}; give {self.space.form}.")
        state = tuple(found.state)
        spec = self._spec(state, slices=found.used + 1, parent=None)
        if self.inherit:
            spec = replace(spec, parent=found.spec.get("parent"))
        if json.loads(json.dumps(spec.to_json())) != found.spec or spec.key != found.evaluation.key:
            raise SpecError(f"snapshot is damaged: spec and evaluation are not those of state {found.state}.")
        self._check_weights(found.evaluation)
        visit = _Visit(state, spec, found.evaluation)
        return {"_visit": visit, "_used": found.used, "_start_parameters": found.start_parameters}

    def _check_weights(self, evaluation: Evaluation) -> None:
        """See that a restored episode can go on.

        Raises:
            SpecError: the weights of its present state are not here.
        """
        name, folder = evaluation.weights, getattr(self.evaluator, "weights_folder", None)
        if name is None or not self.inherit or folder is None:
            return
        if name != f"{evaluation.key}.safetensors" or not (folder / name).is_file():
            raise SpecError(
                f"the weights of the snapshot's state, {name}, are not in {folder}; give the evaluator the "
                "weights_folder that it had."
            )

    def text(self) -> str:
        """Return the state as text."""
        return draw_text(self.scene())

    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""
        return draw_picture(self.scene())

    def scene(self) -> RelaxationScene:
        """Return what there is to draw."""
        visit = self._visited("scene")
        return RelaxationScene(
            groups=self.space.groups,
            state=visit.state,
            name=visit.spec.name,
            parameters=visit.evaluation.parameters,
            accuracies=self._accuracies,
            slices=self.slices,
        )

    def close(self) -> None:
        """Close the evaluator and remove the weights, unless the evaluator was handed in: others may use it."""
        super().close()
        if self._folder is not None:
            self._folder.remove()

    def _visited(self, what: str) -> _Visit:
        if self._visit is None:
            raise SpecError(f"{what} was called before reset; call reset first.")
        return self._visit

    def _go_on(self, visit: _Visit) -> float:
        """Go to a state whose child is trained; return the reward."""
        ours, theirs = visit.evaluation, self._visited("step").evaluation
        self._visit = visit
        self._used += 1
        self._accuracies.append(ours.validation_accuracy)
        growth = (ours.parameters - theirs.parameters) / self._start_parameters
        return ours.validation_accuracy - theirs.validation_accuracy - self.parameter_price * growth

    def _spec(self, state: tuple[int, ...], *, slices: int, parent: _Visit | None) -> EquiNASSpec:
        """Return a state's child: from its parent's weights for one slice, or from nothing for all slices so far."""
        spec = self.space.spec_of(state)
        if self.inherit:
            return replace(spec, parent=None if parent is None else parent.spec.key)
        return replace(spec, training=replace(spec.training, epochs=self._epochs(slices)))

    def _epochs(self, slices: int) -> float:
        return round(slices * self.space.child.training.epochs, 9)

    def _observation(self) -> Vector:
        visit = self._visited("step")
        groups = np.eye(len(self.space.groups), dtype=np.float32)[list(visit.state)].reshape(-1)
        rest = (visit.evaluation.validation_accuracy, self.slices_left / self.slices)
        return np.concatenate([groups, np.array(rest, dtype=np.float32)])

    def _info(self, *, illegal: bool) -> dict[str, Any]:
        visit = self._visited("step")
        number = self.space.number_of(visit.state)
        return self._describe(visit.spec, visit.evaluation, state=number, met_as=visit.spec.key) | {
            "epochs": self._epochs(self._used + 1),
            "slices_left": self.slices_left,
            "illegal": illegal,
            "action_mask": self.action_masks().astype(np.int8),
        }

    def _weights(self, folder: Path) -> Path | None:
        """Return where the weights of the present state are."""
        name = None if self._visit is None else self._visit.evaluation.weights
        return None if name is None else folder / name

    def __getstate__(self) -> dict[str, Any]:
        """The temporary folder stays here; of what is in it, the weights to go on from are taken along."""
        path = None if self._folder is None else self._weights(self._folder.path)
        weights = path.read_bytes() if path is not None and path.is_file() else None
        return self.__dict__ | {"_folder": None, "_weights_taken_along": (self._folder is not None, weights)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own_folder, weights = state.pop("_weights_taken_along")
        self.__dict__ |= state
        if own_folder and isinstance(self.evaluator, LocalEvaluator):
            self._folder = ScratchFolder()
            self.evaluator.weights_folder = self._folder.path
            path = self._weights(self._folder.path)
            if path is not None and weights is not None:
                path.write_bytes(weights)
