"""The section `child`: the kinds of child network, and which other sections each kind uses."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from aen.groups.grid import MAX_CELLS
from aen_agents.config.section import Section
from aen_agents.config.union import Kinds

_Side = Annotated[int, Field(gt=0, le=1000)]
_Length = Annotated[int, Field(gt=0, le=MAX_CELLS)]  # of a signal, for instance
HiddenGrid = _Side | tuple[_Length, _Length]


class ChildSection(Section):
    """The settings of a kind of child.

    Attributes:
        problem: the `aen_agents.problem.Problem` of the kind, as ``module:class``.
        sections: the sections it uses among those that only some kinds use: `alphabet`, `generators`, `space`.
        space_keys: the keys of `space` that it uses; None: all.
        environment_keys: the keys of `environment` that it uses besides those that every kind uses.
    """

    problem: ClassVar[str]
    sections: ClassVar[tuple[str, ...]]
    space_keys: ClassVar[tuple[str, ...] | None] = None
    environment_keys: ClassVar[tuple[str, ...]] = ("reward", "stop_action")

    if TYPE_CHECKING:  # a field of every kind, with its own name as the default

        @property
        def kind(self) -> str:
            """The kind's name."""


class DenseConfig(ChildSection):
    """A dense child network; see `aen.children.DenseSpec`."""

    problem: ClassVar[str] = "aen_agents.problem:DenseProblem"
    sections: ClassVar[tuple[str, ...]] = ("alphabet", "generators")

    kind: Literal["dense"] = Field("dense", description="what the child is made of")
    hidden: Annotated[tuple[HiddenGrid, ...], Field(min_length=1, max_length=100)] | Literal["auto"] = Field(
        (16, 16),
        description="hidden grids, sides or [rows, columns]; auto: two on which the factors act as on the images",
    )
    head: Literal["free", "invariant"] = Field("free", description="the layer after the last hidden grid")
    bias: Literal["orbit", "scalar_after_relu"] = Field("orbit", description="kind of the layers' bias")
    initialisation: Literal["fan_in", "published"] = Field("fan_in", description="range of the initial weights")
    layerwise: bool = Field(False, description="whether factors are chosen for each layer separately")

    @field_validator("hidden", mode="before")
    @classmethod
    def _is_list_of_grids(cls, value: object) -> object:
        """Refuse at once what is no list of grids: pydantic would report every alternative. Items are checked after."""
        pairs = [item for item in value if isinstance(item, list | tuple)] if isinstance(value, list | tuple) else []
        if any(len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair) for pair in pairs):  # noqa: PLR2004
            raise ValueError("a hidden grid that is not square is given by its rows and columns, such as [[8, 12]]")
        if value != "auto" and (not isinstance(value, list | tuple) or not value):
            raise ValueError("expected a list such as [16, 16], or auto")
        return value


class GCNNConfig(ChildSection):
    """A convolutional child network; see `aen.children.GCNNSpec`."""

    problem: ClassVar[str] = "aen_agents.problem:GCNNProblem"
    sections: ClassVar[tuple[str, ...]] = ("space",)
    environment_keys: ClassVar[tuple[str, ...]] = ("reward", "stop_action", "reference")

    kind: Literal["gcnn"] = Field("gcnn", description="what the child is made of")
    width: int = Field(20, gt=0, le=1000, description="fields of each convolution if the group is C1")
    widths: Literal["level", "published"] = Field(
        "level", description="how widths depend on the group; level: all children have about as many parameters"
    )
    kernel_size: int = Field(3, gt=0, le=15, description="side length of the convolutions' kernels")
    padding: Literal["none", "same"] = Field(
        "none", description="padding of the convolutions; same is for small images"
    )
    norm: Literal["none", "batch"] = Field("none", description="batch: batch norm before the ReLU of every convolution")
    head: Literal["flatten", "invariant"] = Field(
        "flatten", description="input of the dense layers; invariant: the mean over group and space"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout rate after the first dense layer")
    backend: Literal["native", "escnn"] = Field(
        "native", description="library of the convolutions; escnn also has finer rotations"
    )
    initialisation: Literal["fan_in", "published"] | None = Field(
        None,
        description="range of the convolutions' initial weights; published: by fields instead of channels; null: "
        "published without a norm, where networks of large groups hardly learn otherwise, else fan_in",
    )


class EquiNASConfig(ChildSection):
    """The backbone of EquiNAS, with a group for each layer; see `aen.children.EquiNASSpec`."""

    problem: ClassVar[str] = "aen_agents.problem:EquiNASProblem"
    sections: ClassVar[tuple[str, ...]] = ("space",)
    space_keys: ClassVar[tuple[str, ...] | None] = ("groups",)
    environment_keys: ClassVar[tuple[str, ...]] = ("inherit", "slices", "parameter_price", "actions")

    kind: Literal["equinas"] = Field("equinas", description="what the child is made of")
    base: str = Field("D4", description="the largest group: D4 or one of its subgroups")
    width: int = Field(16, gt=0, le=1000, description="fields of the largest group in the first four convolutions")
    kernel_size: int = Field(5, gt=0, le=15, description="side length of the convolutions' kernels; odd")
    dense: int | None = Field(
        None, gt=0, le=100_000, description="width of the dense layer; null: 64, or 128 for images of 64 pixels or more"
    )
    poolings: tuple[int, ...] | None = Field(
        None, description="numbers, from 1, of the convolutions that a pooling follows; null: down to a side of 4"
    )
    published: bool = Field(False, description="pooling, norm and head as published: not exactly equivariant")
    groups: tuple[str, ...] = Field(
        (), description="an architecture that is trained besides: the group of each convolution, and of the dense layer"
    )
    head_group: str = Field("", description="the dense layer's group, if groups leaves it out; empty: the last one")
    initialisation: Literal["fan_in", "published"] = Field(
        "fan_in", description="size of the convolutions' initial weights; published: larger for larger groups"
    )
    augment: str = Field(
        "", description="a group such as D4: before every epoch each training image is moved by a random element"
    )


CHILDREN = Kinds(ChildSection, key="kind", what="kind of child", built_in=(DenseConfig, GCNNConfig, EquiNASConfig))

ChildConfig = Annotated[ChildSection, CHILDREN]
