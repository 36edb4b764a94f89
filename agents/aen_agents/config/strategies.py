"""The sections of the agents that are search strategies: asked for children and told their results."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from aen_agents.config.agent_section import AgentSection

_MODULES = "aen_agents.agents.strategies"
_AT_ONCE = Field(
    None,
    gt=0,
    le=10_000,
    description="children that are trained side by side; null: as many as a cluster trains at a time, otherwise 1",
)


class StrategyConfig(AgentSection):
    """An agent that is asked for children and told their results; see `aen_agents.agents.strategies`.

    Attributes:
        strategy: its `aen_agents.agents.strategies.base.SearchStrategy`, as ``module:class``.
    """

    explorer: ClassVar[str] = f"{_MODULES}.explorer:StrategyExplorer"
    check_space: ClassVar[str | None] = f"{_MODULES}.checks:check_classes"
    strategy: ClassVar[str]
    counts_children: ClassVar[bool] = True
    knows_children_ahead: ClassVar[bool] = True


class RandomConfig(StrategyConfig):
    """Random search without replacement; see docs/agents/random.md."""

    strategy: ClassVar[str] = f"{_MODULES}.random:RandomSearch"

    name: Literal["random"] = Field("random", description="the algorithm")


class LocalSearchConfig(StrategyConfig):
    """Local search from the class without symmetry, with restarts; see docs/agents/local_search.md."""

    strategy: ClassVar[str] = f"{_MODULES}.local_search:LocalSearch"

    name: Literal["local_search"] = Field("local_search", description="the algorithm")


class EvolutionConfig(StrategyConfig):
    """Regularised evolution; see docs/agents/evolution.md."""

    strategy: ClassVar[str] = f"{_MODULES}.evolution:RegularisedEvolution"

    name: Literal["evolution"] = Field("evolution", description="the algorithm")
    population: int = Field(10, gt=0, le=10_000, description="classes in the population; the oldest one is removed")
    sample: int = Field(3, gt=0, le=10_000, description="classes drawn from it, of which the best is the parent")
    children_at_once: int | None = _AT_ONCE


class GreedyConfig(StrategyConfig):
    """Greedy forward selection of choices; see docs/agents/greedy.md."""

    strategy: ClassVar[str] = f"{_MODULES}.greedy:GreedySearch"

    name: Literal["greedy"] = Field("greedy", description="the algorithm")
    seeds: int = Field(3, gt=0, le=1000, description="seeds on which the best classes of a step are trained at most")

    @property
    def exploring_seeds(self) -> int:
        """The value of `seeds`."""
        return self.seeds


class SurrogateConfig(StrategyConfig):
    """A Gaussian process over the classes; see docs/agents/surrogate.md."""

    strategy: ClassVar[str] = f"{_MODULES}.surrogate:SurrogateSearch"

    name: Literal["surrogate"] = Field("surrogate", description="the algorithm")
    acquisition: Literal["expected_improvement", "thompson"] = Field(
        "expected_improvement", description="how the next class is chosen; thompson: the best of a draw from the model"
    )
    images: bool = Field(True, description="whether the model knows the symmetry test of the images, if it was made")
    children_at_once: int | None = _AT_ONCE


class TransferConfig(StrategyConfig):
    """A DQN that was trained on tables of many data sets; see docs/agents/dqn_transfer.md."""

    strategy: ClassVar[str] = "aen_agents.agents.transfer.strategy:TransferStrategy"
    check: ClassVar[str | None] = "aen_agents.agents.transfer.policy_file:check_policy"
    tables_learnt: ClassVar[str | None] = "aen_agents.agents.transfer.policy_file:tables_learnt"

    name: Literal["dqn_transfer"] = Field("dqn_transfer", description="the algorithm")
    policy: str | None = Field(
        None, description="file of a trained Q-network, as `aen bench transfer` writes it; null: the shipped one"
    )
    children_at_once: int | None = _AT_ONCE

    @field_validator("policy")
    @classmethod
    def _placed(cls, value: str | None) -> str | None:
        """Make the path absolute: the run may be resumed from another folder."""
        return None if value is None else str(Path(value).absolute())


class SymmetryTestConfig(StrategyConfig):
    """The class that the symmetry test suggests, then those like it; see docs/agents/symmetry_test.md."""

    strategy: ClassVar[str] = f"{_MODULES}.symmetry_test:SymmetryTestSearch"
    check_space: ClassVar[str | None] = f"{_MODULES}.checks:check_symmetries"
    needs_symmetry_test: ClassVar[bool] = True

    name: Literal["symmetry_test"] = Field("symmetry_test", description="the algorithm")
    per_tie: float = Field(
        0.5,
        ge=0,
        allow_inf_nan=False,
        description="evidence that weighs as much as one halving of the number of weights, more or less than the "
        "first class",
    )


class SuccessiveHalvingConfig(StrategyConfig):
    """Successive halving over epochs; see docs/agents/successive_halving.md."""

    strategy: ClassVar[str] = f"{_MODULES}.successive_halving:SuccessiveHalving"
    check: ClassVar[str | None] = f"{_MODULES}.checks:check_rungs"

    name: Literal["successive_halving"] = Field("successive_halving", description="the algorithm")
    reduction: int = Field(
        3, ge=2, le=1000, description="a rung has this many times fewer children than the one before"
    )
    first_epochs: int = Field(1, gt=0, description="the fewest epochs that a child is trained for")


class ZeroCostConfig(StrategyConfig):
    """Classes in the order of a score of the untrained network; see docs/agents/zero_cost.md."""

    strategy: ClassVar[str] = f"{_MODULES}.zero_cost:ZeroCostSearch"

    name: Literal["zero_cost"] = Field("zero_cost", description="the algorithm")
    classes: int = Field(1000, gt=0, description="classes that are scored at most, the most plausible ones first")


STRATEGIES: tuple[type[StrategyConfig], ...] = (
    RandomConfig,
    LocalSearchConfig,
    EvolutionConfig,
    GreedyConfig,
    SurrogateConfig,
    TransferConfig,
    SymmetryTestConfig,
    SuccessiveHalvingConfig,
    ZeroCostConfig,
)
