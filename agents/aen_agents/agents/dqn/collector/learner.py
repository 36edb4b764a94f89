"""The learner: when a DQN learns, beside walking, and from how much."""

import time

from aen_agents.agents.dqn.model import SearchDQN

# Learning may lag behind by so many transitions; gradient steps due beyond are left out.
MOST_OWED = 256
# So much of the agent's time is for learning, however fast children come in.
SHARE = 0.25


class Learner:
    """Takes a DQN's gradient steps, those of one transition at a time.

    No worker waits for learning as long as it has had its share of the agent's time. Where children come in so fast
    that there is not enough of it for all gradient steps, those of some transitions are left out.

    Args:
        model: the DQN.

    Attributes:
        owed: transitions whose gradient steps have not been taken yet.
        left_out: how many gradient steps were never taken.
    """

    def __init__(self, model: SearchDQN) -> None:
        self.model = model
        self.owed = 0
        self.left_out = 0
        # Seconds since there last was nothing to learn: spent on learning, and on walking.
        self._learnt = self._walked = 0.0
        for group in model.policy.optimizer.param_groups:
            group["fused"] = True  # twice as fast, and other in the last bits: no matter here, where order is not fixed

    def owe(self) -> None:
        """Note that there is one more transition."""
        if self.model.num_timesteps <= self.model.learning_starts:
            return
        if self.owed < MOST_OWED:
            self.owed += 1
        else:
            self.left_out += self.model.gradient_steps

    def walked(self, seconds: float) -> None:
        """Note that the agent was at something else, not counting when it waited."""
        self._walked += seconds

    def is_due(self, *, somebody_waits: bool) -> bool:
        """Say whether to learn now."""
        if self.owed == 0:
            self._learnt = self._walked = 0.0
            return False
        return not somebody_waits or self._learnt < SHARE * (self._learnt + self._walked)

    def learn(self) -> None:
        """Take the gradient steps of one transition."""
        self.owed -= 1
        begun = time.perf_counter()
        self.model.train(gradient_steps=self.model.gradient_steps, batch_size=self.model.batch_size)
        self._learnt += time.perf_counter() - begun
