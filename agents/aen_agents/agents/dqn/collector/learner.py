"""Learner: takes a DQN's gradient steps while children are being trained."""

import time

from aen_agents.agents.dqn.model import SearchDQN

# Learning may lag behind by so many transitions; the gradient steps of further ones are skipped.
MAX_PENDING = 256
# The least share of the agent's time that learning gets, however fast children are done.
SHARE = 0.25


class Learner:
    """Takes a DQN's gradient steps, those of one transition at a time.

    Workers do not wait for learning once it has had its share of the agent's time. Where children are done so fast that
    there is not enough time for all gradient steps, those of some transitions are skipped.

    Args:
        model: the DQN.

    Attributes:
        pending: transitions whose gradient steps have not been taken yet.
        skipped: how many gradient steps were never taken.
    """

    def __init__(self, model: SearchDQN) -> None:
        self.model = model
        self.pending = 0
        self.skipped = 0
        # Seconds since nothing was pending: of learning, and of everything else.
        self._learning = self._other = 0.0
        for group in model.policy.optimizer.param_groups:
            group["fused"] = True  # twice as fast; the last bits differ, but here the order is not fixed either

    def add_transition(self) -> None:
        """Note that the replay buffer has one more transition."""
        if self.model.num_timesteps <= self.model.learning_starts:
            return
        if self.pending < MAX_PENDING:
            self.pending += 1
        else:
            self.skipped += self.model.gradient_steps

    def add_other_time(self, seconds: float) -> None:
        """Note time that the agent spent on other work; waiting does not count."""
        self._other += seconds

    def is_due(self, *, steps_wait: bool) -> bool:
        """Return whether to learn now.

        Args:
            steps_wait: whether an environment's children are done, so that its step could be taken instead.
        """
        if self.pending == 0:
            self._learning = self._other = 0.0
            return False
        return not steps_wait or self._learning < SHARE * (self._learning + self._other)

    def learn(self) -> None:
        """Take the gradient steps of one transition."""
        self.pending -= 1
        started = time.perf_counter()
        self.model.train(gradient_steps=self.model.gradient_steps, batch_size=self.model.batch_size)
        self._learning += time.perf_counter() - started
