"""Field types: the meaning of the channels of feature maps, and how a planar group permutes them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from aen._typing import Float, IntArray
from aen.errors import SpecError
from aen.groups.orbits import Orbits
from aen.groups.planar import PlanarElement, PlanarGroup

Kind = Literal["trivial", "regular"]


@dataclass(frozen=True)
class FieldType:
    r"""The channels of a feature map and the action of a group on them.

    Trivial fields have one channel each, which only moves with the plane. Regular ones have one channel for each
    element of a group: ``(g f)[o, g', x] = f[o, g^-1 g', g^-1 x]``.

    Channels stand in the order of `base`, channel ``o * |base| + place of b`` for element b, and that never changes: to
    a subgroup H the same channels are [base:H] times as many fields, field (o, j) those of ``h t_j`` for the
    representatives t_j of the right cosets of H. So a layer can be relaxed without moving a channel.

    Args:
        group: what acts.
        base: the group in whose order the channels stand; `group` is one of its subgroups.
        count: number of fields of `base`.
        kind: ``trivial`` or ``regular``.
    """

    group: PlanarGroup
    base: PlanarGroup
    count: int
    kind: Kind = "regular"

    def __post_init__(self) -> None:
        self.base.check_subgroup(self.group)
        if self.count < 1:
            raise SpecError(f"a feature map of {self.count} {self.kind} fields has no channels; use at least 1.")

    @classmethod
    def regular(cls, group: PlanarGroup | str, fields: int) -> "FieldType":
        """Return so many regular fields of a group."""
        group = PlanarGroup.of(group)
        return cls(group, group, fields)

    @classmethod
    def trivial(cls, group: PlanarGroup | str, channels: int) -> "FieldType":
        """Return so many channels that only move with the plane, as those of an image do."""
        group = PlanarGroup.of(group)
        return cls(group, group, channels, "trivial")

    @classmethod
    def of_channels(cls, group: PlanarGroup | str, channels: int) -> "FieldType":
        """Return the regular fields that so many channels make.

        Raises:
            SpecError: the channels cannot be divided into whole fields.
        """
        group = PlanarGroup.of(group)
        fields, rest = divmod(channels, group.order)
        if rest or not fields:
            raise SpecError(
                f"{channels} channels make no whole fields of {group}, which has {group.order} elements; use "
                f"{max(fields, 1) * group.order} or {(fields + 1) * group.order} channels."
            )
        return cls(group, group, fields)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.count if self.kind == "trivial" else self.count * self.base.order

    @property
    def fields(self) -> int:
        """Number of fields of `group`."""
        return self.count if self.kind == "trivial" else self.channels // self.group.order

    def regroup(self, group: PlanarGroup | str) -> "FieldType":
        """Return the same channels with another subgroup of `base` acting.

        Raises:
            GroupError: not a subgroup of `base`.
        """
        return replace(self, group=PlanarGroup.of(group))

    def permutation(self, element: PlanarElement) -> IntArray:
        """Return how an element moves the channels: what was channel c is channel ``p[c]`` afterwards."""
        if self.kind == "trivial":
            return np.arange(self.count)
        moved = self.base.table[self.base.index(element)]
        places: IntArray = np.arange(self.count)[:, None] * self.base.order + moved
        return places.reshape(-1)

    def representatives(self) -> IntArray:
        """Return the first channel of each field, the identity's, shape ``[fields]``, ascending."""
        if self.kind == "trivial":
            return np.arange(self.count)
        first = sorted(self.base.index(t) for t in self.base.representatives(self.group))
        places: IntArray = np.arange(self.count)[:, None] * self.base.order + np.array(first)
        return places.reshape(-1)

    def field_channels(self) -> IntArray:
        """Return the channels of each field, in the order of the group's elements, shape ``[fields, order]``."""
        first = self.representatives()
        if self.kind == "trivial":
            return first[:, None]
        return np.stack([self.permutation(element)[first] for element in self.group.elements], axis=1)

    def field_orbits(self) -> Orbits:
        """Return the field of each channel as orbits."""
        labels = np.empty(self.channels, dtype=np.int32)
        members = self.field_channels()
        labels[members] = np.arange(len(members), dtype=np.int32)[:, None]
        return Orbits(labels, len(members))

    def transform(self, x: Float[Tensor, "batch channels *space"], element: PlanarElement) -> Tensor:
        """Return ``g x``: feature maps ``[batch, channels, height, width]`` or ``[batch, channels]`` after g.

        Raises:
            SpecError: other channels than these.
            GroupError: the element does not keep the grid.
        """
        self.check_input(x)
        moved = x[:, torch.from_numpy(np.argsort(self.permutation(element))).to(x.device)]
        if x.dim() == 2:  # noqa: PLR2004 - no space left
            return moved
        height, width = x.shape[-2:]
        cells = np.argsort(element.permutation(height, width))
        return moved.flatten(2)[..., torch.from_numpy(cells).to(x.device)].view(moved.shape)

    def check_input(self, x: Tensor) -> None:
        """Check that a tensor has these channels.

        Raises:
            SpecError: it has others.
        """
        if x.dim() < 2 or x.shape[1] != self.channels:  # noqa: PLR2004
            raise SpecError(f"x has shape {tuple(x.shape)}; its second dimension must be {self.channels}: {self}.")

    def __str__(self) -> str:
        return f"{self.fields} {self.kind} fields of {self.group}"
