"""The children of a relaxation episode: which training each state stands for, and reading it back from a snapshot."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, cast

from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen.spaces import RelaxationSpace
from aen.spaces.memo import MAX_STATES
from aen_envs.child_env import PendingStep
from aen_envs.scratch_evaluator import ScratchEvaluator

if TYPE_CHECKING:
    from aen_envs.snapshots import RelaxationSnapshot


def quick_child() -> EquiNASSpec:
    """Return the default child: small, for digits moved by a hidden group, half an epoch in a fifth of a second."""
    data = DataSpec("digits", train=300, validation=300, test=300, moves=("rot90", "hflip"))
    training = TrainingSpec(epochs=0.5, batch_size=32, learning_rate=1e-2)
    return EquiNASSpec(data=data, side=8, width=1, kernel_size=3, dense=16, training=training)


@dataclass(frozen=True)
class TrainedState:
    """A state with its child and the evaluation of it."""

    state: tuple[int, ...]
    spec: EquiNASSpec
    evaluation: Evaluation

    @classmethod
    def of(cls, pending: PendingStep, evaluations: Sequence[Evaluation]) -> "TrainedState":
        """Return the state after a step or reset with one child."""
        (spec,), (evaluation,) = pending.specs, evaluations
        return cls(pending.state, cast("EquiNASSpec", spec), evaluation)


@dataclass(frozen=True)
class RelaxationSpecs:
    """Makes the specs of a relaxation episode, in which every state is trained for one more slice.

    Args:
        space: its child's training is one slice.
        inherit: whether a child inherits the weights of the state before. False: it is trained from scratch for as
            many epochs as there were slices.
    """

    space: RelaxationSpace
    inherit: bool

    def epochs(self, slices: int) -> float:
        """Return the number of epochs of some slices."""
        return round(slices * self.space.child.training.epochs, 9)

    def spec_of(self, state: tuple[int, ...], *, slices: int, parent: TrainedState | None) -> EquiNASSpec:
        """Return the child of a state.

        Args:
            state: the number of the group of each layer.
            slices: number of slices in all, including that of this state.
            parent: the state before; None at the start of an episode.
        """
        if self.inherit:
            return self._child(state, None, None if parent is None else parent.spec.key)
        return self._child(state, slices, None)

    @cached_property
    def _child(self) -> Callable[[tuple[int, ...], int | None, str | None], EquiNASSpec]:
        return lru_cache(maxsize=MAX_STATES)(self._new_child)

    def _new_child(self, state: tuple[int, ...], slices: int | None, parent: str | None) -> EquiNASSpec:
        spec = cast("EquiNASSpec", self.space.child_at(state))
        if slices is None:
            changed = spec.with_checked(parent=parent)
        else:
            changed = spec.with_checked(training=replace(spec.training, epochs=self.epochs(slices)))
        return changed.noting(class_key=spec.class_key, group=spec.group)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy it without what it remembers."""
        return {"space": self.space, "inherit": self.inherit}

    def restored(self, snapshot: "RelaxationSnapshot", evaluator: Evaluator) -> TrainedState:
        """Return the current state of a snapshot.

        Raises:
            SpecError: the snapshot is damaged, or the weights of its state are not in the evaluator's `weights_folder`.
        """
        if not self.space.has(snapshot.state):
            raise SpecError(f"snapshot['state'] is {snapshot.state}; give {self.space.form}.")
        state = tuple(snapshot.state)
        spec = self.spec_of(state, slices=snapshot.used + 1, parent=None)
        if self.inherit:
            spec = replace(spec, parent=snapshot.spec.get("parent"))
        if json.loads(json.dumps(spec.to_json())) != snapshot.spec or spec.key != snapshot.evaluation.key:
            raise SpecError(f"snapshot is damaged: spec and evaluation are not those of state {snapshot.state}.")
        if self.inherit:
            _check_weights(snapshot.evaluation, evaluator)
        return TrainedState(state, spec, snapshot.evaluation)


def _check_weights(evaluation: Evaluation, evaluator: Evaluator) -> None:
    """Check that the weights of an evaluation can be inherited.

    Raises:
        SpecError: they are not in the evaluator's `weights_folder`.
    """
    # Evaluators that keep weights elsewhere, or none, have no such folder.
    name, folder = evaluation.weights, evaluator.weights_folder
    if name is None or folder is None:
        return
    if isinstance(evaluator, ScratchEvaluator) and evaluator.can_continue(evaluation.key):
        return
    if name != f"{evaluation.key}.safetensors" or not (folder / name).is_file():
        raise SpecError(
            f"the weights of the snapshot's state, {name}, are not in {folder}; give the evaluator the "
            "weights_folder that it had."
        )
