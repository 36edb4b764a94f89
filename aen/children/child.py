"""Child: what training and measuring need of any child network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from aen._typing import Float, JsonDict
from aen.children.spec import ChildSpec, find_kind
from aen.errors import SpecError


@dataclass(frozen=True)
class Architecture:
    """What of a child chooses among branches, and how it is trained; see `aen.training.architecture`.

    Attributes:
        parameters: one per place where something is chosen.
        learning_rate: of Adam; 0: they stay as they are.
        halves: whether they are trained on one half of the training images and the weights on the other.
    """

    parameters: tuple[nn.Parameter, ...]
    learning_rate: float
    halves: bool


class Child(nn.Module, ABC):
    """A child network, made from its spec alone.

    Attributes:
        spec: what it was made from.
        evaluation_batch: the most images that are measured at once; bounds the memory.
    """

    spec: ChildSpec
    evaluation_batch: int = 2**20

    @abstractmethod
    def prepare(self, images: Float[Tensor, "n *image"]) -> Float[Tensor, "n *features"]:
        """Turn images into what `forward_prepared` takes: without parameters, so that training does it once for all."""

    @abstractmethod
    def forward_prepared(self, rows: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch classes"]:
        """Return the logits of images that `prepare` has turned into rows."""

    @abstractmethod
    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of the features' equivariance for every generator and for random words."""

    def forward(self, images: Float[Tensor, "batch *image"]) -> Float[Tensor, "batch classes"]:
        """Return the logits of images."""
        return self.forward_prepared(self.prepare(images))

    def architecture(self) -> Architecture | None:
        """Return what chooses among branches and is trained apart from the weights; None where nothing does."""
        return None

    def penalty(self) -> Float[Tensor, ""] | None:
        """Return what is added to the loss while the weights are trained, or None."""
        return None

    def heir(self, spec: ChildSpec, optimiser: torch.optim.Optimizer | None = None) -> Self:
        """Return the child of another spec with this one's weights, which computes the same where the kind says so.

        This child is used up: the heir may share what it needs not change.

        Args:
            spec: of the heir.
            optimiser: holds this child's parameters; goes on with the heir's, with their state.

        Raises:
            SpecError: weights cannot be carried from this child to that one.
        """
        del optimiser
        raise SpecError(f"a {spec.kind} child cannot go on from the weights of a {self.spec.kind} child.")

    def record(self) -> JsonDict | None:
        """Return what should be known of the trained child beside its accuracy, or None."""
        return None

    def parameter_count(self) -> int:
        """Return the number of free parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def build_child(spec: ChildSpec) -> Child:
    """Return the untrained network of a spec, with the initial weights of its seed.

    Raises:
        SpecError: its kind is not registered.
    """
    child: Child = find_kind(spec.kind).load_child()(spec)
    return child
