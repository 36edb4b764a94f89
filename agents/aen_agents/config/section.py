"""The base class of all sections of a configuration."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
