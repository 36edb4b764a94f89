"""GCNNSpec: a G-CNN child of AEN and its training."""

import functools
import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from aen._typing import Initialisation, JsonDict
from aen.children.gcnn_widths import DOUBLED, STAGES, GCNNShape, level_fields, maps_of, published_fields
from aen.children.spec import ChildSpec
from aen.data.augmentation_names import check_augmentations, check_group
from aen.errors import GroupError, SpecError, did_you_mean
from aen.groups.generators import Generator
from aen.groups.grid import Grid, as_grid, grid_text
from aen.groups.planar import PlanarGroup
from aen.groups.planar_generators import planar_generators

if TYPE_CHECKING:
    from aen.children.augmenter import Augmenter

GCNNHead = Literal["flatten", "invariant"]
Norm = Literal["none", "batch"]
Widths = Literal["level", "published", "published_doubled"]
Padding = Literal["none", "same"]
Backend = Literal["native", "escnn"]

MOST_FIELDS = 10_000
ESCNN_GROUPS = ("C1", "C2", "C4", "C8", "C16", "D1", "D2", "D4", "D8", "SO2")


@dataclass(frozen=True)
class GCNNSpec(ChildSpec):
    """A convolutional child tied by a planar group, and its training (AEN, arXiv 2104.04848).

    Four group convolutions with ReLU, 2x2 max pooling after the second and the fourth, then dense layers of 100 (ReLU,
    dropout) and 50.

    Attributes:
        side: of the images; rows and columns if they are not square: then the group has no quarter turns.
        channels: of the images.
        group: of the convolutions, by name: ``C1``, ``C4``, ``D1``, ``D1v``, ``D2``, ``D4``, ...
        augmentations: of the training images, see `aen.data.augmentation`; kept in their own order.
        size: factor on all widths.
        width: fields of each convolution at size 1 where the group is C1.
        stages: factors on the widths of the first two and the last two convolutions.
        widths: ``level`` keeps the number of parameters that C1 has, within 10 %, by the numbers of fields;
            ``published`` takes the published ones; ``published_doubled`` those of the published state with all three
            group bits, which is another network than D4: each of its elements stands twice in a field (see
            `aen.nn.doubled_conv`), and the first dense layer has 76 units.
        kernel_size: of the convolutions.
        padding: ``none``, as published, or ``same``, for small images.
        norm: ``batch`` puts a batch norm per field before every ReLU.
        head: what the dense layers read: ``flatten``, as published, all channels and cells, so that the child is not
            invariant; or ``invariant``, the mean of every field over group and space.
        dropout: after the first dense layer.
        backend: ``native`` or ``escnn``, which has more groups (C8, D8, C16, SO2) and fewer free filters per field.
        initialisation: of the convolutions: ``fan_in``, within ±1/sqrt(channels k^2) of the input, or ``published``,
            within ±1/sqrt(fields k^2); see `aen.nn.initialisation`.
        augment: a subgroup of D4: before every epoch each training image is moved by a random element, after the
            `augmentations`. Empty: none.
    """

    kind: ClassVar[str] = "gcnn"
    class_fields: ClassVar[tuple[str, ...]] = (
        *("group", "augmentations", "size", "width", "widths", "stages", "kernel_size"),
    )
    side_is: ClassVar[str] = "side is"
    chooses: ClassVar[str] = "choice"
    group_name_is_unique: ClassVar[bool] = True
    newer_fields: ClassVar[tuple[str, ...]] = ("initialisation", "augment")

    side: Grid = 28  # type: ignore[assignment]  # a square is an int here, too
    channels: int = 1
    group: str = "C1"
    augmentations: tuple[str, ...] = ()
    size: float = 1.0
    width: int = 20
    stages: tuple[float, ...] = (1.0, 1.0)
    widths: Widths = "level"
    kernel_size: int = 3
    padding: Padding = "none"
    norm: Norm = "none"
    head: GCNNHead = "flatten"
    dropout: float = 0.5
    backend: Backend = "native"
    initialisation: Initialisation = "fan_in"
    augment: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = {
            "widths": Widths,
            "padding": Padding,
            "norm": Norm,
            "head": GCNNHead,
            "backend": Backend,
            "initialisation": Initialisation,
        }
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value not in get_args(kind):
                raise SpecError(f"unknown {name} {value!r}{did_you_mean(str(value), get_args(kind))}.")
        self._check_group()
        object.__setattr__(self, "augmentations", check_augmentations(self.augmentations))
        object.__setattr__(self, "augment", check_group(self.augment))
        object.__setattr__(self, "stages", tuple(float(factor) for factor in self.stages))
        object.__setattr__(self, "size", float(self.size))
        object.__setattr__(self, "dropout", float(self.dropout) + 0.0)  # -0.0 and 0.0 must give one key
        object.__setattr__(self, "side", self._checked_grid())
        for name in ("side", "channels", "width", "kernel_size")[isinstance(self.side, tuple) :]:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise SpecError(f"{name} is {value!r}; it must be a whole number from 1 up.")
        if len(self.stages) != STAGES or not all(0 < factor < math.inf for factor in (self.size, *self.stages)):
            raise SpecError(
                f"size is {self.size} and stages {list(self.stages)}; give a factor above 0 for size and for each of "
                f"the {STAGES} stages."
            )
        widest = self.width * self.size * max(self.stages)
        if widest > MOST_FIELDS:
            raise SpecError(
                f"width {self.width} times size {self.size:g} times a stage's factor is {widest:g} fields; at most "
                f"{MOST_FIELDS:,} can be. Use smaller factors."
            )
        if not 0 <= self.dropout < 1:
            raise SpecError(f"dropout is {self.dropout}; it must be from 0 to below 1.")
        maps_of(self.side, self.kernel_size, padded=self.padding == "same")
        self._check_widths()

    def _checked_grid(self) -> Grid:
        """Return a square's side as it is, to be checked as a number, and other grids in their one form."""
        if not isinstance(self.side, tuple | list):
            return self.side
        try:
            grid = as_grid(self.side)
        except GroupError as error:
            raise SpecError(f"side: {error}") from error
        if isinstance(grid, int):
            return grid
        if self.backend != "native":
            raise SpecError(
                f"side is {grid_text(grid)}, but backend={self.backend!r} takes square images; use backend='native'."
            )
        if any((element.turn * 2).denominator != 1 for element in PlanarGroup.of(self.group).elements):
            raise SpecError(
                f"images of {grid_text(grid)} cannot be turned by the quarter turns of {self.group}; make them square, "
                "or offer groups without: C1, C2, D1, D1v, D2 (space.groups in a config)."
            )
        return grid

    def _check_widths(self) -> None:
        if self.widths == "level":
            return
        if set(self.stages) != {1.0}:
            raise SpecError(f"stages is {list(self.stages)}, but the published widths have none; use widths='level'.")
        published_fields(self.group, self.width * self.size, doubled=self.doubled)
        if self.doubled and self.backend != "native":
            raise SpecError(f"widths is {self.widths!r}, but backend is {self.backend!r}; use backend='native'.")

    def _check_group(self) -> None:
        if self.backend == "native":
            if self.group == "SO2" or not PlanarGroup.of(self.group).is_exact:
                raise SpecError(
                    f"group is {self.group}, which does not act exactly on pixels; use backend='escnn', or a subgroup "
                    "of D4."
                )
            object.__setattr__(self, "group", PlanarGroup.of(self.group).name)  # D1v and D1(1/2) must give one key
            return
        if self.group not in ESCNN_GROUPS:
            near = did_you_mean(self.group, ESCNN_GROUPS)
            raise SpecError(f"unknown group {self.group!r} of backend 'escnn'{near}.")
        if self.initialisation != "fan_in":
            raise SpecError(
                f"initialisation is {self.initialisation!r}, but backend='escnn' draws its own initial weights; leave "
                "initialisation out, or use backend='native'."
            )
        if self.padding != "none" or self.kernel_size % 2 == 0:
            raise SpecError(
                f"padding is {self.padding!r} and kernel_size {self.kernel_size}; backend='escnn' takes padding='none' "
                "and odd kernels."
            )

    @property
    def grid(self) -> Grid:
        """Rows and columns of the images; the side of square ones."""
        return self.side

    @property
    def doubled(self) -> bool:
        """Whether every element of the group stands twice in a field."""
        return self.widths == DOUBLED

    @functools.cached_property
    def fields(self) -> tuple[int, ...]:
        """Number of fields of each convolution."""
        if self.widths != "level":
            return published_fields(self.group, self.width * self.size, doubled=self.doubled)
        return level_fields(self.shape, self.group, self.width * self.size, self.stages)

    @property
    def shape(self) -> GCNNShape:
        """What the number of parameters depends on, besides the group and the numbers of fields."""
        return GCNNShape(
            side=self.side,
            channels=self.channels,
            classes=self.classes,
            kernel_size=self.kernel_size,
            padded=self.padding == "same",
            norm=self.norm == "batch",
            flatten=self.head == "flatten",
            escnn=self.backend == "escnn",
            doubled=self.doubled,
        )

    @property
    def key_version(self) -> str:
        """``child-5`` with a batch norm: the convolutions in front of it had a bias before."""
        return "child-5" if self.norm == "batch" else super().key_version

    @functools.cached_property
    def class_key(self) -> str:
        """The canonical class: group, augmentations, fields of each convolution and their kernels."""
        content = [
            self.group,
            self.augmentations,
            self.fields,
            self.kernel_size,
            *(["doubled"] if self.doubled else []),
            *([f"augment {self.augment}"] if self.augment else []),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @functools.cached_property
    def name(self) -> str:
        """Group, augmentations and what else was chosen, such as ``D4, rotation + hflip, x1.5``."""
        parts = [
            f"{self.group} twice" if self.doubled else self.group,
            " + ".join(self.augmentations) or "no augmentation",
            f"x{self.size:g}",
        ]
        if self.augment:
            parts.append(f"augmented by {self.augment}")
        if self.kernel_size != 3:  # noqa: PLR2004
            parts.append(f"{self.kernel_size}x{self.kernel_size}")
        if len(set(self.stages)) > 1 or self.stages[0] != 1:
            parts.append("stages " + "/".join(f"{factor:g}" for factor in self.stages))
        return ", ".join(parts)

    @property
    def symmetries(self) -> tuple[Generator, ...]:
        """Generators of the part of the group that moves pixels onto pixels."""
        group = "C4" if self.group == "SO2" else self.group  # of all turns, the quarter turns
        return planar_generators(PlanarGroup.of(group).elements, self.side)

    @property
    def other_choices(self) -> tuple[str, ...]:
        """Augmentations, size and kernel, where they are not the usual ones."""
        return tuple(part for part in self.name.split(", ")[1:] if part not in ("no augmentation", "x1"))

    @property
    def moved_logits(self) -> Literal["equal", "nearly equal", "others"]:
        """Others with a flattened head; nearly equal where the group does not map pixels onto pixels."""
        if self.head == "flatten":
            return "others"
        return "equal" if self.backend == "native" else "nearly equal"

    def augmenter(self, device: str) -> "Augmenter | None":
        """Return what augments the training images, or None."""
        from aen.children.augmenter import chained  # these import torch, which takes seconds
        from aen.data.augmentation import AffineAugmenter
        from aen.data.group_augmentation import GroupAugmenter

        del device
        parts: list[Augmenter] = [AffineAugmenter(self.augmentations, self.seed)] if self.augmentations else []
        parts += [GroupAugmenter(self.augment, self.seed)] if self.augment else []
        return chained(parts)

    def augmented_instead(self) -> "GCNNSpec | None":
        """Return the child of C1 with the other choices of this one, augmented by this child's group instead."""
        if self.augment or self.group in ("C1", "SO2") or not PlanarGroup.of(self.group).is_exact:
            return None
        widths = "published" if self.doubled else self.widths
        return self.with_choice(group="C1", widths=widths, augment=self.group)

    def with_choice(self, **changes: Any) -> "GCNNSpec":  # noqa: ANN401 - any of the fields
        """Return the same child with other fields.

        Raises:
            SpecError: a field that does not exist or a value that cannot be.
        """
        unknown = [name for name in changes if name not in self.__dataclass_fields__]
        if unknown:
            raise SpecError(f"unknown field {unknown[0]!r}{did_you_mean(unknown[0], self.__dataclass_fields__)}.")
        return replace(self, **changes)

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return super().to_json() | {"augmentations": list(self.augmentations), "stages": list(self.stages)}
