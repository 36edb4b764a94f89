"""The sections of the agents that are algorithms of Stable-Baselines3 and sb3-contrib as they are."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from aen_agents.config.agent_section import AgentSection

Layers = tuple[Annotated[int, Field(gt=0, le=10_000)], ...]


class SB3Config(AgentSection):
    """An algorithm of Stable-Baselines3 on the search's environment; see `aen_agents.agents.sb3`.

    Attributes:
        algorithm: its class, as ``module:class``.
        package: the distribution that has it.
    """

    explorer: ClassVar[str] = "aen_agents.agents.sb3.explorer:SB3Explorer"
    check: ClassVar[str | None] = "aen_agents.agents.sb3.checks:check_package"
    step_by_step: ClassVar[bool] = True
    algorithm: ClassVar[str]
    package: ClassVar[str] = "stable-baselines3"

    layers: Layers = Field(
        (64, 64), min_length=1, max_length=20, description="widths of the hidden layers of the agent's networks"
    )
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False, description="learning rate of Adam")
    discount: float = Field(0.5, ge=0, lt=1, description="factor on the value of the next state")

    @abstractmethod
    def arguments(self, environments: int) -> dict[str, Any]:
        """Return the algorithm's own arguments.

        Args:
            environments: that step side by side.
        """

    def policy_arguments(self) -> dict[str, Any]:
        """Return the arguments of the algorithm's policy."""
        return {"net_arch": list(self.layers)}


class PPOConfig(SB3Config):
    """Proximal policy optimisation; see docs/agents/ppo.md."""

    algorithm: ClassVar[str] = "stable_baselines3:PPO"

    name: Literal["ppo"] = Field("ppo", description="the algorithm")
    rollout_steps: int = Field(32, gt=1, le=100_000, description="steps between two updates, of each environment")
    batch_size: int = Field(32, gt=1, le=100_000, description="steps per gradient step")
    epochs: int = Field(10, gt=0, le=1000, description="passes over the steps of a rollout at an update")
    trace_decay: float = Field(0.95, ge=0, le=1, description="lambda of the generalised advantage estimate")
    clip_range: float = Field(0.2, gt=0, le=1, description="by how much an update may change a probability ratio")
    entropy: float = Field(0.01, ge=0, allow_inf_nan=False, description="weight of the policy's entropy in the loss")

    def arguments(self, environments: int) -> dict[str, Any]:
        """Return PPO's arguments."""
        steps = self.rollout_steps * environments
        return {
            "n_steps": self.rollout_steps,
            "batch_size": min(self.batch_size, steps),
            "n_epochs": self.epochs,
            "gae_lambda": self.trace_decay,
            "clip_range": self.clip_range,
            "ent_coef": self.entropy,
        }


class MaskablePPOConfig(PPOConfig):
    """PPO that never chooses an illegal action; see docs/agents/maskable_ppo.md."""

    algorithm: ClassVar[str] = "sb3_contrib:MaskablePPO"
    package: ClassVar[str] = "sb3-contrib"

    name: Literal["maskable_ppo"] = Field("maskable_ppo", description="the algorithm")  # type: ignore[assignment]


class QRDQNConfig(SB3Config):
    """DQN that learns quantiles of the return; see docs/agents/qrdqn.md."""

    algorithm: ClassVar[str] = "sb3_contrib:QRDQN"
    package: ClassVar[str] = "sb3-contrib"

    name: Literal["qrdqn"] = Field("qrdqn", description="the algorithm")
    quantiles: int = Field(25, gt=0, le=1000, description="quantiles of the return of each action")
    batch_size: int = Field(64, gt=0, le=100_000, description="transitions per gradient step")
    replay_size: int = Field(10_000, gt=0, le=10_000_000, description="transitions that the replay buffer holds")
    learn_after: int = Field(32, gt=0, description="transitions collected, by random actions, before learning")
    gradient_steps: int = Field(1, gt=0, le=10_000, description="per environment step")
    target_update: int = Field(50, gt=0, description="steps between updates of the target network")
    exploration_steps: float = Field(
        0.05, gt=0, le=1, description="part of budget.steps in which epsilon falls from 1 to final_epsilon"
    )
    final_epsilon: float = Field(0.3, ge=0, le=1, description="probability of a random action afterwards")

    def arguments(self, environments: int) -> dict[str, Any]:
        """Return QR-DQN's arguments."""
        return {
            "buffer_size": self.replay_size,
            "learning_starts": self.learn_after,
            "batch_size": self.batch_size,
            "train_freq": 1,
            "gradient_steps": self.gradient_steps * environments,
            "target_update_interval": max(self.target_update, environments),
            "exploration_fraction": self.exploration_steps,
            "exploration_final_eps": self.final_epsilon,
        }

    def policy_arguments(self) -> dict[str, Any]:
        """Return the arguments of the policy."""
        return {**super().policy_arguments(), "n_quantiles": self.quantiles}


SB3_AGENTS = (PPOConfig, QRDQNConfig, MaskablePPOConfig)
