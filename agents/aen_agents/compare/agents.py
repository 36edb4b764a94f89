"""The agents of a comparison, as the command line names them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aen._typing import JsonDict
from aen.bench import Table
from aen.errors import AenError, ConfigError
from aen_agents.agents.registry import check_agent
from aen_agents.config import AGENTS, SearchConfig, load_config
from aen_agents.config.loading import complete_config
from aen_agents.config.overrides import parse_overrides

# Agents that are published with an environment of their own, and the preset of a search that has it.
_PRESETS = {"dqn_paper": "digits_paper"}
_SECTIONS = ("agent", "environment", "budget")


@dataclass(frozen=True)
class ComparedAgent:
    """An agent of a comparison.

    Attributes:
        label: as it was given.
        config: a config whose sections `agent`, `environment` and `budget` are used.
    """

    label: str
    config: SearchConfig

    @property
    def settings(self) -> JsonDict:
        """What a run depends on, as JSON values; of the budget only the number of steps."""
        sections: JsonDict = {name: getattr(self.config, name).model_dump(mode="json") for name in _SECTIONS}
        if not self.config.agent.step_by_step:
            return {"agent": sections["agent"]}
        return sections | {"budget": {"steps": self.config.budget.steps}}

    @property
    def identity(self) -> str:
        """Text that is the same for agents with the same settings."""
        return json.dumps(self.settings, sort_keys=True)

    def check(self, table: Table) -> None:
        """Check that the agent can choose among the children of a table.

        Raises:
            ConfigError: it cannot.
        """
        agent, child = self.config.agent, table.definition.child
        kinds = agent.child_kinds
        if agent.trains_architectures or (kinds is not None and child.kind not in kinds):
            raise ConfigError(
                f"agent {self.label} cannot be run on table {table.name}: it does not choose among the classes of a "
                f"space of {child.kind} children. Leave it out."
            )
        if table.definition.class_keys is not None and not hasattr(agent, "strategy"):
            raise ConfigError(
                f"agent {self.label} cannot be run on table {table.name}, which has only a part of the classes of its "
                "space: only search strategies are told which. Leave it out."
            )
        try:
            check_agent(self.config, child, table.definition.space)
        except AenError as error:
            raise ConfigError(f"agent {self.label} cannot be run on table {table.name}: {error}") from error


def default_agents() -> list[str]:
    """Return the agents that are compared unless others are named: the strategies, and DQN as tuned and published."""
    strategies = [name for name, model in AGENTS.built_in.items() if hasattr(model, "strategy")]
    return [*strategies, "dqn", "dqn_paper"]


def read_agents(texts: Sequence[str]) -> list[ComparedAgent]:
    """Return the agents of a command line.

    Args:
        texts: each an agent's name, an agent file, or either with settings: ``dqn:learning_rate=0.01,layers=[64,64]``.
            Settings that begin with ``environment.`` or ``budget.`` are of those sections.

    Raises:
        ConfigError: there is no such agent or setting, or an agent is given twice.
    """
    found = [read_agent(text) for text in texts]
    by_settings: dict[str, str] = {}
    for agent in found:
        if agent.identity in by_settings:
            other = by_settings[agent.identity]
            same = "is given twice" if other == agent.label else f"has the same settings as {other}"
            raise ConfigError(f"agent {agent.label} {same}; leave one out.")
        by_settings[agent.identity] = agent.label
    return found


def read_agent(text: str) -> ComparedAgent:
    """Return an agent; see `read_agents`."""
    name, _, settings = text.partition(":")
    if not name:
        raise ConfigError(f"{text!r} names no agent; give a name, a file, or NAME:key=value,key=value.")
    overrides = [_sectioned(setting, text) for setting in _split(settings)]
    content: JsonDict = {"name": "compare", "agent": name}
    kinds = AGENTS[name].child_kinds if name in AGENTS else None
    if kinds is not None:  # a config has a child; that of the tables is compared by `ComparedAgent.check`
        content["child"] = {"kind": kinds[0]}
    if name in _PRESETS:
        preset = load_config(_PRESETS[name])
        content |= {"environment": preset.environment.model_dump(), "budget": {"steps": preset.budget.steps}}
    config = complete_config(content, parse_overrides(overrides), Path(), f"agent {text}")
    return ComparedAgent(text, config)


def _sectioned(setting: str, text: str) -> str:
    key = setting.partition("=")[0]
    if "=" not in setting:
        raise ConfigError(f"agent {text}: {setting!r} is no setting; give NAME:key=value,key=value.")
    return setting if key.partition(".")[0] in _SECTIONS and "." in key else f"agent.{setting}"


def _split(settings: str) -> list[str]:
    """Split settings at the commas that are not inside brackets."""
    parts: list[Any] = [""]
    depth = 0
    for letter in settings:
        depth += (letter in "[{(") - (letter in ")}]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
