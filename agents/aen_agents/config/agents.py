"""The section `agent`: the agents, their settings, and what each of them can do."""

from typing import Annotated, ClassVar, Literal, get_args

import pydantic
from pydantic import Field

from aen_agents.config.agent_section import AgentSection
from aen_agents.config.sb3_agents import SB3_AGENTS
from aen_agents.config.strategies import STRATEGIES
from aen_agents.config.union import Kinds


class DQNConfig(AgentSection):
    """The DQN agent. The defaults are the tuned ones; configs/agents/dqn_paper.yaml has the published ones."""

    explorer: ClassVar[str] = "aen_agents.agents.dqn.explorer:DQNExplorer"
    step_by_step: ClassVar[bool] = True

    name: Literal["dqn"] = Field("dqn", description="the algorithm")
    first_visits: Literal["classes", "states"] = Field(
        "classes", description="what the budget and epsilon's schedule count"
    )
    layers: tuple[Annotated[int, Field(gt=0, le=10_000)], ...] = Field(
        (128, 128), min_length=1, max_length=20, description="widths of the Q-network's hidden layers"
    )
    input_scale: float = Field(1.0, gt=0, description="factor on the bits that the Q-network reads")
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False, description="learning rate of Adam")
    discount: float = Field(0.5, ge=0, lt=1, description="factor on the value of the next state")
    batch_size: int = Field(64, gt=0, le=100_000, description="transitions per gradient step")
    replay_size: int = Field(10_000, gt=0, le=10_000_000, description="transitions that the replay buffer holds")
    learn_after: int = Field(32, gt=0, description="transitions collected before the first gradient step")
    gradient_steps: int = Field(4, gt=0, le=10_000, description="per environment step")
    max_gradient_norm: float | None = Field(10.0, gt=0, description="null: no clipping")
    target_update: Literal["even_children"] | Annotated[int, Field(gt=0)] = Field(
        50,
        description="steps between updates of the target network; even_children: at every step while the count is even",
    )
    epsilon_unit: Literal["fraction", "visits"] = Field(
        "fraction", description="unit of the schedule's thresholds: fractions of the number of classes, or visits"
    )
    epsilon: tuple[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0, le=1)]], ...] = Field(
        ((0.0, 1.0), (0.08, 0.6), (0.16, 0.4), (0.24, 0.3)),
        min_length=1,
        description="pairs (threshold, epsilon), ascending; the first threshold is 0",
    )

    @pydantic.field_validator("epsilon")
    @classmethod
    def _ascending(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        starts = [start for start, _ in value]
        if starts[0] != 0 or sorted(set(starts)) != starts:
            raise ValueError("the thresholds must start at 0 and ascend")
        return value


class ExhaustiveConfig(AgentSection):
    """The exhaustive agent, which trains every class of the space; see docs/agents/exhaustive.md."""

    explorer: ClassVar[str] = "aen_agents.agents.exhaustive:ExhaustiveExplorer"
    check_space: ClassVar[str | None] = "aen_agents.agents.chosen_states:check_states"
    knows_children_ahead: ClassVar[bool] = True

    name: Literal["exhaustive"] = Field("exhaustive", description="the algorithm")
    seeds: int = Field(1, gt=0, le=1000, description="seeds on which each class is trained; 2 or more give intervals")
    states: Literal["all", "singles"] | tuple[tuple[str, ...], ...] = Field(
        "all",
        description="states whose classes are trained, and the baseline; singles: those with one factor; or a list of "
        "lists of factors, such as [[rot90], [rot90, hflip]]",
    )

    @property
    def exploring_seeds(self) -> int:
        """The value of `seeds`."""
        return self.seeds


class RacingConfig(AgentSection):
    """The racing agent: every class on one seed, then the best on more and more seeds; see docs/agents/racing.md."""

    explorer: ClassVar[str] = "aen_agents.agents.racing:RacingExplorer"
    counts_children: ClassVar[bool] = True
    knows_children_ahead: ClassVar[bool] = True

    name: Literal["racing"] = Field("racing", description="the algorithm")
    seeds: int = Field(10, gt=1, le=1000, description="seeds on which a class is trained at most")
    first_round: float = Field(
        0.5, gt=0, le=1, description="part of the budget that the first round may use, which trains classes on one seed"
    )
    later_rounds: float = Field(
        0.34, gt=0, le=1, description="part of the budget left that each later round may use, the best classes first"
    )
    level: float = Field(
        0.05, gt=0, lt=1, description="probability with which a round drops the best class, over all its comparisons"
    )

    @property
    def exploring_seeds(self) -> int:
        """The value of `seeds`."""
        return self.seeds


Baseline = Literal[
    "static_c1",
    "static_c4",
    "static_d4",
    "c4_from_d4",
    "c1_from_d4",
    "c1_from_c4",
    "rpp",
    "random_architecture",
    "random_steps",
]
Subgroups = Literal["all", "published"] | tuple[str, ...]


class LayerwiseConfig(AgentSection):
    """The settings that all agents share which choose a group for each layer.

    Attributes:
        methods: ``module:function`` that returns the agent's own methods, from the section, the child and its groups.
        published_subgroups: the groups that ``subgroups: published`` stands for.
    """

    explorer: ClassVar[str] = "aen_agents.agents.layerwise.explorer:LayerwiseExplorer"
    trains_slices: ClassVar[bool] = True
    check: ClassVar[str | None] = "aen_agents.agents.layerwise.registry:methods_of"
    child_kinds: ClassVar[tuple[str, ...] | None] = ("equinas",)
    unused_sections: ClassVar[tuple[str, ...]] = ("environment", "budget", "selection")
    trains_architectures: ClassVar[bool] = True
    methods: ClassVar[str]
    published_subgroups: ClassVar[tuple[str, ...]]

    subgroups: Subgroups = Field(
        "published", description="groups that layers may have: published, all, or a list with the largest among them"
    )
    steps: Literal["published", "all"] = Field(
        "published",
        description="how a generation may relax the last layer; published: only its mirrorings or only its rotations; "
        "all: to every subgroup",
    )
    seeds: int = Field(1, gt=0, le=100, description="seeds on which each method is run; 2 or more give intervals")
    baselines: tuple[Baseline, ...] = Field(
        get_args(Baseline),
        description="methods that are run for comparison; static_c1, no symmetry, is always among them",
    )

    @property
    def exploring_seeds(self) -> int:
        """The value of `seeds`."""
        return self.seeds


class EquiNASEConfig(LayerwiseConfig):
    """EquiNAS_E, evolution over groups per layer; see docs/agents/equinas_e.md."""

    methods: ClassVar[str] = "aen_agents.agents.layerwise.equinas_e:methods"
    published_subgroups: ClassVar[tuple[str, ...]] = ("D4", "C4", "C2", "D1", "C1")

    name: Literal["equinas_e"] = Field("equinas_e", description="the algorithm")
    generations: int = Field(
        50,
        ge=0,
        le=100_000,
        description="generations after the start; it and each of them train an equal part of training.epochs",
    )
    population: int = Field(5, gt=0, le=10_000, description="networks that are kept from one generation to the next")
    selection: Literal["accuracy", "pareto"] = Field(
        "accuracy",
        description="how networks are selected; pareto: the whole front of validation error and number of parameters, "
        "filled up to population by accuracy",
    )
    unique: bool = Field(False, description="whether only the best network of each architecture is kept")
    networks: tuple[Literal["retrain", "random_select", "random_static"], ...] = Field(
        (),
        description="further methods: the found architecture trained from scratch; a population chosen at random; the "
        "best of random_networks random architectures",
    )
    random_networks: int = Field(30, gt=0, le=1000, description="architectures that random_static trains on each seed")


class EquiNASDConfig(LayerwiseConfig):
    """EquiNAS_D, differentiable search over groups per layer; see docs/agents/equinas_d.md."""

    methods: ClassVar[str] = "aen_agents.agents.layerwise.equinas_d:methods"
    published_subgroups: ClassVar[tuple[str, ...]] = ("D4", "C4", "D2", "C2", "D1", "C1")

    name: Literal["equinas_d"] = Field("equinas_d", description="the algorithm")
    alpha_learning_rate: float = Field(1e-3, ge=0, allow_inf_nan=False, description="learning rate of Adam for alpha")
    alpha_data: Literal["same", "halves"] = Field(
        "same",
        description="images for alpha; same: other batches of the weights' images; halves: a half of its own",
    )
    prior: bool = Field(False, description="whether alpha starts at 0 for the largest group and at -2 for the others")
    skip: bool = Field(False, description="whether the identity is an additional branch")
    temperature: tuple[Annotated[float, Field(ge=1e-3, le=1e3)], Annotated[float, Field(ge=1e-3, le=1e3)]] = Field(
        (1.0, 1.0), description="temperature of the softmax in the first and in the last epoch"
    )
    networks: tuple[Literal["discrete", "warm", "retrain", "random_z", "random_mixture"], ...] = Field(
        ("discrete", "warm"),
        description="further networks: of the strongest groups, from scratch or from the mixed weights; mixed with the "
        "found alpha, from scratch; mixed with alpha's gradient permuted; mixed with random alpha",
    )


class StaticConfig(LayerwiseConfig):
    """No search: the baselines, and the architecture that child.groups names; see docs/agents/equinas_e.md."""

    methods: ClassVar[str] = "aen_agents.agents.layerwise.registry:no_methods"
    published_subgroups: ClassVar[tuple[str, ...]] = EquiNASEConfig.published_subgroups

    name: Literal["static"] = Field("static", description="the algorithm")
    baselines: tuple[Baseline, ...] = Field(
        ("static_c1", "static_c4", "static_d4"),
        description="methods that are run; static_c1, no symmetry, is always among them",
    )


AGENTS = Kinds(
    AgentSection,
    key="name",
    what="agent",
    group="aen.agents",
    built_in=(
        DQNConfig,
        ExhaustiveConfig,
        RacingConfig,
        *STRATEGIES,
        *SB3_AGENTS,
        EquiNASEConfig,
        EquiNASDConfig,
        StaticConfig,
    ),
)

AgentConfig = Annotated[AgentSection, AGENTS]
