"""The section `training`: how a child is trained."""

from typing import Literal

from pydantic import Field

from aen_agents.config.section import Section


class TrainingConfig(Section):
    """How a child is trained; see `aen.children.TrainingSpec`."""

    epochs: float = Field(30, gt=0, allow_inf_nan=False, description="epochs; a whole number for dense children")
    batch_size: int = Field(64, gt=0, description="images per gradient step")
    learning_rate: float = Field(1e-2, gt=0, allow_inf_nan=False, description="learning rate of the optimiser")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 needs CUDA")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="dense children support adam only")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
