"""Batch norm of regular fields, with one mean, variance, scale and shift per field, so that it is equivariant."""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from aen._typing import Float
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.module import Shape, TiedModule
from aen.nn.tying import OrbitTable


class GroupBatchNorm2d(TiedModule):
    """Batch norm whose statistics are taken over a whole field: batch, space and group.

    Args:
        in_type: the channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.

    Attributes:
        weight: scale, shape ``[fields]``.
        bias: shift, shape ``[fields]``.
        running_mean: shape ``[fields]``.
        running_var: shape ``[fields]``.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    gathered: Tensor | None
    scattered: Tensor | None

    def __init__(self, in_type: FieldType, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.in_type = self.out_type = in_type
        self.eps, self.momentum = eps, momentum
        fields = in_type.fields
        self.weight = nn.Parameter(torch.ones(fields))
        self.bias = nn.Parameter(torch.zeros(fields))
        self.register_buffer("running_mean", torch.zeros(fields))
        self.register_buffer("running_var", torch.ones(fields))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))
        members = torch.from_numpy(in_type.field_channels())
        self.field_table = OrbitTable.of_members(members.t().numpy().copy())
        # Where a field's channels do not lie side by side, they are brought together and back.
        order = members.reshape(-1)
        together = torch.equal(order, torch.arange(len(order)))
        self.fix("gathered", None if together else order)
        self.fix("scattered", None if together else torch.argsort(order))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Return the normalised feature maps."""
        self.in_type.check_input(x)
        if self.training:
            self.num_batches_tracked += 1
        y = x if self.gathered is None else x.index_select(1, self.gathered)
        shape = y.shape
        fields = self.in_type.fields
        y = batch_norm(
            # All sizes are given: none could be inferred with an empty batch.
            y.reshape(shape[0], fields, math.prod(shape[1:3]) // fields, *shape[3:]),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        ).reshape(shape)
        return y if self.scattered is None else y.index_select(1, self.scattered)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape itself."""
        self.check_shape(shape)
        return tuple(shape)

    def export(self) -> nn.BatchNorm2d:
        """Return an ordinary batch norm that computes the same in evaluation mode (in training it norms channels)."""
        plain = nn.BatchNorm2d(self.in_type.channels, eps=self.eps, momentum=self.momentum).to(self.weight)
        with torch.no_grad():
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(plain, name).copy_(self.field_table(getattr(self, name)))
        plain.num_batches_tracked = self.num_batches_tracked.clone()
        return plain.train(self.training)

    def tables(self) -> Mapping[str, OrbitTable]:
        """Return how parameters and running statistics are expanded: the same for all."""
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), self.field_table)

    def regrouped(self, group: PlanarGroup) -> Self:
        """Return a batch norm like this one for the fields of another group."""
        norm = type(self)(self.in_type.regroup(group), eps=self.eps, momentum=self.momentum)
        norm.num_batches_tracked.copy_(self.num_batches_tracked)
        return norm.to(self.weight).train(self.training)
