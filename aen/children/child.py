"""Child: what training and measuring need of any child network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from aen._typing import Float
from aen.children.spec import ChildSpec


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

    def parameter_count(self) -> int:
        """Return the number of free parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
