"""The section `child`: the kinds of child network, and what a search of each kind consists of."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from aen_agents.config.section import Section
from aen_agents.config.union import Kinds


class ChildSection(Section):
    """The settings of a kind of child.

    Attributes:
        problem: the `aen_agents.problem.Problem` of the kind, as ``module:class``.
        sections: which of the sections that only some kinds use it uses: `alphabet`, `generators`, `space`.
        space_keys: which keys of `space` it uses; None: all.
        environment_keys: which keys of `environment` it uses beside those that every kind does.
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
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field((16, 16), min_length=1, description="hidden grids' sides")
    head: Literal["free", "invariant"] = Field("free", description="what stands after the last hidden grid")
    bias: Literal["orbit", "scalar_after_relu"] = Field("orbit", description="the layers' bias")
    initialisation: Literal["fan_in", "published"] = Field("fan_in", description="range of the initial weights")
    layerwise: bool = Field(False, description="whether each layer chooses factors of its own")


class GCNNConfig(ChildSection):
    """A convolutional child network; see `aen.children.GCNNSpec`."""

    problem: ClassVar[str] = "aen_agents.problem:GCNNProblem"
    sections: ClassVar[tuple[str, ...]] = ("space",)
    environment_keys: ClassVar[tuple[str, ...]] = ("reward", "stop_action", "reference")

    kind: Literal["gcnn"] = Field("gcnn", description="what the child is made of")
    width: int = Field(20, gt=0, le=1000, description="fields of each convolution where the group is C1")
    widths: Literal["level", "published"] = Field(
        "level", description="level: all groups' children have about as many parameters"
    )
    kernel_size: int = Field(3, gt=0, le=15, description="of the convolutions")
    padding: Literal["none", "same"] = Field("none", description="same is for small images")
    norm: Literal["none", "batch"] = Field("none", description="batch norm before every ReLU of a convolution, or none")
    head: Literal["flatten", "invariant"] = Field(
        "flatten", description="what the dense layers read; invariant: the mean over group and space"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="after the first dense layer")
    backend: Literal["native", "escnn"] = Field("native", description="escnn has finer turns, too")


class EquiNASConfig(ChildSection):
    """The backbone of EquiNAS, with a group for each layer; see `aen.children.EquiNASSpec`."""

    problem: ClassVar[str] = "aen_agents.problem:EquiNASProblem"
    sections: ClassVar[tuple[str, ...]] = ("space",)
    space_keys: ClassVar[tuple[str, ...] | None] = ("groups",)
    environment_keys: ClassVar[tuple[str, ...]] = ("inherit", "slices", "parameter_price")

    kind: Literal["equinas"] = Field("equinas", description="what the child is made of")
    base: str = Field("D4", description="the largest group: D4 or one of its subgroups")
    width: int = Field(16, gt=0, le=1000, description="fields of the largest group in the first four convolutions")
    kernel_size: int = Field(5, gt=0, le=15, description="of the convolutions, odd")
    dense: int | None = Field(None, gt=0, description="width of the dense layer; null: 64, and 128 from 64 pixels up")
    poolings: tuple[int, ...] | None = Field(
        None, description="convolutions, from 1, that are followed by a pooling; null: down to a side of 4"
    )
    published: bool = Field(False, description="pooling, norm and head as published: not exactly equivariant")


CHILDREN = Kinds(ChildSection, key="kind", what="kind of child", built_in=(DenseConfig, GCNNConfig, EquiNASConfig))

if TYPE_CHECKING:
    ChildConfig = ChildSection
else:
    ChildConfig = CHILDREN.annotation()
