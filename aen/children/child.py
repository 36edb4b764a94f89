"""Child: the base class of child networks, with what training and measuring need."""

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
    """The architecture parameters of a child, those that choose among branches; see `aen.training.architecture`.

    Attributes:
        parameters: one tensor for each choice.
        learning_rate: of Adam; 0: they are not trained.
        halves: whether they are trained on one half of the training images and the weights on the other.
        permuted: whether every step permutes each parameter's gradient at random.
    """

    parameters: tuple[nn.Parameter, ...]
    learning_rate: float
    halves: bool
    permuted: bool = False


class Child(nn.Module, ABC):
    """A child network, made from its spec alone.

    Attributes:
        spec: the spec it was built from.
        evaluation_batch: the maximum number of images that are measured at once, which limits the memory.
    """

    spec: ChildSpec
    evaluation_batch: int = 2**20

    @abstractmethod
    def prepare(self, images: Float[Tensor, "n *image"]) -> Float[Tensor, "n *features"]:
        """Convert images to the input of `forward_prepared`, without using parameters: training does it only once."""

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
        """Return the architecture parameters, which are trained apart from the weights, or None if there are none."""
        return None

    def penalty(self) -> Float[Tensor, ""] | None:
        """Return a penalty that is added to the training loss of the weights, or None."""
        return None

    def heir(self, spec: ChildSpec, optimiser: torch.optim.Optimizer | None = None) -> Self:
        """Return the child of another spec with this one's weights, which computes the same where the kind says so.

        Do not use this child afterwards: the new one may share tensors with it.

        Args:
            spec: of the new child.
            optimiser: of this child's parameters; it is changed to hold those of the new child, with their state.

        Raises:
            SpecError: weights cannot be carried from this child to that one.
        """
        del optimiser
        raise SpecError(f"a {spec.kind} child cannot continue from the weights of a {self.spec.kind} child.")

    def export(self) -> nn.Sequential:
        """Return plain modules of torch that compute the logits of images in evaluation mode: no group is needed.

        Raises:
            SpecError: the kind of child has no plain form.
        """
        raise SpecError(
            f"a {self.spec.kind} child cannot be exported: {type(self).__name__} has no export(), which returns plain "
            "modules of torch."
        )

    def record(self) -> JsonDict | None:
        """Return further facts about the trained child for its evaluation's record, or None."""
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
