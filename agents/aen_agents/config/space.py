"""The section `space`: the choices of a search of convolutional children."""

from typing import Annotated, Literal

from pydantic import Field

from aen_agents.config.section import Section


class SpaceConfig(Section):
    """The choices, for child.kind=gcnn; see `aen.spaces.GCNNSpace`. For child.kind=equinas: groups only, as a list."""

    groups: Literal["bits"] | tuple[str, ...] = Field(
        "bits", description="bits: rot90, vflip and hflip, each on or off; or a list of groups, C1 among them"
    )
    augmentations: tuple[str, ...] | None = Field(None, description="names of the augmentations; null: all six")
    size_factors: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        (1.0, 1.5), min_length=1, description="factors on all widths, 1 among them"
    )
    kernel_sizes: tuple[Annotated[int, Field(gt=0, le=15)], ...] | None = Field(
        None, min_length=1, description="kernel sizes of the convolutions; null: child.kernel_size only"
    )
    stage_widths: tuple[Annotated[float, Field(gt=0, le=100)], ...] = Field(
        (1.0,), min_length=1, description="factors on the widths of the first two and of the last two convolutions"
    )
