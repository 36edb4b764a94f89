"""The section `child`: the kinds of child network."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from aen_agents.config.section import Section


class DenseConfig(Section):
    """A dense child network; see `aen.children.DenseSpec`."""

    kind: Literal["dense"] = Field("dense", description="what the child is made of")
    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field((16, 16), min_length=1, description="hidden grids' sides")
    head: Literal["free", "invariant"] = Field("free", description="what stands after the last hidden grid")
    bias: Literal["orbit", "scalar_after_relu"] = Field("orbit", description="the layers' bias")
    initialisation: Literal["fan_in", "published"] = Field("fan_in", description="range of the initial weights")
    layerwise: bool = Field(False, description="whether each layer chooses factors of its own")


class GCNNConfig(Section):
    """A convolutional child network; see `aen.children.GCNNSpec`."""

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


class EquiNASConfig(Section):
    """The backbone of EquiNAS, with a group for each layer; see `aen.children.EquiNASSpec`."""

    kind: Literal["equinas"] = Field("equinas", description="what the child is made of")
    base: str = Field("D4", description="the largest group: D4 or one of its subgroups")
    width: int = Field(16, gt=0, le=1000, description="fields of the largest group in the first four convolutions")
    kernel_size: int = Field(5, gt=0, le=15, description="of the convolutions, odd")
    dense: int | None = Field(None, gt=0, description="width of the dense layer; null: 64, and 128 from 64 pixels up")
    poolings: tuple[int, ...] | None = Field(
        None, description="convolutions, from 1, that are followed by a pooling; null: down to a side of 4"
    )
    published: bool = Field(False, description="pooling, norm and head as published: not exactly equivariant")


CHILDREN: Mapping[str, type[BaseModel]] = {"dense": DenseConfig, "gcnn": GCNNConfig, "equinas": EquiNASConfig}


def _child_kind(value: object) -> str | None:
    """Say which kind of child a section is about: the one it names, dense if it names none."""
    return str(value.get("kind", "dense")) if isinstance(value, dict) else getattr(value, "kind", None)


ChildConfig = Annotated[
    Annotated[DenseConfig, Tag("dense")]
    | Annotated[GCNNConfig, Tag("gcnn")]
    | Annotated[EquiNASConfig, Tag("equinas")],
    Discriminator(_child_kind),
]
