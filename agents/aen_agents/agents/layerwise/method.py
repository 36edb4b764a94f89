"""What a layer-wise method is: children trained slice by slice, of which some go on."""

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
        spec: of the slice; its parent is the slice before.
        evaluation: of the child after the slice.
        epochs: trained along the chain of parents, this slice counted.
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
        """Whether a child can go on from its weights: it did not diverge."""
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
        """Return what watchers are told of it."""
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
    """A way to come to a network with a group for each layer; its settings are its fields.

    A method is run once for each seed, and never looks at anything but the members that it is handed: so a run can be
    left between any two slices and taken up again.

    Attributes:
        child: all else about the children; its `training.epochs` is what the final network is trained for in all.
    """

    child: EquiNASSpec

    @property
    @abstractmethod
    def name(self) -> str:
        """As in a config."""

    @property
    @abstractmethod
    def title(self) -> str:
        """For tables and pictures."""

    @property
    @abstractmethod
    def slices(self) -> int:
        """How many slices there are."""

    @property
    def after(self) -> str | None:
        """The name of the method whose final member of the same seed this one starts from; None: from nothing."""
        return None

    @abstractmethod
    def start(self, seed: int, before: Member | None) -> list[EquiNASSpec]:
        """Return the children of the first slice.

        Args:
            seed: of all that is drawn.
            before: the final member of the method that this one comes after.
        """

    def offspring(self, members: Sequence[Member], seed: int, slice_number: int) -> list[EquiNASSpec]:
        """Return the children of another slice; unless a method says otherwise, every member trains on.

        Args:
            members: what the slice before left.
            seed: of all that is drawn.
            slice_number: of the new slice, from 1.
        """
        del seed, slice_number
        return [self.slice_of(member.spec, parent=member.key) for member in members]

    def select(self, candidates: Sequence[Member]) -> list[Member]:
        """Return those that go on, the best first; unless a method says otherwise, all that did not diverge."""
        return [member for member in candidates if member.alive]

    def slice_of(self, spec: EquiNASSpec, *, parent: str | None) -> EquiNASSpec:
        """Return a child that is trained for one slice of this method."""
        training = replace(self.child.training, epochs=self.child.training.epochs / self.slices)
        return replace(spec, training=training, parent=parent)


def best(members: Sequence[Member]) -> Member | None:
    """Return the member with the highest validation accuracy, at equal ones the smallest; None of none alive."""
    alive = [member for member in members if member.alive]
    return min(alive, key=lambda m: (-m.accuracy, m.evaluation.parameters, m.key), default=None)
