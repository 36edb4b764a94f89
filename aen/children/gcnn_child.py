"""The G-CNN child network of AEN: group convolutions, then dense layers."""

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from aen._typing import Float
from aen.children.child import Child
from aen.children.gcnn import GCNNSpec
from aen.children.gcnn_widths import POOL, maps_of
from aen.errors import SpecError
from aen.groups.grid import cells_of
from aen.groups.planar import PLANAR_GROUPS, PlanarGroup
from aen.nn.doubled_conv import COPIES, DoubledConv2d, doubled_type
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import GroupPool, Pointwise, SpatialPool2d
from aen.nn.heads import dense_layer
from aen.nn.module import EquivariantModule
from aen.nn.sequential import EquivariantSequential

if TYPE_CHECKING:
    from aen.nn.steerable import SteerableFeatures


class GCNNChild(Child):
    """Group convolutions with ReLU and pooling, then dense layers; see `aen.children.GCNNSpec`.

    Args:
        spec: the child; its seed draws the initial weights.

    Attributes:
        convolutions: from images to feature maps, equivariant to the group.
        head: the dense layers.
    """

    spec: GCNNSpec
    evaluation_batch: int = 128  # feature maps are a hundred times larger than the image
    convolutions: "NativeFeatures | SteerableFeatures"

    def __init__(self, spec: GCNNSpec) -> None:
        super().__init__()
        self.spec = spec
        source = torch.Generator().manual_seed(spec.seed)
        self.convolutions = native_features(spec, source) if spec.backend == "native" else steerable(spec, source)
        cells = cells_of(maps_of(spec.side, spec.kernel_size, padded=spec.padding == "same")[-1])
        means = spec.fields[-1] * (COPIES if spec.doubled else 1)
        inputs = means if spec.head == "invariant" else self.convolutions.out_type.channels * cells
        widths = (inputs, *spec.shape.dense, spec.classes)
        first, second, last = (dense_layer(before, after, source) for before, after in pairwise(widths))
        self.head = nn.Sequential(first, nn.ReLU(), nn.Dropout(spec.dropout), second, last)

    def prepare(self, images: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n channels rows columns"]:
        """Return the images as they are."""
        return images

    def features(self, images: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n features"]:
        """Return what the dense layers read."""
        maps: Tensor = self.convolutions(images)
        return self.convolutions.invariants(maps) if self.spec.head == "invariant" else maps.flatten(1)

    def forward_prepared(self, rows: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n classes"]:
        """Return the logits of images."""
        logits: Tensor = self.head(self.features(rows))
        return logits

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of the feature maps' equivariance for every element of the group."""
        del words  # all elements are tried
        # The images of escnn's filters are square.
        return self.convolutions.check_equivariance(side=self.spec.side, seed=seed)  # type: ignore[arg-type]

    @torch.no_grad()
    def check_invariance(self, images: Float[Tensor, "n channels rows columns"]) -> Mapping[str, float]:
        """Return how much the logits of images change when the images are moved, relative to their size.

        It is about 1e-6 for an invariant head in evaluation mode, and not for one that flattens.

        Raises:
            SpecError: the group does not move pixels onto pixels.
        """
        group = PlanarGroup.of(self.spec.group) if self.spec.group in PLANAR_GROUPS else None
        if group is None or not group.is_exact:
            raise SpecError(
                f"{self.spec.group} does not act exactly on pixels, so exact invariance cannot be measured."
            )
        image = FieldType.trivial(group, self.spec.channels)
        logits = self(images)
        moved = {e.name: self(image.transform(images, e)) for e in group.elements[1:]}
        return {name: float((theirs - logits).abs().max() / logits.abs().max()) for name, theirs in moved.items()}

    def export(self) -> nn.Sequential:
        """Return plain modules of torch that compute the same: no group is needed to use them."""
        maps = self.convolutions.export(invariants=self.spec.head == "invariant")
        return nn.Sequential(maps, nn.Flatten(), copy.deepcopy(self.head)).train(self.training)


class NativeFeatures(EquivariantSequential):
    """The child's convolutions, and the mean over group and space of what they give.

    Attributes:
        mean: over the group.
    """

    def __init__(self, *layers: EquivariantModule) -> None:
        super().__init__(*layers)
        self.mean = GroupPool(self.out_type, "mean")

    def invariants(self, maps: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n fields"]:
        """Return one number per field, which the group does not change."""
        means: Tensor = self.mean(maps.mean(dim=(2, 3)))
        return means

    def export(self, *, invariants: bool = False) -> nn.Sequential:
        """Return plain modules of torch, up to the maps or to the invariants."""
        plain = super().export()
        return nn.Sequential(plain, nn.AdaptiveAvgPool2d(1), self.mean.export()) if invariants else plain


def native_features(spec: GCNNSpec, source: torch.Generator) -> NativeFeatures:
    """Return the convolutions of a child on the project's own layers."""
    layers: list[EquivariantModule] = []
    here = FieldType.trivial(spec.group, spec.channels)
    padding: Literal["same", 0] = "same" if spec.padding == "same" else 0
    bias = spec.norm == "none"  # a batch norm would subtract it again
    for number, fields in enumerate(spec.fields):
        out = doubled_type(spec.group, fields) if spec.doubled else FieldType.regular(spec.group, fields)
        kind = DoubledConv2d if spec.doubled else GroupConv2d if number else LiftingConv2d
        layers.append(
            kind(
                here,
                out,
                spec.kernel_size,
                padding=padding,
                bias=bias,
                initialisation="uniform_by_fields" if spec.initialisation == "published" else "fan_in",
                generator=source,
            )
        )
        if spec.norm == "batch":
            layers.append(GroupBatchNorm2d(out))
        layers.append(Pointwise(out, nn.ReLU()))
        if number % 2:
            layers.append(SpatialPool2d(out, POOL, kind="max"))
        here = out
    return NativeFeatures(*layers)


def steerable(spec: GCNNSpec, source: torch.Generator) -> "SteerableFeatures":
    """Return the convolutions of a child on escnn's filters."""
    from aen.nn.steerable import SteerableFeatures

    return SteerableFeatures(
        spec.group,
        spec.fields,
        in_channels=spec.channels,
        kernel_size=spec.kernel_size,
        norm=spec.norm == "batch",
        generator=source,
    )
