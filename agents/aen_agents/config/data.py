"""The section `data`: the images of a search."""

from typing import Literal

from pydantic import Field

from aen_agents.config.section import Section


class DataConfig(Section):
    """The images; see `aen.data.DataSpec`."""

    name: str = Field("digits", description="name of the data set; `aen data list` shows them")
    train: int = Field(600, gt=0, description="training images")
    validation: int = Field(597, gt=0, description="validation images, by which networks are chosen")
    test: int = Field(600, gt=0, description="test images, used once, at the end")
    split_seed: int = Field(0, ge=0, description="seed of the split")
    moves: tuple[str, ...] = Field((), description="generators by which each image is transformed once")
    angles: Literal["quarter", "any"] = Field(
        "quarter", description="angles of rot90 among the moves: quarter turns, or any angle"
    )
    moves_seed: int = Field(0, ge=0, description="seed of the moves")
