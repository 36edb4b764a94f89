"""[G]-mixed layers: several groups in one layer, by the strengths that training gives them (EquiNAS, arXiv 2210.05484).

The sum is taken over full weights, which all stand in the channel order of the largest group, so there is one
convolution or matrix product, not one per group.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from aen._typing import Float
from aen.errors import SpecError
from aen.groups.decomposition import Decomposition
from aen.groups.orbits import grid_orbits, layer_orbits
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, Padding, check_padding, filter_table
from aen.nn.group_head import InvariantLinear
from aen.nn.group_pool import Pointwise
from aen.nn.linear import SymmetrizedLinear
from aen.nn.mixture import Mixture, Weighting
from aen.nn.module import EquivariantModule, GridWindow, Shape, fan_in_values
from aen.nn.tying import OrbitTable, orbit_mean_matrix


def common_group(groups: Sequence[PlanarGroup]) -> PlanarGroup:
    """Return what is in all groups."""
    return PlanarGroup.generated_by(e for e in groups[0].elements if all(e in group for group in groups))


def check_groups(groups: Sequence[PlanarGroup | str], base: PlanarGroup) -> tuple[PlanarGroup, ...]:
    """Return the groups of a mixed layer.

    Raises:
        SpecError: none, or one that is not a subgroup of `base`, in whose order the channels stand.
    """
    found = tuple(PlanarGroup.of(group) for group in groups)
    wrong = [group.name for group in found if not group <= base]
    if wrong or not found:
        raise SpecError(
            f"groups is {[g.name for g in found]}; every one must be a subgroup of {base}, for which the channels are "
            f"laid out{': ' + ', '.join(wrong) + ' is not' if wrong else ''}. Choose from "
            f"{', '.join(group.name for group in base.subgroups())}."
        )
    return found


def _move_alike(in_type: FieldType, out_type: FieldType) -> bool:
    """Say whether the group of the output moves both types' channels in the same way."""
    return in_type.channels == out_type.channels and all(
        np.array_equal(in_type.permutation(e), out_type.permutation(e)) for e in out_type.group.elements
    )


class MixedConv2d(EquivariantModule):
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
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.groups = check_groups(groups, out_type.base)
        for group in self.groups:
            in_type.base.check_subgroup(group)
        GridWindow(kernel_size, stride=stride, dilation=dilation)
        cells = check_padding(padding, kernel_size, dilation)
        self.window = GridWindow(kernel_size, stride=stride, padding=cells, dilation=dilation)
        shared = common_group(self.groups)
        self.in_type, self.out_type = in_type.regroup(shared), out_type.regroup(shared)
        keeps_side = stride == 1 and 2 * cells == dilation * (kernel_size - 1)
        if skip and not (keeps_side and _move_alike(self.in_type, self.out_type)):
            raise SpecError(
                f"skip lets {self.in_type} through, {in_type.channels} channels, where {self.out_type}, "
                f"{out_type.channels} channels, are given; it needs channels that {shared} moves alike, an odd "
                "kernel_size, stride 1 and padding='same'."
            )
        fan_in = in_type.channels * kernel_size**2
        ins = [in_type.regroup(group) for group in self.groups]
        outs = [out_type.regroup(group) for group in self.groups]
        # On average over its filters every branch makes full filters of one size, so every branch starts as strong.
        self.mixture = Mixture(
            [group.name for group in self.groups],
            [filter_table(i, o, kernel_size) for i, o in zip(ins, outs, strict=True)],
            [fan_in_values((o.fields * fan_in,), fan_in, generator) for o in outs],
            skip=skip,
            weighting=weighting,
            keep_norm=keep_norm,
        )
        self.bias_tables = nn.ModuleList(OrbitTable.of_members(o.field_channels().T) for o in outs) if bias else None
        drawn = [fan_in_values((o.fields,), fan_in, generator) for o in outs] if bias else []
        self.biases = nn.ParameterList(nn.Parameter(values) for values in drawn) if bias else None

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

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out height2 width2"]:
        """Return the convolution of the feature maps with the mixed filters."""
        self.evaluate_output_shape(x.shape)  # type: ignore[arg-type]
        window = self.window
        return conv2d(x, self.expanded_weight(), self.expanded_bias(), window.stride, window.padding, window.dilation)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of the output; see `EquivariantModule`."""
        self.check_shape(shape)
        return (
            shape[0],
            self.out_type.channels,
            *(self.window.output_side(side, self.group) for side in shape[2:]),
        )

    def export(self) -> nn.Conv2d:
        """Return the ordinary convolution with the mixed filters."""
        window, bias = self.window, self.expanded_bias()
        plain = nn.Conv2d(
            self.in_type.channels,
            self.out_type.channels,
            window.kernel_size,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            bias=bias is not None,
        ).to(self.mixture.norms)
        with torch.no_grad():
            plain.weight.copy_(self.expanded_weight())
            if plain.bias is not None and bias is not None:
                plain.bias.copy_(bias)
        return plain.train(self.training)

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


class MixedInvariantLinear(EquivariantModule):
    """An `InvariantLinear` that mixes groups: the mean over space, then a dense layer of mixed weights.

    Args:
        in_type: the channels; only their layout counts.
        out_features: number of outputs.
        groups: subgroups of the channels' base.
        weighting: see `aen.nn.mixture.Mixture`.
        keep_norm: see `aen.nn.mixture.Mixture`.
        generator: source of the initial values; None takes torch's global one.
    """

    def __init__(
        self,
        in_type: FieldType,
        out_features: int,
        groups: Sequence[PlanarGroup | str],
        *,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.groups = check_groups(groups, in_type.base)
        self.in_type, self.out_features = in_type.regroup(common_group(self.groups)), out_features
        self.out_type = FieldType.trivial(self.in_type.group, out_features)
        branches = [InvariantLinear(in_type.regroup(g), out_features, generator=generator) for g in self.groups]
        self.mixture = Mixture(
            [group.name for group in self.groups],
            [branch.weight_table for branch in branches],
            [branch.weight.detach().reshape(-1) for branch in branches],
            weighting=weighting,
            keep_norm=keep_norm,
        )
        self.bias = nn.Parameter(branches[0].bias.detach())

    @property
    def alpha(self) -> nn.Parameter | None:
        """The strengths before the softmax, one per group."""
        return self.mixture.alpha

    def expanded_weight(self) -> Float[Tensor, "out channels"]:
        """Return the whole matrix."""
        full: Tensor = self.mixture(self.mixture.strengths())
        return full.view(self.out_features, self.in_type.channels)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out"]:
        """Return the outputs for feature maps ``[batch, channels, height, width]`` or their means over space."""
        self.in_type.check_input(x)
        means = x.flatten(2).mean(dim=2) if x.dim() > 2 else x  # noqa: PLR2004
        return linear(means, self.expanded_weight(), self.bias)

    def evaluate_output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return ``(batch, out_features)``."""
        self.check_shape(shape)
        return (shape[0], self.out_features)

    def export(self) -> nn.Sequential:
        """Return a mean over space and an ordinary dense layer."""
        plain = nn.Linear(self.in_type.channels, self.out_features).to(self.bias)
        with torch.no_grad():
            plain.weight.copy_(self.expanded_weight())
            plain.bias.copy_(self.bias)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), plain).train(self.training)

    @torch.no_grad()
    def discretise(self) -> InvariantLinear:
        """Return the layer of the strongest branch alone."""
        place = self.mixture.strongest()
        in_type = self.in_type.regroup(self.groups[place])
        layer = InvariantLinear(in_type, self.out_features, draw=False).to(self.bias)
        layer.weight.copy_(self.mixture.branch(place).view(layer.weight.shape))
        layer.bias.copy_(self.bias)
        return layer.train(self.training)

    def penalty(self, factors: Mapping[PlanarGroup | str, float]) -> Float[Tensor, ""]:
        """Return an L2 penalty, one factor per group; see `aen.nn.mixture.Mixture.penalty`."""
        return self.mixture.penalty({PlanarGroup.of(group).name: factor for group, factor in factors.items()})


class MixedSymmetrizedLinear(nn.Module):
    """A `SymmetrizedLinear` that mixes decompositions: a dense layer between two grids with mixed weights.

    Args:
        in_grid: side of the input grid.
        out_grid: side of the output grid.
        decompositions: one per branch.
        weighting: see `aen.nn.mixture.Mixture`.
        keep_norm: see `aen.nn.mixture.Mixture`.
        generator: source of the initial values; None takes torch's global one.

    Attributes:
        mixture: the branches' values, in the orbits' own order, and alpha.
        bias: one free value per output cell: no group ties it.
    """

    def __init__(
        self,
        in_grid: int,
        out_grid: int,
        decompositions: Sequence[Decomposition],
        *,
        weighting: Weighting = "softmax",
        keep_norm: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_grid, self.out_grid, self.decompositions = in_grid, out_grid, tuple(decompositions)
        branches = [SymmetrizedLinear(in_grid, out_grid, d, generator=generator) for d in decompositions]
        self.mixture = Mixture(
            [d.name for d in decompositions],
            [OrbitTable(layer_orbits(d.generators, in_grid, out_grid)) for d in decompositions],
            [branch.orbit_values("weight").detach().clone() for branch in branches],
            weighting=weighting,
            keep_norm=keep_norm,
        )
        self.bias = nn.Parameter(torch.zeros(out_grid**2))

    @property
    def alpha(self) -> nn.Parameter | None:
        """The strengths before the softmax, one per decomposition."""
        return self.mixture.alpha

    def expanded_weight(self) -> Float[Tensor, "inputs outputs"]:
        """Return the full matrix W; the layer computes ``x W + b``."""
        full: Tensor = self.mixture(self.mixture.strengths())
        return full.view(self.in_grid**2, self.out_grid**2)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return ``x W + b``."""
        return x @ self.expanded_weight() + self.bias

    @torch.no_grad()
    def discretise(self) -> SymmetrizedLinear:
        """Return the layer of the strongest branch alone; its bias is the mean over each orbit of cells."""
        place = self.mixture.strongest()
        layer = SymmetrizedLinear(
            self.in_grid, self.out_grid, self.decompositions[place], generator=torch.Generator()
        ).to(self.bias)
        cells = orbit_mean_matrix(grid_orbits(self.decompositions[place].generators, self.out_grid)).to(self.bias)
        # A layer's state has the orbits' own order, as the mixture's values have.
        layer.load_state_dict({"weight": self.mixture.branch(place), "bias": self.bias @ cells})
        return layer.train(self.training)

    def penalty(self, factors: Mapping[str, float]) -> Float[Tensor, ""]:
        """Return an L2 penalty, one factor per decomposition's name; see `aen.nn.mixture.Mixture.penalty`."""
        return self.mixture.penalty(factors)
