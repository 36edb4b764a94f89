"""The backbone of EquiNAS: eight convolutions with a group each, or mixed, and dense layers."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from aen._typing import Float
from aen.children.child import Child
from aen.children.equinas import LAST_POOL, LAYERS, EquiNASSpec
from aen.errors import SpecError
from aen.groups.planar import PlanarElement, PlanarGroup
from aen.nn.fields import FieldType
from aen.nn.group_conv import GroupConv2d, LiftingConv2d
from aen.nn.group_head import InvariantLinear
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import Pointwise, SpatialPool2d
from aen.nn.heads import dense_layer
from aen.nn.mixed import MixedConv2d, MixedInvariantLinear, common_group
from aen.nn.module import EquivarianceWarning, EquivariantModule
from aen.nn.morphism import relax_network, restoring
from aen.nn.sequential import EquivariantSequential
from aen.nn.tying import OrbitTable

Convolution = GroupConv2d | MixedConv2d
Copied = TypeVar("Copied", bound=nn.Module)
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
        self.layers = EquivariantSequential(*_layers(spec, source))
        inputs = self.layers.out_type.channels * (spec.sides[-1] // LAST_POOL) ** 2
        width = spec.dense or 0  # never None in a spec that is made
        first = [nn.Flatten(), dense_layer(inputs, width, source)] if spec.published else []
        self.head = nn.Sequential(*first, _DenseNorm(width), nn.ELU(), dense_layer(width, spec.classes, source))
        largest = max(s**2 * c for s, c in zip(spec.sides[:-1], spec.layer_channels, strict=True))
        # What fits into memory goes by the size of the images, which only the spec knows.
        self.evaluation_batch = min(max(_VALUES // largest, 1), 256)
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
        before, chosen = PlanarGroup.of(self.spec.base), []
        for alpha in alphas:
            free = [p for p, name in enumerate(self.spec.mixed) if PlanarGroup.of(name) <= before]
            chosen.append(max(free, key=alpha.tolist().__getitem__))  # the first of equals, so the largest
            before = PlanarGroup.of(self.spec.mixed[chosen[-1]])
        groups = [self.spec.mixed[place] for place in chosen]
        head_group = "".join(groups[LAYERS:])  # as published, the dense layer is not mixed
        child = EquiNASChild(self.spec.with_groups(tuple(groups[:LAYERS]), head_group)).to(alphas[0])
        branches = iter(chosen)
        for ours, theirs in zip(self.layers, child.layers, strict=True):
            if isinstance(ours, MixedConv2d | MixedInvariantLinear):
                tied = cast("GroupConv2d | InvariantLinear", theirs)
                tied.weight.copy_(ours.mixture.branch(next(branches)).view_as(tied.weight))
                if isinstance(ours, MixedInvariantLinear):
                    cast("InvariantLinear", theirs).bias.copy_(ours.bias)
            elif isinstance(ours, GroupBatchNorm2d):
                norm = cast("GroupBatchNorm2d", theirs)
                for name, table in ours.tables().items():
                    getattr(norm, name).copy_(norm.field_table.first(table.expand(getattr(ours, name))))
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
            optimiser: goes on with the new child's parameters and leaves this one's. For several children of one, give
                each a copy: ``copy.deepcopy(optimiser, {id(p): p for p in child.parameters()})``.

        Raises:
            SpecError: the layer cannot be relaxed so; see `EquiNASSpec.relaxed`. Or the optimiser holds other
                parameters.
        """
        spec = self.spec.relaxed(layer, group)
        child = copy.deepcopy(self)
        wanted = [PlanarGroup.of(name) for name in (*spec.groups, spec.head_group)]
        with restoring(optimiser):
            if optimiser is not None:
                _hand_over(optimiser, self, child)
            # From behind, so that along the network groups only shrink at every moment.
            for number, place in reversed(list(enumerate(child.places))):
                if child.layers[place].group != wanted[number]:
                    child.layers = relax_network(child.layers, place, wanted[number], optimiser)
        child.spec = spec
        _expect_warnings(child)
        return child

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
        plain = [part.export() if isinstance(part, _DenseNorm) else part for part in self.head]
        return copy.deepcopy(nn.Sequential(self.layers.export(), *plain)).train(self.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with its own weights and statistics; it shares what never changes, see `_copied`."""
        return _copied(self, memo)


def _expect_warnings(child: EquiNASChild) -> None:
    """Let the published poolings say here, unheard, that they are not exact: the spec's description says so."""
    spec = child.spec
    if spec.published:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EquivarianceWarning)
            # A pooling says it once for each side of maps.
            child.layers.evaluate_output_shape((1, spec.channels, spec.side, spec.side))


class _DenseNorm(nn.BatchNorm1d):
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


class _ChannelNorm(Pointwise):
    """Batch norm per channel, as published: equivariant only as long as the channels of a field are normed alike."""

    def __init__(self, in_type: FieldType, function: nn.Module | None = None) -> None:
        super().__init__(in_type, nn.BatchNorm2d(in_type.channels) if function is None else function)


def _layers(spec: EquiNASSpec, source: torch.Generator) -> list[EquivariantModule]:
    """Return the layers of a child in a row."""
    base = PlanarGroup.of(spec.base)
    shared = common_group([PlanarGroup.of(name) for name in spec.mixed]) if spec.mixed else base
    options: dict[str, Any] = {"weighting": spec.weighting, "keep_norm": spec.keep_norm, "generator": source}
    here = FieldType(shared, base, spec.channels, "trivial")
    layers: list[EquivariantModule] = []
    for number, fields in enumerate(spec.layer_fields):
        maps = FieldType(shared if spec.mixed else PlanarGroup.of(spec.groups[number]), base, fields)
        window: dict[str, Any] = {"padding": "same", "bias": False}  # batch norm would take a bias away again
        if spec.mixed:
            skip = spec.skip and number > 0 and here.channels == maps.channels
            layers.append(MixedConv2d(here, maps, spec.mixed, spec.kernel_size, skip=skip, **window, **options))
            norm = GroupBatchNorm2d(maps, over=base)  # so that the largest group's branch stays equivariant
        else:
            kind = GroupConv2d if number else LiftingConv2d
            layers.append(kind(here, maps, spec.kernel_size, generator=source, **window))
            norm = GroupBatchNorm2d(maps)
        layers += [_ChannelNorm(maps) if spec.published else norm, Pointwise(maps, nn.ReLU())]
        if spec.pooled(number + 1):
            fits = spec.sides[number] % 2 == 0 and not spec.published
            cells = {"kernel_size": 2} if fits else {"kernel_size": 3, "stride": 2, "padding": 1}
            layers.append(SpatialPool2d(maps, kind="mean", **cells))
        here = maps
    width = spec.dense or 0
    if spec.published:
        layers.append(SpatialPool2d(here, LAST_POOL, kind="mean"))
    elif spec.mixed:
        layers.append(MixedInvariantLinear(here, width, spec.mixed, **options))
    else:
        layers.append(InvariantLinear(here.regroup(spec.head_group), width, generator=source))
    return layers


def _copied(module: Copied, memo: dict[int, Any]) -> Copied:
    """Return a copy of a module that shares field types, spec and index tables, which are larger than the weights.

    A search makes one for every offspring; copying all of it would take longer than the relaxation.
    """
    if id(module) not in memo:
        memo[id(module)] = twin = type(module).__new__(type(module))
        inside = vars(twin)
        inside.update(
            {name: value.copy() if isinstance(value, dict) else value for name, value in vars(module).items()}
        )
        for kind in ("_parameters",) if isinstance(module, OrbitTable) else ("_parameters", "_buffers"):
            inside[kind] = {name: copy.deepcopy(value, memo) for name, value in inside[kind].items()}
        inside["_modules"] = {
            name: None if part is None else _copied(part, memo) for name, part in inside["_modules"].items()
        }
    found: Copied = memo[id(module)]
    return found


def _hand_over(optimiser: torch.optim.Optimizer, old: nn.Module, new: nn.Module) -> None:
    """Let an optimiser go on with a copy of a network: it holds the copy's parameters then, with the same state."""
    copies = {id(before): after for before, after in zip(old.parameters(), new.parameters(), strict=True)}
    held = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
    if not copies.keys() <= held:
        raise SpecError("optimiser does not hold the child's parameters; make it from the child's parameters().")
    for group in optimiser.param_groups:
        group["params"] = [copies.get(id(parameter), parameter) for parameter in group["params"]]
    for parameter in old.parameters():
        state = optimiser.state.pop(parameter, None)
        if state is not None:
            optimiser.state[copies[id(parameter)]] = state
