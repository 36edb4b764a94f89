"""The section `data`: the images of a search."""

from typing import Any, Literal

import pydantic
from pydantic import Field

from aen.data.own.paths import is_own, own_path, placed
from aen_agents.config.section import Section
from aen_agents.config.written import show

# Sizes of the parts of data sets that have a name; those of own data are shares of what there is.
_SIZES = {"train": 600, "validation": 597, "test": 600}


class DataConfig(Section):
    """The images; see `aen.data.DataSpec`."""

    name: str = Field(
        "digits",
        description="name of the data set (`aen data list` shows them), or path of own data, which data.path also sets",
    )
    train: int | None = Field(None, gt=0, description="training images; null: 600, or 60 % of own data")
    validation: int | None = Field(
        None, gt=0, description="validation images, by which networks are chosen; null: 597, or 20 % of own data"
    )
    test: int | None = Field(
        None, gt=0, description="test images, used once, at the end; null: 600, or 20 % of own data"
    )
    split_seed: int = Field(0, ge=0, description="seed of the split")
    moves: tuple[str, ...] = Field((), description="generators by which each image is transformed once")
    angles: Literal["quarter", "any"] = Field(
        "quarter", description="angles of rot90 among the moves: quarter turns, or any angle"
    )
    moves_seed: int = Field(0, ge=0, description="seed of the moves")
    moved: float = Field(
        1.0, gt=0, le=1, description="share of the images that the moves are applied to; the others stay as they are"
    )
    split: Literal["random", "grouped"] | None = Field(
        None,
        description="grouped: classes in their proportions, near-duplicates and groups in one part; null: grouped for "
        "own data",
    )
    size: int | tuple[int, int] | None = Field(
        None, description="own data: side of the images, or [rows, columns]; null: chosen from the images"
    )
    channels: Literal["grey", "colour"] | None = Field(None, description="own data; null: grey if all images are grey")
    skip_broken: bool = Field(
        False, description="own data: leave out images that cannot be read, and files that lie in two classes"
    )
    lift_sign: bool = Field(False, description="own signals: append the negated signal, so that sign is a permutation")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _one_name(cls, content: Any) -> Any:  # noqa: ANN401 - of any value
        """Let `path` stand for a name that is a path."""
        if not isinstance(content, dict):
            return content
        content = dict(content)
        path = content.pop("path", None)
        if path is not None:
            if not isinstance(path, str) or not path:
                raise ValueError(f"path is {show(path)}; give the path of own data as text")
            name, path = content.get("name"), own_path(path)
            if name is not None and placed(str(name)) != path:
                raise ValueError(f"name is {show(name)} and path is {show(path)}; both name the data set, keep one")
            content["name"] = path
        elif isinstance(content.get("name"), str) and is_own(content["name"]):
            content["name"] = placed(content["name"])  # the run may be resumed from another folder
        return content

    @pydantic.model_validator(mode="after")
    def _sizes(self) -> "DataConfig":
        if not self.own:
            for part, size in _SIZES.items():
                if getattr(self, part) is None:
                    self.__dict__[part] = size
        return self

    @property
    def own(self) -> bool:
        """Whether the data set is own data."""
        return is_own(self.name)
