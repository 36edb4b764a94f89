"""EquiNASSpec: the backbone of EquiNAS, with a group for each convolution, and its training."""

import functools
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from aen._typing import Initialisation, JsonDict, Weighting
from aen.children.equinas_groups import groups_along, relaxed_groups, shrinking, subgroup
from aen.children.equinas_mixed import OF_MIXED, AlphaData, AlphaGradient, branch_counts, check_alpha, mixture
from aen.children.equinas_poolings import check_poolings, default_poolings, sides_along
from aen.children.spec import ChildSpec
from aen.data.augmentation_names import check_group
from aen.errors import SpecError, did_you_mean
from aen.groups.generators import Generator
from aen.groups.layer_symmetry import LayerSymmetry
from aen.groups.planar import PlanarGroup
from aen.groups.planar_generators import shared_generators

if TYPE_CHECKING:
    from aen.children.augmenter import Augmenter

LAYERS = 8
STAGES = 2
_LEAST = 1e-6
# Images from this side up are photographs: they get the wider dense layer.
_LARGE = 64
_DENSE = (64, 128)


@dataclass(frozen=True)
class EquiNASSpec(ChildSpec):
    """The backbone of EquiNAS (arXiv 2210.05484), each convolution tied by a group of its own, and its training.

    Eight convolutions with batch norm and ReLU, the last four twice as wide as the first four, and average poolings
    between them; then a dense layer with batch norm and ELU, and the output. All channels stand in the order of the
    largest group, so their number is the same whatever the groups are.

    By default the child is exactly equivariant: windows of pooling fit the maps (2x2 on even sides, 3x3 with stride 2
    and padding 1 on odd ones), batch norm is per field, and the dense layer takes the mean over space and is tied by
    `head_group`, so that the logits do not change when that group moves the image.

    What is left out is filled in when the spec is made, so that equal networks have equal keys. A field that follows
    from others (`groups`, `head_group`, `dense`, `poolings`) keeps its value in ``dataclasses.replace``.

    Attributes:
        side: of the images.
        channels: of the images.
        groups: of the eight convolutions, by name; each a subgroup of the one before. Left out: `base` everywhere. A
            mixed child has none.
        base: the largest group.
        width: fields of `base` in each of the first four convolutions; twice as many in the last four.
        kernel_size: of the convolutions, odd.
        dense: width of the dense layer; left out: 64, and 128 for images from a side of 64 up.
        head_group: of the dense layer, a subgroup of the last convolution's group; left out: that group itself. A
            mixed child has none, and the published dense layer, which is not tied, ``C1``.
        mixed: groups over which every convolution and the dense layer is a mixed layer; kept from the largest to the
            smallest, which is the order of alpha. Empty: the child is not mixed.
        skip: whether mixed convolutions that keep the number of channels have one more branch, the identity.
        weighting: of mixed layers, ``softmax`` or ``sum``; see `aen.nn.mixture.Mixture`.
        keep_norm: of mixed layers; see `aen.nn.mixture.Mixture`.
        alpha_learning_rate: of a mixed child's alpha, with Adam; 0: alpha stays as it is.
        alpha_data: ``same``: alpha is trained on other batches of the same images as the weights, as published;
            ``halves``: on the half of the training images on which the weights are not.
        prior: whether alpha starts at 0 for the largest group and at -2 for the others, instead of 0 for all.
        temperature: of the softmax of alpha; see `aen.nn.mixture.Mixture`.
        penalty: on the square of the weights of every branch but the largest group's, for ``weighting="sum"``: a
            residual pathway prior.
        drawn_as: the group of which all initial weights are drawn, before the layers are relaxed to their own; left
            out: each layer's own.
        published: as published, and so not exactly equivariant: pooling by 3x3 with stride 2 and padding 1 on all
            sides, batch norm per channel, and, after a pooling by 4x4, a dense layer that reads every channel.
        poolings: which convolutions, counted from 1, are followed by a pooling. Left out: as many as leave a side of 4
            or more, such as after the 3rd, 5th and 7th for 28, the 3rd, 5th, 6th and 7th for 64, the 2nd to the 7th for
            256.
        initialisation: of the convolutions: ``fan_in``, so that the full filters are equally large whatever the group,
            or ``published``, N(0, 1/(fields_out fields_in)), so that they are as large as the order of the group; see
            `aen.nn.initialisation`. Dense layers have PyTorch's usual range, as published.
        alpha: a mixed child's initial alpha, one list for each mixed layer: a number for each group from the largest to
            the smallest, and where there is a skip its own. Left out: 0 everywhere, or what `prior` says.
        alpha_gradient: ``own``, or ``permuted``: in every step each layer's gradient of alpha is permuted at random
            among its branches, so that alpha is trained without direction.
        augment: a subgroup of D4: before every epoch each training image is moved by a random element. Empty: none.
    """

    kind: ClassVar[str] = "equinas"
    heritable: ClassVar[bool] = True
    class_fields: ClassVar[tuple[str, ...]] = ("groups", "head_group", "mixed")
    newer_fields: ClassVar[tuple[str, ...]] = ("initialisation", "alpha", "alpha_gradient", "augment")

    side: int = 28
    channels: int = 1
    groups: tuple[str, ...] = ()
    base: str = "D4"
    width: int = 16
    kernel_size: int = 5
    dense: int | None = None
    head_group: str = ""
    mixed: tuple[str, ...] = ()
    skip: bool = False
    weighting: Weighting = "softmax"
    keep_norm: bool = True
    alpha_learning_rate: float = 1e-3
    alpha_data: AlphaData = "same"
    prior: bool = False
    temperature: float = 1.0
    penalty: float = 0.0
    drawn_as: str = ""
    published: bool = False
    poolings: tuple[int, ...] | None = None
    initialisation: Initialisation = "fan_in"
    alpha: tuple[tuple[float, ...], ...] = ()
    alpha_gradient: AlphaGradient = "own"
    augment: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.side, tuple | list):
            raise SpecError(f"side is {self.side!r}, but the EquiNAS child takes square images; make them square.")
        if self.dense is None:
            object.__setattr__(self, "dense", _DENSE[self.side >= _LARGE])
        self._check_values()
        base = PlanarGroup.of(self.base)
        if not base.is_exact:
            raise SpecError(f"base is {base}, which does not act exactly on pixels; use D4 or one of its subgroups.")
        object.__setattr__(self, "base", base.name)
        if self.mixed:
            self._check_mixed(base)
        else:
            self._check_groups(base)
        poolings = default_poolings(self.side) if self.poolings is None else self.poolings
        checked = check_poolings(poolings, self.side, LAYERS, published=self.published)
        object.__setattr__(self, "poolings", checked)

    def _check_values(self) -> None:
        """Check each value, and bring equal ones into one form."""
        for name in ("side", "channels", "width", "kernel_size", "dense"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise SpecError(f"{name} is {value!r}; it must be a whole number from 1 up.")
        if self.kernel_size % 2 == 0:
            raise SpecError(f"kernel_size is {self.kernel_size}; padding keeps the side of odd kernels only: use one.")
        for name in ("skip", "keep_norm", "published", "prior"):
            object.__setattr__(self, name, bool(getattr(self, name)))
        kinds = {"weighting": Weighting, "alpha_data": AlphaData, "alpha_gradient": AlphaGradient}
        for name, kind in {**kinds, "initialisation": Initialisation}.items():
            if (value := getattr(self, name)) not in (known := get_args(kind)):
                raise SpecError(f"unknown {name} {value!r}{did_you_mean(str(value), known)}.")
        for name, least in (("alpha_learning_rate", 0), ("temperature", _LEAST), ("penalty", 0)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                raise SpecError(f"{name} is {value}; it must be a finite number from {least:g} up.")
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "augment", check_group(self.augment))

    def _check_mixed(self, base: PlanarGroup) -> None:
        found = [subgroup(f"mixed[{place}]", name, base, "base") for place, name in enumerate(self.mixed)]
        if len(set(found)) < len(found):
            raise SpecError(f"mixed is {list(self.mixed)}; name each group once.")
        if self.groups not in ((), (self.base,) * LAYERS) or self.head_group not in ("", self.base):
            raise SpecError(
                f"groups is {list(self.groups)} and head_group {self.head_group!r}, but the child is mixed over "
                f"{list(self.mixed)} in every layer; leave groups and head_group out, or mixed."
            )
        if self.drawn_as:
            raise SpecError(f"drawn_as is {self.drawn_as!r}; a mixed child draws each branch's weights: leave it out.")
        if self.penalty and (self.weighting != "sum" or self.keep_norm):
            raise SpecError(
                f"penalty is {self.penalty}, which is for weighting='sum' and keep_norm=False; set it to 0, or "
                "those two."
            )
        alpha = check_alpha(self.alpha, self.branches, prior=self.prior, weighting=self.weighting)
        object.__setattr__(self, "alpha", alpha)
        # The largest first, also among equals, so that every spelling gives one key.
        ordered = [group.name for group in reversed(base.subgroups()) if group in found]
        object.__setattr__(self, "mixed", tuple(ordered))
        object.__setattr__(self, "groups", ())
        object.__setattr__(self, "head_group", "")

    def _check_groups(self, base: PlanarGroup) -> None:
        object.__setattr__(self, "mixed", ())
        object.__setattr__(self, "alpha", tuple(self.alpha or ()))
        for name, default in OF_MIXED.items():
            if getattr(self, name) != default:
                raise SpecError(
                    f"{name} is {getattr(self, name)!r}, which only mixed layers have; name groups in mixed, or leave "
                    f"{name} out."
                )
        if isinstance(self.groups, str):
            raise SpecError(
                f"groups is {self.groups!r}; give a tuple of {LAYERS} names, such as ({self.groups!r},) * {LAYERS}."
            )
        names = tuple(self.groups) or (base.name,) * LAYERS
        if len(names) != LAYERS:
            raise SpecError(f"groups is {list(names)}; name one for each of the {LAYERS} convolutions.")
        found = shrinking(names, base)
        object.__setattr__(self, "groups", tuple(group.name for group in found))
        if self.drawn_as:
            drawn = PlanarGroup.of(self.drawn_as)
            if not found[0] <= drawn <= base:
                raise SpecError(
                    f"drawn_as is {drawn}; weights are relaxed from a larger group: name {base} or one of its "
                    f"subgroups that holds {found[0]}, the group of the first convolution."
                )
            object.__setattr__(self, "drawn_as", drawn.name)
        if self.published and self.head_group not in ("", "C1"):
            raise SpecError(
                f"head_group is {self.head_group!r}, but the published dense layer is not tied; leave it out, or "
                "published."
            )
        head = "C1" if self.published else self.head_group or found[-1].name
        tied = subgroup("head_group", head, found[-1], f"groups[{LAYERS - 1}]")
        object.__setattr__(self, "head_group", tied.name)

    @property
    def key_version(self) -> str:
        """``child-5``: the dense layer in front of the batch norm had a bias before."""
        return "child-5"

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the maps that each convolution takes, and last that of the maps behind all poolings."""
        return sides_along(self.side, self.poolings or (), LAYERS)

    def pooled(self, number: int) -> bool:
        """Say whether a convolution, counted from 1, is followed by a pooling."""
        return number in (self.poolings or ())

    @property
    def layer_fields(self) -> tuple[int, ...]:
        """Number of fields of `base` of each convolution."""
        return tuple(self.width * 2 ** (layer * STAGES // LAYERS) for layer in range(LAYERS))

    @property
    def branches(self) -> tuple[int, ...]:
        """Number of branches of each mixed layer, a skip among them; empty if the child is not mixed."""
        return branch_counts(len(self.mixed), self.layer_fields, skip=self.skip, head=not self.published)

    @property
    def layer_channels(self) -> tuple[int, ...]:
        """Number of channels of each convolution, whatever its group."""
        return tuple(PlanarGroup.of(self.base).order * fields for fields in self.layer_fields)

    @functools.cached_property
    def class_key(self) -> str:
        """The canonical class: the groups of all layers, with the augmentation if any."""
        content = {name: getattr(self, name) for name in (*self.class_fields, *(["augment"] if self.augment else []))}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @functools.cached_property
    def group(self) -> str:
        """The groups along the network, such as ``D4 x4, C4 x2, C1 x2``, or ``D4`` if it is one.

        The child as a whole is equivariant to the last of them, and a mixed one to what all its groups have in common.
        """
        return f"mixed over {', '.join(self.mixed)}" if self.mixed else groups_along(self.groups)

    @functools.cached_property
    def name(self) -> str:
        """The groups and what else was chosen, such as ``D4 x4, C4 x4, head C1``."""
        parts = [self.group]
        if self.head_group and not self.published and self.head_group != self.groups[-1]:
            parts.append(f"head {self.head_group}")
        said = {"with skip": self.skip, "summed": self.weighting == "sum", "published": self.published}
        return ", ".join([*parts, *(word for word, holds in said.items() if holds)])

    def with_groups(self, groups: tuple[str, ...], head_group: str = "") -> "EquiNASSpec":
        """Return the same child with other groups, not mixed.

        Args:
            groups: of the eight convolutions.
            head_group: of the dense layer; left out: the last convolution's.

        Raises:
            SpecError: groups that grow along the network, or another number of them.
        """
        return replace(self, groups=tuple(groups), head_group=head_group, mixed=(), **OF_MIXED)

    @property
    def layer_groups(self) -> tuple[str, ...]:
        """The groups of all layers that have one: the convolutions and, unless published, the dense layer."""
        return (*self.groups, *(() if self.published or self.mixed else (self.head_group,)))

    def with_layer_groups(self, groups: Sequence[str]) -> "EquiNASSpec":
        """Return the same child with other groups, in the form of `layer_groups`, not mixed."""
        wanted = LAYERS + (not self.published)
        if len(groups) != wanted:
            raise SpecError(f"groups is {list(groups)}; name one for each of the {wanted} layers that have one.")
        return self.with_groups(tuple(groups[:LAYERS]), "".join(groups[LAYERS:]))

    @property
    def tied_layers(self) -> tuple[LayerSymmetry, ...]:
        """The group of each tied layer in plain words."""
        return (mixture(self.mixed),) if self.mixed else super().tied_layers

    @property
    def moved_logits(self) -> Literal["equal", "nearly equal", "others"]:
        """Others with the published head, which is not tied."""
        return "others" if self.published else "equal"

    @property
    def symmetries(self) -> tuple[Generator, ...]:
        """Generators of the last group in the network; of a mixed child, of what all its groups have in common."""
        return shared_generators(self.mixed or (self.groups[-1] if self.published else self.head_group,), self.side)

    def augmenter(self, device: str) -> "Augmenter | None":
        """Return what moves the training images before every epoch, or None."""
        from aen.data.group_augmentation import GroupAugmenter  # it imports torch, which takes seconds

        del device
        return GroupAugmenter(self.augment, self.seed) if self.augment else None

    def augmented_instead(self) -> "EquiNASSpec | None":
        """Return the child of C1, augmented by the group of this child's first convolution instead."""
        if self.augment or self.mixed or self.groups[0] == "C1":
            return None
        return replace(self.with_layer_groups(["C1"] * len(self.layer_groups)), augment=self.groups[0], parent=None)

    def continues(self, parent: ChildSpec) -> bool:
        """Say whether a child of this spec computes what its parent does: relaxed, it does; discretised, not."""
        return isinstance(parent, EquiNASSpec) and (self.mixed, self.temperature) == (parent.mixed, parent.temperature)

    def relaxed(self, layer: int, group: str) -> "EquiNASSpec":
        """Return the same child with one layer relaxed.

        Args:
            layer: the convolution's place in `groups`, or one more for the dense layer, whose group becomes what it has
                in common with the last convolution's where it would not be a subgroup of that.
            group: a subgroup of the layer's group.

        Raises:
            SpecError: there is no such layer, or one of the groups is no subgroup of the one before.
        """
        if self.mixed:
            raise SpecError(f"a child that is {self.group} cannot be relaxed; discretise it first.")
        found = relaxed_groups(self.groups, self.head_group, layer, group, head_is_tied=not self.published)
        return self.with_groups(*found)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        lists = {name: list(getattr(self, name)) for name in ("groups", "mixed", "poolings")}
        return super().to_json() | lists | ({"alpha": [list(own) for own in self.alpha]} if self.alpha else {})

    @classmethod
    def parse(cls, value: JsonDict) -> dict[str, Any]:
        """Return the fields that JSON has in another form than the spec."""
        return super().parse(value) | ({"alpha": tuple(map(tuple, value["alpha"]))} if value.get("alpha") else {})
