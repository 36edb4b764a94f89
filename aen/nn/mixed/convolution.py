"""Convolutions that mix groups."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from aen._typing import Float, Weighting
from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.filter_bank import FilterBankConv2d, Padding, filter_table
from aen.nn.group_conv import GroupConv2d
from aen.nn.group_pool import Pointwise
from aen.nn.initialisation import FilterInitialisation, check_initialisation, initial_biases, initial_filters
from aen.nn.mixed.groups import check_groups, common_group
from aen.nn.mixture import Mixture
from aen.nn.tying import OrbitTable


def _move_alike(in_type: FieldType, out_type: FieldType) -> bool:
    """Say whether the group of the output moves both types' channels in the same way."""
    return in_type.channels == out_type.channels and all(
        np.array_equal(in_type.permutation(e), out_type.permutation(e)) for e in out_type.group.elements
    )


class MixedConv2d(FilterBankConv2d):
    r"""A convolution with filters :math:`F = \sum_H \mathrm{softmax}(\alpha)_H F_H(W_H)`, each F_H tied by its group H.

    Args:
        in_type: the channels that it takes; only their layout counts, any of the groups may act on them or not.
        out_type: the channels that it gives, regular fields of the largest group.
        groups: subgroups of the largest group.
        kernel_size: side of the filters.
        stride: as in `GroupConv2d`.
        padding: as in `GroupConv2d`.
        dilation: as in `GroupConv2d`.
        bias: whether each branch adds one value per field.
        skip: one more branch, which lets the input through; channels and sides must stay the same.
        weighting: see `aen.nn.mixture.Mixture`.
        keep_norm: see `aen.nn.mixture.Mixture`.
        temperature: see `aen.nn.mixture.Mixture`.
        initialisation: how initial values are drawn, see `aen.nn.initialisation`. With ``fan_in`` all branches start
            equally strong, with ``normal_by_fields`` as strong as the order of their group.
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        mixture: the branches' filters and alpha.
        biases: each branch's bias, shape ``[fields]``, or None.

    Raises:
        SpecError: groups that are not subgroups of the largest, a skip where the input does not fit the output, ...
    """

    def __init__(
        self,
        in_type: FieldType,
        out_type: FieldType,
        groups: Sequence[PlanarGroup | str],
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = 0,
        dilation: int = 1,
        bias: bool = True,
        skip: bool = False,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        temperature: float = 1.0,
        initialisation: FilterInitialisation = "fan_in",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(kernel_size, stride=stride, padding=padding, dilation=dilation)
        check_initialisation(initialisation)
        self.groups = check_groups(groups, out_type.base)
        for group in self.groups:
            in_type.base.check_subgroup(group)
        shared = common_group(self.groups)
        self.in_type, self.out_type = in_type.regroup(shared), out_type.regroup(shared)
        keeps_side = stride == 1 and 2 * self.window.padding == dilation * (kernel_size - 1)
        if skip and not (keeps_side and _move_alike(self.in_type, self.out_type)):
            raise SpecError(
                f"skip lets {self.in_type} through, {in_type.channels} channels, where {self.out_type}, "
                f"{out_type.channels} channels, are given; it needs channels that {shared} moves alike, an odd "
                "kernel_size, stride 1 and padding='same'."
            )
        ins = [in_type.regroup(group) for group in self.groups]
        outs = [out_type.regroup(group) for group in self.groups]
        self.mixture = Mixture(
            [group.name for group in self.groups],
            [filter_table(i, o, kernel_size) for i, o in zip(ins, outs, strict=True)],
            [
                initial_filters(initialisation, i, o, kernel_size, generator).reshape(-1)
                for i, o in zip(ins, outs, strict=True)
            ],
            skip=skip,
            weighting=weighting,
            keep_norm=keep_norm,
            temperature=temperature,
        )
        self.bias_tables = nn.ModuleList(OrbitTable.of_members(o.field_channels().T) for o in outs) if bias else None
        drawn = [
            nn.Parameter(initial_biases(initialisation, i, o, kernel_size, generator))
            for i, o in zip(ins, outs, strict=True)
            if bias
        ]
        self.biases = nn.ParameterList(drawn) if bias else None

    @property
    def alpha(self) -> nn.Parameter | None:
        """The strengths before the softmax, one per group, and the skip's last."""
        return self.mixture.alpha

    def expanded_weight(self) -> Float[Tensor, "out in k k"]:
        """Return the whole filter bank F, the skip in it."""
        strengths, k = self.mixture.strengths(), self.window.kernel_size
        full: Tensor = self.mixture(strengths).view(self.out_type.channels, self.in_type.channels, k, k)
        if self.mixture.skip:
            full = full.clone()  # a view of what a custom Function gives cannot be changed in place
            full[:, :, k // 2, k // 2].diagonal().add_(strengths[-1])
        return full

    def expanded_bias(self) -> Float[Tensor, " out"] | None:
        """Return one bias per channel, or None."""
        if self.biases is None or self.bias_tables is None:
            return None
        p = self.mixture.strengths()
        parts = [p[i] * table(own) for i, (table, own) in enumerate(zip(self.bias_tables, self.biases, strict=True))]
        return torch.stack(parts).sum(dim=0)

    def base_table(self, group: PlanarGroup) -> OrbitTable:
        """Return how the values of filters tied by a group are expanded to the whole filter bank."""
        return filter_table(self.in_type.regroup(group), self.out_type.regroup(group), self.window.kernel_size)

    @torch.no_grad()
    def discretise(self) -> GroupConv2d | Pointwise:
        """Return the convolution of the strongest branch alone, at full strength, or nothing but the skip.

        Its input's group is taken to be the branch's own: that the layers before give it so is for the network to see
        to, see `aen.nn.sequential.EquivariantSequential`.
        """
        place = self.mixture.strongest()
        if place == len(self.groups):
            return Pointwise(self.in_type, nn.Identity())
        group, window = self.groups[place], self.window
        layer = GroupConv2d(
            self.in_type.regroup(group),
            self.out_type.regroup(group),
            window.kernel_size,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            bias=self.biases is not None,
            draw=False,
        ).to(self.mixture.norms)
        layer.weight.copy_(self.mixture.branch(place).view(layer.weight.shape))
        if self.biases is not None and layer.bias is not None:
            layer.bias.copy_(self.biases[place])
        return layer.train(self.training)

    def penalty(self, factors: Mapping[PlanarGroup | str, float]) -> Float[Tensor, ""]:
        """Return an L2 penalty, one factor per group; see `aen.nn.mixture.Mixture.penalty`."""
        return self.mixture.penalty({PlanarGroup.of(group).name: factor for group, factor in factors.items()})
