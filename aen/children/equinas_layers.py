"""The layers of EquiNAS's backbone in a row, and the batch norms that only it has."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from aen.children.equinas import EquiNASSpec
from aen.children.equinas_poolings import LAST_POOL
from aen.groups.planar import PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import Pointwise, SpatialPool2d
from aen.nn.mixed import MixedConv2d, MixedInvariantLinear, common_group
from aen.nn.module import EquivariantModule

# Initial alpha of all groups but the largest, with the option "prior".
_PRIOR = -2.0


class DenseNorm(nn.BatchNorm1d):
    """Batch norm that takes a batch of a single image in training mode, too, by its running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Return the normalised rows."""
        if self.training and len(input) == 1:  # alone it has no variance
            return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)

    def export(self) -> nn.BatchNorm1d:
        """Return torch's own."""
        plain = nn.BatchNorm1d(self.num_features, eps=self.eps).to(self.weight)
        plain.load_state_dict(self.state_dict())
        return plain


class ChannelNorm(Pointwise):
    """Batch norm per channel, as published: equivariant only as long as the channels of a field are normed alike."""

    def __init__(self, in_type: FieldType, function: nn.Module | None = None) -> None:
        super().__init__(in_type, nn.BatchNorm2d(in_type.channels) if function is None else function)


def backbone(spec: EquiNASSpec, source: torch.Generator) -> list[EquivariantModule]:
    """Return the layers of a child in a row."""
    base = PlanarGroup.of(spec.base)
    shared = common_group([PlanarGroup.of(name) for name in spec.mixed]) if spec.mixed else base
    options: dict[str, Any] = {"weighting": spec.weighting, "keep_norm": spec.keep_norm, "generator": source}
    options["temperature"] = spec.temperature
    drawing = "normal_by_fields" if spec.initialisation == "published" else "fan_in"
    # Every layer is followed by a batch norm, which subtracts a bias again: it would be a parameter without effect.
    here = FieldType(shared, base, spec.channels, "trivial")
    layers: list[EquivariantModule] = []
    for number, count in enumerate(spec.layer_fields):
        maps = FieldType(shared if spec.mixed else PlanarGroup.of(spec.groups[number]), base, count)
        window: dict[str, Any] = {"padding": "same", "bias": False, "initialisation": drawing}
        if spec.mixed:
            skip = spec.skip and number > 0 and here.channels == maps.channels
            layers.append(MixedConv2d(here, maps, spec.mixed, spec.kernel_size, skip=skip, **window, **options))
        else:
            kind = GroupConv2d if number else LiftingConv2d
            layers.append(kind(here, maps, spec.kernel_size, generator=source, **window))
        # In a mixed child over the fields of what its groups share: over the largest group's it would learn far worse.
        norm = ChannelNorm(maps) if spec.published else GroupBatchNorm2d(maps)
        layers += [norm, Pointwise(maps, nn.ReLU())]
        if spec.pooled(number + 1):
            fits = spec.sides[number] % 2 == 0 and not spec.published
            cells = {"kernel_size": 2} if fits else {"kernel_size": 3, "stride": 2, "padding": 1}
            layers.append(SpatialPool2d(maps, kind="mean", **cells))
        here = maps
    width = spec.dense or 0
    if spec.published:
        layers.append(SpatialPool2d(here, LAST_POOL, kind="mean"))
    elif spec.mixed:
        layers.append(MixedInvariantLinear(here, width, spec.mixed, bias=False, **options))
    else:
        layers.append(InvariantLinear(here.regroup(spec.head_group), width, bias=False, generator=source))
    return layers


@torch.no_grad()
def start_alphas(alphas: Sequence[nn.Parameter], spec: EquiNASSpec) -> None:
    """Set the initial alphas of a mixed child's layers, where they are not 0."""
    for place, alpha in enumerate(alphas):
        if spec.prior:
            alpha[1:] = _PRIOR
        elif spec.alpha:
            alpha.copy_(torch.tensor(spec.alpha[place]))
