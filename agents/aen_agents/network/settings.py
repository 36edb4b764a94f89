"""The settings of `aen train`, and reading them from ``key=value``."""

from collections.abc import Sequence
from typing import Literal

import pydantic
from pydantic import Field

from aen._typing import JsonDict
from aen.errors import ConfigError
from aen_agents.config.errors import explain
from aen_agents.config.overrides import apply_override, parse_overrides
from aen_agents.config.section import Section

LEAST_EPOCHS = 30
TIMES = 3


class TrainSettings(Section):
    """How the winner of a search is trained longer; null: chosen from the search's own settings."""

    epochs: int | None = Field(
        None, gt=0, description=f"most epochs; null: {TIMES} times those of the search, at least {LEAST_EPOCHS}"
    )
    patience: int | None = Field(
        None, ge=0, description="stop after so many epochs without a better one; 0: never; null: a third of the epochs"
    )
    batch_size: int | None = Field(None, gt=0, description="images per gradient step; null: as in the search")
    learning_rate: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="learning rate of the first step; null: as in the search"
    )
    seed: int | None = Field(None, ge=0, description="seed; null: the winner's")
    start: Literal["initial", "winner"] | None = Field(
        None,
        description="weights to start from: new ones, or the winner's; null: the winner's for mixed children, whose "
        "alpha stays as the search left it, otherwise new ones",
    )
    device: str = Field("cpu", description="cpu, cuda, cuda:1 or auto")
    threads: int = Field(1, gt=0, description="CPU threads")
    augment: bool = Field(False, description="move every training image at random by the network's symmetries")


def read_settings(texts: Sequence[str], **given: object) -> TrainSettings:
    """Return settings from ``key=value`` texts and from options of the command line, of which None is not given.

    Raises:
        ConfigError: an unknown key or a value that does not fit.
    """
    content: JsonDict = {}
    for override in parse_overrides(texts):
        apply_override(content, override)
    content |= {name: value for name, value in given.items() if value is not None}
    try:
        return TrainSettings.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError("; ".join(explain(error, TrainSettings, {}).values())) from error
