"""The configuration of a search: its sections, and checks across them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic
from pydantic import ConfigDict, Field

from aen_agents.config.agents import AGENTS, AgentConfig, DQNConfig
from aen_agents.config.children import CHILDREN, ChildConfig, DenseConfig
from aen_agents.config.data import DataConfig
from aen_agents.config.environment import EnvironmentConfig
from aen_agents.config.evaluators import EVALUATORS, ClusterConfig, EvaluatorConfig, LocalConfig
from aen_agents.config.section import Section
from aen_agents.config.space import SpaceConfig
from aen_agents.config.stages import BudgetConfig, SelectionConfig
from aen_agents.config.training import TrainingConfig
from aen_agents.config.union import Kinds
from aen_agents.config.yaml_file import dump_yaml

# The sections that come in several kinds.
ALTERNATIVES: Mapping[str, Kinds[Any]] = {"agent": AGENTS, "child": CHILDREN, "evaluator": EVALUATORS}


class SearchConfig(Section):
    """A whole search."""

    model_config = ConfigDict(defer_build=True)  # see `Kinds`

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="start of the run folder's name: letters, digits, dots and dashes",
    )
    seed: int = Field(0, ge=0, lt=1_000_000, description="seed of the agent and of the children")
    data: DataConfig = DataConfig()
    alphabet: str | tuple[str, ...] = Field("quarter", description="published, quarter, signal, or a list of factors")
    generators: dict[str, tuple[tuple[int | tuple[int, ...], ...], ...]] = Field(
        {},
        description="your own generators: a permutation of the cells for each grid; for rectangles a list per row",
    )
    child: ChildConfig = DenseConfig()
    space: SpaceConfig = SpaceConfig()
    training: TrainingConfig = TrainingConfig()
    environment: EnvironmentConfig = EnvironmentConfig()
    budget: BudgetConfig = BudgetConfig()
    agent: AgentConfig = DQNConfig()
    selection: SelectionConfig = SelectionConfig()
    evaluator: EvaluatorConfig = LocalConfig()
    cluster: ClusterConfig = ClusterConfig()
    store: str | None = Field(
        None, min_length=1, description="file or SQLAlchemy URL of the results; null: results.sqlite in the run folder"
    )
    symmetry_test: bool = Field(
        True, description="test before exploring after which transformations the training images look the same"
    )
    debug: bool = Field(
        False, description="check that every child with inherited weights starts with its parent's outputs"
    )

    @pydantic.field_validator("store")
    @classmethod
    def _placed(cls, value: str | None) -> str | None:
        """Make a file's path absolute: the run may be resumed from another folder."""
        if value is not None and not value.isprintable() and any(ord(c) < 32 for c in value):  # noqa: PLR2004 - space
            raise ValueError("a line end or another control character cannot be part of it; leave it out")
        return value if value is None or "://" in value else str(Path(value).absolute())

    @pydantic.model_validator(mode="after")
    def _fits_the_child(self) -> "SearchConfig":
        """Refuse sections that only other kinds of child use: they would have no effect."""
        kind = self.child.kind
        for name in _used_by_some(CHILDREN, "sections"):
            if name not in self.child.sections and self._given(name):
                whose = " or ".join(other for other, model in CHILDREN.items() if name in model.sections)
                raise ValueError(f"{name} is for child.kind={whose}, but child.kind is {kind}; leave it out")
        keys = self.child.space_keys
        if keys is not None and self._given("space"):
            used = {key: getattr(self.space, key) for key in keys}
            if self.space != SpaceConfig(**used):
                raise ValueError(
                    f"only the keys {', '.join(keys)} of space apply to child.kind={kind}; leave the others out"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _environment_fits(self) -> "SearchConfig":
        """Refuse settings that only the environments of other kinds of child use."""
        kind, fields = self.child.kind, EnvironmentConfig.model_fields
        for name in _used_by_some(CHILDREN, "environment_keys"):
            value = getattr(self.environment, name)
            if name not in self.child.environment_keys and value != fields[name].default:
                whose = [other for other, model in CHILDREN.items() if name in model.environment_keys]
                why = f"is for child.kind={whose[0]}" if len(whose) == 1 else "is for other kinds of child"
                raise ValueError(
                    f"environment.{name} is {value!r}, which {why}, but child.kind is {kind}; leave it out"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _agent_fits(self) -> "SearchConfig":
        """Refuse an agent for another kind of child, and sections that it does not use."""
        kinds = self.agent.child_kinds
        if kinds is not None and self.child.kind not in kinds:
            raise ValueError(
                f"agent {self.agent.name} is for child.kind={' or '.join(kinds)}, but child.kind is {self.child.kind}"
            )
        if getattr(self.child, "groups", ()) and not self.agent.trains_architectures:
            fitting = ", ".join(name for name, model in AGENTS.items() if model.trains_architectures)
            raise ValueError(
                f"child.groups names an architecture, which the agents {fitting} train, but agent is "
                f"{self.agent.name}; leave it out, or choose one of them"
            )
        if self.agent.needs_symmetry_test and not self.symmetry_test:
            raise ValueError(
                f"symmetry_test is false, but agent {self.agent.name} needs the symmetry test of the images; leave it "
                "out, or choose another agent"
            )
        for name in self.agent.unused_sections:
            if self._given(name):
                raise ValueError(f"{name} does not apply to agent {self.agent.name}; leave it out")
        return self

    @pydantic.model_validator(mode="after")
    def _selection_fits(self) -> "SearchConfig":
        """Refuse a selection stage whose test images exploring may have seen, where all images are split into three."""
        train = self.selection.train
        if train is not None and self.data.train is not None and train < self.data.train:
            raise ValueError(
                f"selection.train is {train}, below data.train={self.data.train}; give at least as many, or null"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _evaluator_fits(self) -> "SearchConfig":
        """Refuse settings that only other evaluators use."""
        kind = self.evaluator.kind
        for name in _used_by_some(EVALUATORS, "sections"):
            if name not in self.evaluator.sections and self._given(name):
                whose = " or ".join(other for other, model in EVALUATORS.items() if name in model.sections)
                raise ValueError(f"{name} is for evaluator.kind={whose}, but evaluator.kind is {kind}; leave it out")
        if self.environment.collect == "asynchronous" and not self.evaluator.parallel:
            whose = " or ".join(other for other, model in EVALUATORS.items() if model.parallel)
            raise ValueError(
                f"environment.collect is 'asynchronous', which is for evaluator.kind={whose}, but evaluator.kind is "
                f"{kind}; leave it out"
            )
        return self

    def _given(self, name: str) -> bool:
        """Return whether a section differs from its default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def to_yaml(self) -> str:
        """Return every value, defaults included, as YAML that `load_config` reads."""
        return dump_yaml(self.model_dump(mode="json"))


def _used_by_some(kinds: Kinds[Any], variable: str) -> Iterable[str]:
    """Return the names that a class variable lists in any kind, each once."""
    return dict.fromkeys(name for model in kinds.values() for name in getattr(model, variable))
