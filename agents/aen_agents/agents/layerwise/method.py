"""The base class of layer-wise methods, which train children slice by slice and select some after each slice."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from aen._typing import JsonDict
from aen.children import EquiNASSpec
from aen.results import Evaluation
from aen_agents.events import SliceTrained


@dataclass(frozen=True)
class Member:
    """A child that was trained for a slice.

    Attributes:
        spec: the spec of the slice; its parent is the previous slice.
        evaluation: the child's evaluation after the slice.
        epochs: epochs trained along the chain of parents, this slice included.
    """

    spec: EquiNASSpec
    evaluation: Evaluation
    epochs: float

    @property
    def key(self) -> str:
        """The evaluation's key."""
        return self.evaluation.key

    @property
    def accuracy(self) -> float:
        """Validation accuracy."""
        return self.evaluation.validation_accuracy

    @property
    def alive(self) -> bool:
        """Whether it can be trained further: it did not diverge."""
        return self.evaluation.status == "ok"

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return {"spec": self.spec.to_json(), "evaluation": asdict(self.evaluation), "epochs": self.epochs}

    @classmethod
    def from_json(cls, value: JsonDict) -> "Member":
        """Read what `to_json` wrote."""
        spec = EquiNASSpec.from_json(value["spec"])
        return cls(spec, Evaluation(**value["evaluation"]), float(value["epochs"]))

    def event(self, method: str, slice_number: int, *, selected: bool) -> SliceTrained:
        """Return the event of this child's slice.

        Args:
            method: name of the method.
            slice_number: number of the slice, from 1.
            selected: whether it is trained further.
        """
        spec, evaluation = self.spec, self.evaluation
        return SliceTrained(
            method=method,
            seed=spec.seed,
            slice=slice_number,
            epochs=self.epochs,
            key=self.key,
            parent=spec.parent,
            factors=spec.name,
            groups=spec.layer_groups,
            class_key=evaluation.class_key,
            accuracy=self.accuracy,
            train_loss=evaluation.train_loss,
            parameters=evaluation.parameters,
            selected=selected,
            record=None if evaluation.record is None else dict(evaluation.record),
        )


@dataclass(frozen=True)
class Method(ABC):
    """A method that finds and trains a network with a group for each layer; its settings are its fields.

    A method is run once for each seed. It depends only on the members that it is given, so that a run can be
    interrupted and resumed between any two slices.

    Attributes:
        child: all other settings of the children; its `training.epochs` is the total for the final network.
    """

    child: EquiNASSpec

    @property
    @abstractmethod
    def name(self) -> str:
        """The method's name in a config."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The method's title in tables and figures."""

    @property
    @abstractmethod
    def slices(self) -> int:
        """The number of slices."""

    @property
    def after(self) -> str | None:
        """The name of the method whose final member of the same seed this one starts from; None: from scratch."""
        return None

    @abstractmethod
    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the children of the first slice.

        Args:
            seed: seed of all random draws.
            before: the final member of the method that `after` names, or None.
        """

    def offspring(self, members: Sequence[Member], seed: int, slice_number: int) -> list[EquiNASSpec]:
        """Return the children of the next slice; by default every member is trained further.

        Args:
            members: the members selected after the previous slice.
            seed: seed of all random draws.
            slice_number: number of the next slice, from 1.
        """
        del seed, slice_number
        return [self.slice_of(member.spec, parent=member.key) for member in members]

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return the members that are trained further, the best first; by default all that did not diverge."""
        return [member for member in candidates if member.alive]

    def most_children(self) -> list[int]:
        """Return how many children each slice trains at most, on one seed; by default as many as the first."""
        return [max(len(self.start(self.child.seed, None)), 1)] * self.slices

    def slice_of(self, spec: EquiNASSpec, *, parent: str | None) -> EquiNASSpec:
        """Return a child that is trained for one slice of this method."""
        training = replace(self.child.training, epochs=self.child.training.epochs / self.slices)
        return replace(spec, training=training, parent=parent)


@dataclass(frozen=True)
class Trained(Method):
    """A method whose networks are trained without changes, one epoch per slice."""

    @property
    def slices(self) -> int:
        """The number of slices: one for each epoch."""
        return epochs_of(self.child)


def epochs_of(child: EquiNASSpec) -> int:
    """Return the number of slices of at most one epoch each."""
    return max(math.ceil(child.training.epochs), 1)


def rank(member: Member) -> tuple[float, int, str]:
    """Return what members are sorted by: validation accuracy, the highest first, then parameters, then their key."""
    return (-member.accuracy, member.evaluation.parameters, member.key)


def ranked(members: Sequence[Member]) -> list[Member]:
    """Return the members that did not diverge, the best first."""
    return sorted((member for member in members if member.alive), key=rank)


def best(members: Sequence[Member]) -> Member | None:
    """Return the member with the highest validation accuracy, among equal ones the smallest; None if all diverged."""
    return next(iter(ranked(members)), None)
