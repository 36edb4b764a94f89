"""The backbone of EquiNAS: eight convolutions with a group each, or mixed, and dense layers."""

import copy
import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from aen._typing import Float, JsonDict
from aen.children.child import Architecture, Child
from aen.children.copying import deep_copied, hand_over
from aen.children.equinas import LAYERS, EquiNASSpec
from aen.children.equinas_groups import discretised_groups
from aen.children.equinas_layers import DenseNorm, backbone, start_alphas
from aen.children.equinas_poolings import LAST_POOL
from aen.children.spec import ChildSpec
from aen.errors import SpecError
from aen.groups.planar import PlanarElement, PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.heads import dense_layer
from aen.nn.mixed import MixedConv2d, MixedInvariantLinear
from aen.nn.module import EquivarianceWarning, TiedModule
from aen.nn.morphism import distance_to, relax_network, restoring
from aen.nn.sequential import EquivariantSequential

Convolution = GroupConv2d | MixedConv2d
# In which fields a child that inherits weights may differ from its parent, beside its groups.
_FREE = (
    "data",
    "training",
    "seed",
    "parent",
    "alpha_learning_rate",
    "alpha_data",
    "prior",
    "temperature",
    "penalty",
    "drawn_as",
)
# So many values of feature maps are held for one image after another when children are measured: 64 MiB a map.
_VALUES = 2**24


class EquiNASChild(Child):
    """Eight convolutions with batch norm, ReLU and poolings, then dense layers; see `aen.children.EquiNASSpec`.

    Args:
        spec: the child; its seed draws the initial weights.

    Attributes:
        layers: from images to what the batch norm of the dense layer takes. Its last layer is the tied dense layer;
            as published there is none, and the last layer is a pooling.
        head: the rest: batch norm, ELU and the output, as published with a free dense layer before them.
    """

    spec: EquiNASSpec

    def __init__(self, spec: EquiNASSpec) -> None:
        super().__init__()
        self.spec = spec
        source = torch.Generator().manual_seed(spec.seed)
        drawn = replace(spec, groups=(spec.drawn_as,) * LAYERS, head_group="") if spec.drawn_as else spec
        self.layers = EquivariantSequential(*backbone(drawn, source))
        inputs = self.layers.out_type.channels * (spec.sides[-1] // LAST_POOL) ** 2
        width = spec.dense or 0  # never None in a spec that is made
        # No bias, here or in `backbone`: the batch norm would subtract it again, also as published.
        first = [nn.Flatten(), dense_layer(inputs, width, source, bias=False)] if spec.published else []
        self.head = nn.Sequential(*first, DenseNorm(width), nn.ELU(), dense_layer(width, spec.classes, source))
        largest = max(s**2 * c for s, c in zip(spec.sides[:-1], spec.layer_channels, strict=True))
        # What fits into memory goes by the size of the images, which only the spec knows.
        self.evaluation_batch = min(max(_VALUES // largest, 1), 256)
        if spec.drawn_as:
            self.relax_in_place(spec)
        start_alphas(self.alphas(), spec)
        _expect_warnings(self)

    def prepare(self, images: Float[Tensor, "n channels side side"]) -> Float[Tensor, "n channels side side"]:
        """Return the images as they are."""
        return images

    def forward_prepared(self, rows: Float[Tensor, "n channels side side"]) -> Float[Tensor, "n classes"]:
        """Return the logits of images."""
        logits: Tensor = self.head(self.layers(rows))
        return logits

    @property
    def places(self) -> tuple[int, ...]:
        """Where in `layers` the eight convolutions stand, and last the tied dense layer if there is one."""
        kinds = (GroupConv2d, MixedConv2d, InvariantLinear, MixedInvariantLinear)
        return tuple(place for place, layer in enumerate(self.layers) if isinstance(layer, kinds))

    def place(self, layer: int) -> int:
        """Return where in `layers` a layer stands, by its number from 0 as in the spec's `groups`; 8 is the dense one.

        Raises:
            SpecError: there is no such layer.
        """
        places = self.places
        if layer not in range(len(places)):
            raise SpecError(f"layer is {layer}; the layers with a group are 0 to {len(places) - 1}.")
        return places[layer]

    def convolution(self, layer: int) -> Convolution:
        """Return a convolution by its number, from 0.

        Raises:
            SpecError: there is no such convolution.
        """
        if layer not in range(LAYERS):
            raise SpecError(f"layer is {layer}; the convolutions are 0 to {LAYERS - 1}.")
        return cast("Convolution", self.layers[self.place(layer)])

    def mixed_layers(self) -> list[MixedConv2d | MixedInvariantLinear]:
        """Return the mixed layers in their order; none if the child is not mixed."""
        return [layer for layer in self.layers if isinstance(layer, MixedConv2d | MixedInvariantLinear)]

    def alphas(self) -> list[nn.Parameter]:
        """Return the strengths before the softmax of the mixed layers in their order.

        Each has one number per group, in the order of the spec's `mixed`, and one more where there is a skip. There are
        none with ``weighting="sum"``.
        """
        return [layer.alpha for layer in self.mixed_layers() if layer.alpha is not None]

    @torch.no_grad()
    def discretise(self) -> "EquiNASChild":
        """Return the child that has the strongest group in each layer, with that branch's weights.

        Along a network groups only shrink. Where a layer's strongest group is no subgroup of the choice before it, the
        strongest of those that are is taken: a group that would grow is left out, so there is always one, the choice
        before itself. The larger of equally strong groups wins. A skip's strength does not count: every layer of the
        child has a convolution. Branches have their own strength there, not the share that alpha gave them; train the
        child, or its spec from nothing.

        Raises:
            SpecError: the child is not mixed, or has no alpha to choose by.
        """
        mixed, alphas = self.mixed_layers(), self.alphas()
        if not alphas:
            reason = "with weighting='sum' it has no alpha" if mixed else "its layers are not mixed"
            raise SpecError(f"a child that is {self.spec.name} cannot be discretised: {reason}.")
        groups = discretised_groups([alpha.tolist() for alpha in alphas], self.spec.mixed, self.spec.base)
        chosen = [self.spec.mixed.index(name) for name in groups]
        head_group = "".join(groups[LAYERS:])  # as published, the dense layer is not mixed
        child = EquiNASChild(self.spec.with_groups(tuple(groups[:LAYERS]), head_group)).to(alphas[0])
        branches = iter(chosen)
        for ours, theirs in zip(self.layers, child.layers, strict=True):
            if isinstance(ours, MixedConv2d | MixedInvariantLinear):
                tied = cast("GroupConv2d | InvariantLinear", theirs)
                tied.weight.copy_(ours.mixture.branch(next(branches)).view_as(tied.weight))
            elif isinstance(ours, GroupBatchNorm2d):
                norm = cast("GroupBatchNorm2d", theirs)
                for name, table in ours.tables().items():
                    full = table.expand(getattr(ours, name))
                    getattr(norm, name).copy_(norm.field_table.sums(full) / norm.field_table.sizes())
                norm.num_batches_tracked.copy_(ours.num_batches_tracked)
            else:
                theirs.load_state_dict(ours.state_dict())
        child.head.load_state_dict(self.head.state_dict())
        return child.train(self.training)

    def relaxed(self, layer: int, group: str, optimiser: torch.optim.Optimizer | None = None) -> "EquiNASChild":
        """Return a child with one layer relaxed, which computes the same in evaluation mode and has more freedom.

        Nothing is shared with this child, so both can be trained. Where the dense layer must follow the last
        convolution it is relaxed, too; see `EquiNASSpec.relaxed`.

        Args:
            layer: number of the convolution from 0, or 8 for the dense layer. The layers behind must have subgroups of
                `group` already.
            group: a subgroup of the layer's group.
            optimiser: from then on holds the new child's parameters instead of this one's. For several children of one,
                give each a copy: ``copy.deepcopy(optimiser, {id(p): p for p in child.parameters()})``.

        Raises:
            SpecError: the layer cannot be relaxed so; see `EquiNASSpec.relaxed`. Or the optimiser holds other
                parameters.
        """
        spec = self.spec.relaxed(layer, group)
        child = copy.deepcopy(self)
        with restoring(optimiser):
            if optimiser is not None:
                hand_over(optimiser, self, child)
            child.relax_in_place(spec, optimiser)
        return child

    def heir(self, spec: ChildSpec, optimiser: torch.optim.Optimizer | None = None) -> "EquiNASChild":
        """Return the child of another spec with this one's weights: the same, relaxed, or discretised.

        This child is used up. A child that is the same or relaxed computes the same in evaluation mode. Of the
        optimiser's state nothing is left for one that is discretised.

        Args:
            spec: like this child's but for data, training, seed and parent, and smaller groups, or for a mixed child
                those that `discretise` chooses, or another temperature.
            optimiser: holds this child's weights, and the heir's afterwards.

        Raises:
            SpecError: the spec differs otherwise, or a layer would have to be tied by a larger group.
        """
        if not isinstance(spec, EquiNASSpec):
            raise SpecError(f"a {spec.kind} child cannot continue from the weights of a {self.spec.kind} child.")
        child, mine = self, self.spec
        if mine.mixed and not spec.mixed:
            child = self.discretise()
            if optimiser is not None:
                optimiser.state.clear()
                optimiser = None
        ours = replace(child.spec, groups=spec.groups, head_group=spec.head_group)
        free = {name: getattr(spec, name) for name in _FREE}
        wanted = replace(ours, **free)
        differing = [f.name for f in fields(spec) if getattr(wanted, f.name) != getattr(spec, f.name)]
        if differing:
            name = differing[0]
            raise SpecError(
                f"{name} is {getattr(spec, name)!r}, but the parent's is {getattr(ours, name)!r}; a child that "
                "inherits weights may only differ in its groups, data and training."
            )
        if not spec.mixed:
            child.relax_in_place(spec, optimiser)
        child.spec = spec
        for layer in child.mixed_layers():
            layer.mixture.temperature = spec.temperature
        return child.eval()

    def relax_in_place(self, spec: EquiNASSpec, optimiser: torch.optim.Optimizer | None = None) -> None:
        """Relax layers in place, from behind, so that along the network groups only shrink at every moment."""
        wanted = [PlanarGroup.of(name) for name in spec.layer_groups]
        for number, place in reversed(list(enumerate(self.places))):
            own = self.layers[place].group
            if not wanted[number] <= own:
                raise SpecError(
                    f"layer {number} would have the group {wanted[number]}, but its weights are tied by {own}; a layer "
                    f"is relaxed to a subgroup: {', '.join(known.name for known in own.subgroups())}."
                )
            if own != wanted[number]:
                self.layers = relax_network(self.layers, place, wanted[number], optimiser)
        self.spec = spec
        _expect_warnings(self)

    def architecture(self) -> Architecture | None:
        """Return the alphas of a mixed child and how they are trained; None without them."""
        alphas = tuple(self.alphas())
        spec, permuted = self.spec, self.spec.alpha_gradient == "permuted"
        return Architecture(alphas, spec.alpha_learning_rate, spec.alpha_data == "halves", permuted) if alphas else None

    def penalty(self) -> Float[Tensor, ""] | None:
        """Return the penalty on the branches of the smaller groups, where the spec has one."""
        if not self.spec.penalty:
            return None
        factors: dict[PlanarGroup | str, float] = dict.fromkeys(self.spec.mixed[1:], self.spec.penalty)
        return torch.stack([layer.penalty(factors) for layer in self.mixed_layers()]).sum()

    @torch.no_grad()
    def record(self) -> JsonDict:
        """Return how far each layer is from being tied by `base`, and a mixed child's alphas and their shares."""
        found: JsonDict = {"distance_to_base": self.distances()}
        alphas = self.alphas()
        if alphas:
            found |= {
                "temperature": self.spec.temperature,
                "alphas": [alpha.tolist() for alpha in alphas],
                "shares": [layer.mixture.strengths().tolist() for layer in self.mixed_layers()],
            }
        return found

    @torch.no_grad()
    def distances(self) -> list[float]:
        """Return the distance of each layer's weights to those tied by `base`, relative to their size.

        It is ``|F - P F| / |F|`` with F the full weights and P the projection, of the convolutions and, unless
        published, the dense layer.
        """
        base = PlanarGroup.of(self.spec.base)
        found = []
        for place in self.places:
            layer = self.layers[place]
            if isinstance(layer, TiedModule):
                found.append(distance_to(layer, base))
                continue
            full = cast("MixedConv2d | MixedInvariantLinear", layer).expanded_weight().reshape(-1)
            table = cast("MixedConv2d | MixedInvariantLinear", layer).base_table(base)
            nearest = table.expand(table.sums(full) / table.sizes())
            norm = torch.linalg.vector_norm(full).clamp_min(torch.finfo(full.dtype).tiny)
            found.append(float(torch.linalg.vector_norm(full - nearest) / norm))
        return found

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> Mapping[str, float]:
        """Return the relative error of the last maps' equivariance for every element of the last convolution's group.

        A mixed child's is what its groups have in common.
        """
        del words  # all elements are tried
        maps = list(self.layers)[: self.place(LAYERS)] if not self.spec.published else list(self.layers)
        return EquivariantSequential(*maps).check_equivariance(side=self.spec.side, seed=seed)

    @torch.no_grad()
    def check_invariance(
        self, images: Float[Tensor, "n channels side side"], group: str | None = None
    ) -> Mapping[str, float]:
        """Return how much the logits of images change when the images are moved, relative to their size.

        Args:
            images: any.
            group: whose elements move them; None: the smallest in the network, which is the dense layer's or, as
                published, the last convolution's. Then the error is about 1e-6 in evaluation mode, save as published.

        Raises:
            GroupError: the group is no subgroup of the spec's `base`.
        """
        smallest = self.layers.out_type.group
        moving = smallest if group is None else PlanarGroup.of(group)
        PlanarGroup.of(self.spec.base).check_subgroup(moving)
        image = FieldType.trivial(self.spec.base, self.spec.channels)
        logits = self(images)

        def error(element: PlanarElement) -> float:
            return float((self(image.transform(images, element)) - logits).abs().max() / logits.abs().max())

        return {element.name: error(element) for element in moving.elements[1:]}

    def export(self) -> nn.Sequential:
        """Return plain modules of torch that compute the same in evaluation mode: no group is needed to use them."""
        plain = [part.export() if isinstance(part, DenseNorm) else part for part in self.head]
        return copy.deepcopy(nn.Sequential(self.layers.export(), *plain)).train(self.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with its own weights and statistics; it shares what never changes."""
        return deep_copied(self, memo)


def _expect_warnings(child: EquiNASChild) -> None:
    """Let the published poolings say here, unheard, that they are not exact: the spec's description says so."""
    spec = child.spec
    if spec.published:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EquivarianceWarning)
            # A pooling says it once for each side of maps.
            child.layers.evaluate_output_shape((1, spec.channels, spec.side, spec.side))
