"""The configuration of a search: read from YAML and overrides, and validated; an unknown key is an error."""

from aen_agents.config.agent_section import AgentSection
from aen_agents.config.agents import (
    AGENTS,
    DQNConfig,
    EquiNASDConfig,
    EquiNASEConfig,
    ExhaustiveConfig,
    LayerwiseConfig,
    RacingConfig,
    StaticConfig,
)
from aen_agents.config.children import ChildSection, DenseConfig, EquiNASConfig, GCNNConfig
from aen_agents.config.evaluators import AUTO, ClusterConfig, EvaluatorSection, LocalConfig, RayConfig
from aen_agents.config.loading import load_config
from aen_agents.config.presets import PROJECT_CONFIGS, find_config, list_presets
from aen_agents.config.search import SearchConfig
from aen_agents.config.stages import BudgetConfig, SelectionConfig
from aen_agents.config.strategies import StrategyConfig
from aen_agents.config.yaml_file import read_yaml

__all__ = [
    "AGENTS",
    "AUTO",
    "PROJECT_CONFIGS",
    "AgentSection",
    "BudgetConfig",
    "ChildSection",
    "ClusterConfig",
    "DQNConfig",
    "DenseConfig",
    "EquiNASConfig",
    "EquiNASDConfig",
    "EquiNASEConfig",
    "EvaluatorSection",
    "ExhaustiveConfig",
    "GCNNConfig",
    "LayerwiseConfig",
    "LocalConfig",
    "RacingConfig",
    "RayConfig",
    "SearchConfig",
    "SelectionConfig",
    "StaticConfig",
    "StrategyConfig",
    "find_config",
    "list_presets",
    "load_config",
    "read_yaml",
]
