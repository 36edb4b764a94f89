"""When the agent learns, beside stepping environments."""

import time
from types import SimpleNamespace

import pytest
import torch

from aen_agents.agents.dqn.collector import learner as module
from aen_agents.agents.dqn.collector.learner import MAX_PENDING, SHARE, Learner


class Model:
    """What a learner needs of a DQN; a transition's gradient steps take a while."""

    gradient_steps = 4
    batch_size = 8
    learning_starts = 2

    def __init__(self, seconds=0.0):
        self.num_timesteps = 0
        self.taken = 0
        self.seconds = seconds
        self.policy = SimpleNamespace(optimizer=torch.optim.Adam([torch.zeros(1)]))

    def train(self, gradient_steps, batch_size):
        assert batch_size == self.batch_size
        self.taken += gradient_steps
        time.sleep(self.seconds)


def learner_of(model, transitions):
    learner = Learner(model)
    for _ in range(transitions):
        model.num_timesteps += 1
        learner.add_transition()
    return learner


def test_it_owes_nothing_before_learning_starts():
    model = Model()
    assert learner_of(model, 2).pending == 0
    assert learner_of(model, 3).pending == 3


def test_what_is_owed_beyond_the_most_is_left_out_and_counted():
    learner = learner_of(Model(), MAX_PENDING + 7)
    assert learner.pending == MAX_PENDING
    assert learner.skipped == (MAX_PENDING + 7 - 2 - MAX_PENDING) * Model.gradient_steps


def test_where_nobody_waits_it_learns_all_it_owes():
    model = Model()
    learner = learner_of(model, 12)
    while learner.is_due(steps_wait=False):
        learner.learn()
    assert (learner.pending, model.taken) == (0, 10 * model.gradient_steps)


@pytest.mark.parametrize("walked", [0.0, 0.05])
def test_where_steps_wait_learning_has_its_share_and_no_more(walked, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock.now)
    model = Model()
    model.train = lambda **_: setattr(clock, "now", clock.now + 0.001)
    learner = learner_of(model, 200)
    learner.add_other_time(walked)
    taken = 0
    while learner.is_due(steps_wait=True):
        learner.learn()
        taken += 1
    # The share is of both together: of walking it is share / (1 - share).
    assert taken == pytest.approx(1000 * walked * SHARE / (1 - SHARE), abs=1)
    assert learner.pending == 198 - taken


def test_a_share_that_was_not_needed_is_not_saved_up():
    model = Model()
    learner = learner_of(model, 3)
    learner.add_other_time(1000.0)
    while learner.is_due(steps_wait=False):
        learner.learn()
    model.num_timesteps += 1
    learner.add_transition()
    assert not learner.is_due(steps_wait=True)
