"""Training steps of architecture parameters, those that choose among branches (differentiable search).

Algorithm 2 of EquiNAS (arXiv 2210.05484): each step of the weights on a batch of the training images is followed by one
of alpha on another batch. While one of the two is stepped the other takes no gradient, so that alpha's gradient is that
of its own batch alone.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aen.children.child import Architecture, Child
from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.training.batches import BatchStream, split_batch

# Added to the spec's seed for the order of alpha's batches, which differs from that of the weights.
_OTHER = 0x5EED
# Between the seeds of two steps' permutations: large and odd, so that those of different children do not meet.
_STEP = 0x9E3779B97F4A7C15


class ArchitectureSteps:
    """The training steps of a child's architecture parameters.

    Args:
        architecture: the parameters and how they are trained.
        child: the child that has them.
        spec: of the child.
        count: number of training images.
        device: of the images.
        micro_batches: how many micro-batches a batch is split into; see `aen.training.train_child`.

    Attributes:
        optimiser: Adam.
        weight_places: the training images on which the weights are trained: all, or one half of them.
    """

    def __init__(
        self,
        architecture: Architecture,
        child: Child,
        spec: ChildSpec,
        count: int,
        device: torch.device,
        *,
        micro_batches: int = 1,
    ) -> None:
        if architecture.halves and count < len(("weights", "alpha")):
            raise SpecError(f"training images are {count}; two halves need at least 2.")
        self.child = child
        self.parameters = architecture.parameters
        self.micro_batches = micro_batches
        self.permuted = architecture.permuted
        self.optimiser = torch.optim.Adam(self.parameters, lr=architecture.learning_rate)
        self.optimiser.zero_grad(set_to_none=True)
        self.weight_places = places = torch.arange(count, device=device)
        self._seed = seed = (spec.seed + _OTHER) % 2**63
        if architecture.halves:
            mixed = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(device)
            self.weight_places, places = mixed[: count // 2], mixed[count // 2 :]
        self._stream = BatchStream(places, spec.training.batch_size, seed)
        self._batches: Iterator[Tensor] | None = None

    def step(self, rows: Tensor, labels: Tensor, number: int, half: AbstractContextManager[object]) -> None:
        """Take one step on batch `number`, counted from the start of training; calls pass consecutive numbers."""
        if self._batches is None:
            self._batches = self._endless(number)
        batch = next(self._batches)
        with self._alone(), torch.enable_grad(), half:
            for piece, share in split_batch(len(batch), self.micro_batches):
                some = batch[piece]
                logits = self.child.forward_prepared(rows.index_select(0, some))
                loss = cross_entropy(logits.float(), labels.index_select(0, some))
                gradients = torch.autograd.grad(loss if share == 1 else loss * share, self.parameters)
                for parameter, gradient in zip(self.parameters, gradients, strict=True):
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        if self.permuted:
            self._permute(number)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def _permute(self, number: int) -> None:
        """Permute each parameter's gradient at random; the permutations of a step depend on the seed and its number."""
        source = torch.Generator().manual_seed((self._seed + _STEP * (number + 1)) % 2**63)
        for parameter in self.parameters:
            if parameter.grad is not None:
                order = torch.randperm(parameter.numel(), generator=source).to(parameter.device)
                parameter.grad = parameter.grad[order]

    def _endless(self, start: int) -> Iterator[Tensor]:
        for _, batches in self._stream.epochs(start, 2**62):
            yield from batches

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let gradients be taken of what chooses and of nothing else; the weights' come back afterwards."""
        weights: list[nn.Parameter] = [own for own in self.child.parameters() if own.requires_grad]
        for own in weights:
            own.requires_grad_(False)
        for own in self.parameters:
            own.requires_grad_()
        try:
            yield
        finally:
            for own in weights:
                own.requires_grad_()
            for own in self.parameters:
                own.requires_grad_(False)


@contextmanager
def weights_alone(architecture: Architecture | None) -> Iterator[None]:
    """Let what chooses among branches take no gradient inside the block."""
    parameters = () if architecture is None else architecture.parameters
    for own in parameters:
        own.requires_grad_(False)
    try:
        yield
    finally:
        for own in parameters:
            own.requires_grad_()
