"""The configuration of a whole search: its sections, and what does not go together."""

from collections.abc import Mapping
from pathlib import Path

import pydantic
import yaml
from pydantic import Field

from aen_agents.config.agents import AGENTS, AgentConfig, DQNConfig, LayerwiseConfig
from aen_agents.config.children import CHILDREN, ChildConfig, DenseConfig
from aen_agents.config.data import DataConfig
from aen_agents.config.environment import EnvironmentConfig
from aen_agents.config.errors import Alternatives
from aen_agents.config.evaluators import EVALUATORS, ClusterConfig, EvaluatorConfig, LocalConfig
from aen_agents.config.section import Section
from aen_agents.config.space import SpaceConfig
from aen_agents.config.stages import BudgetConfig, SelectionConfig
from aen_agents.config.training import TrainingConfig

# The sections of which there are several kinds.
ALTERNATIVES: Mapping[str, Alternatives] = {
    "agent": Alternatives("name", "agent", AGENTS),
    "child": Alternatives("kind", "kind of child", CHILDREN),
    "evaluator": Alternatives("kind", "evaluator", EVALUATORS),
}


class SearchConfig(Section):
    """A whole search."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="it begins the run folder's name: letters, digits, dots and dashes",
    )
    seed: int = Field(0, ge=0, lt=1_000_000, description="of the agent and of the children")
    data: DataConfig = DataConfig()
    alphabet: str | tuple[str, ...] = Field("quarter", description="published, quarter, or a list of factors")
    generators: dict[str, tuple[tuple[int, ...], ...]] = Field(
        {}, description="your own generators: a permutation of the cells for each grid"
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
    debug: bool = Field(False, description="check of every child with inherited weights that it begins as its parent")

    @pydantic.field_validator("store")
    @classmethod
    def _placed(cls, value: str | None) -> str | None:
        """Make a file's path absolute: who goes on with the run may be in another folder."""
        return value if value is None or "://" in value else str(Path(value).absolute())

    @pydantic.model_validator(mode="after")
    def _fits_the_child(self) -> "SearchConfig":
        """Refuse what another kind of child or agent alone heeds: it would be without effect."""
        kind = self.child.kind
        for name, whose in {"space": ("gcnn", "equinas"), "alphabet": ("dense",), "generators": ("dense",)}.items():
            if kind not in whose and self._given(name):
                raise ValueError(
                    f"{name} is for child.kind={' or '.join(whose)}, but child.kind is {kind}; leave it out"
                )
        if kind == "equinas" and self._given("space") and self.space != SpaceConfig(groups=self.space.groups):
            raise ValueError("of space only groups is for child.kind=equinas; leave the rest out")
        return self

    @pydantic.model_validator(mode="after")
    def _environment_fits(self) -> "SearchConfig":
        """Refuse settings of other kinds' environments."""
        kind = self.child.kind
        environment, fields = self.environment, EnvironmentConfig.model_fields
        relaxes = kind == "equinas"
        for name in ("reward", "stop_action") if relaxes else ("inherit", "slices", "parameter_price"):
            if getattr(environment, name) != fields[name].default:
                why = "is for other kinds of child" if relaxes else "is for child.kind=equinas"
                raise ValueError(
                    f"environment.{name} is {getattr(environment, name)!r}, which {why}, but child.kind is {kind}; "
                    "leave it out"
                )
        if kind != "gcnn" and self.environment.reference != "untied":
            raise ValueError(
                f"environment.reference is {self.environment.reference!r}, which is for child.kind=gcnn, but "
                f"child.kind is {kind}; leave it out"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _agent_fits(self) -> "SearchConfig":
        """Refuse an agent for another kind of child, and sections that it does not heed."""
        kind = self.child.kind
        if isinstance(self.agent, LayerwiseConfig):
            if kind != "equinas":
                raise ValueError(f"agent {self.agent.name} is for child.kind=equinas, but child.kind is {kind}")
            for name in ("environment", "budget", "selection"):
                if self._given(name):
                    raise ValueError(
                        f"{name} is for agents that walk, but the agent is {self.agent.name}; leave it out"
                    )
        return self

    @pydantic.model_validator(mode="after")
    def _evaluator_fits(self) -> "SearchConfig":
        """Refuse what only another evaluator heeds."""
        if self.evaluator.kind != "ray":
            if self._given("cluster"):
                raise ValueError("cluster is for evaluator.kind=ray, but evaluator.kind is local; leave it out")
            if self.environment.collect == "asynchronous":
                raise ValueError(
                    "environment.collect is 'asynchronous', which is for evaluator.kind=ray, but evaluator.kind is "
                    "local; leave it out"
                )
        return self

    def _given(self, name: str) -> bool:
        """Say whether a section says something."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def to_yaml(self) -> str:
        """Return every value, defaults too, as YAML that `load_config` reads."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
        return text
