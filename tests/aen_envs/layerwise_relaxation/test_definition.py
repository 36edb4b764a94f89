"""Episodes against a definition worked out from groups and actions alone."""

import itertools
from dataclasses import replace
from functools import cache

import gymnasium
import numpy as np
import pytest
from helpers.relaxation_child import CHILD, FEW, TRAINING
from hypothesis import given, settings
from hypothesis import strategies as st

from aen.groups.planar import PlanarGroup
from aen_envs import LayerwiseRelaxationEnv


@cache
def may_relax(names, own, new, behind):
    """Whether a layer may be relaxed from one group to another, by the definition; the layer behind has a group."""
    own, new, behind = (PlanarGroup.of(name) for name in (own, new, behind))
    return behind <= new < own and not any(new < PlanarGroup.of(name) < own for name in names)


class _Expectation:
    """What must hold along an episode, worked out from the groups and the actions alone."""

    def __init__(self, env, names, child, price, inherit, slices, horizon):
        self.env, self.names, self.child, self.price = env, names, child, price
        self.inherit, self.slices, self.horizon = inherit, slices, horizon
        self.actions = list(itertools.product(range(len(child.layer_groups)), names[1:]))
        self.used, self.steps, self.rewards = 0, 0, []

    def start(self, outcome, groups):
        self.groups, self.parent = list(groups), None
        self._trained()
        self.first = self.now
        self._check(*outcome)

    def _trained(self):
        spec = self.child.with_layer_groups(self.groups)
        if self.inherit:
            spec = replace(spec, parent=self.parent)
        else:
            spec = replace(spec, training=replace(TRAINING, epochs=3 * (self.used + 1) / 10))
        self.now = self.env.evaluator.look_up(spec)
        self.spec, self.parent = spec, spec.key

    def legal(self, action):
        if action == len(self.actions) + 1:
            return True
        if self.used == self.slices:
            return False
        return action == len(self.actions) or self._may_relax(*self.actions[action])

    def _may_relax(self, layer, group):
        return may_relax(self.names, self.groups[layer], group, [*self.groups, "C1"][layer + 1])

    def step(self, outcome, action):
        observation, reward, terminated, truncated, info = outcome
        before, legal, stops = self.now, self.legal(action), action == len(self.actions) + 1
        self.steps += 1
        if legal and not stops:
            if action < len(self.actions):
                layer, group = self.actions[action]
                self.groups[layer] = group
            self.used += 1
            self._trained()
        growth = (self.now.parameters - before.parameters) / self.first.parameters
        gain = self.now.validation_accuracy - before.validation_accuracy
        assert reward == pytest.approx(gain - self.price * growth if legal else -0.01, abs=1e-12)
        self.rewards.append(reward if legal else 0.0)
        assert info["illegal"] == (not legal)
        assert terminated == stops
        assert truncated == (not stops and (self.used == self.slices or self.steps >= self.horizon))
        self._check(observation, info)

    def _check(self, observation, info):
        assert observation in self.env.observation_space
        assert observation.dtype == np.float32
        rows = observation[:-2].reshape(len(self.groups), len(self.names))
        assert [[name for name, bit in zip(self.names, row, strict=True) if bit] for row in rows] == [
            [group] for group in self.groups
        ]
        assert set(np.unique(rows)) <= {0, 1}
        assert observation[-2] == np.float32(self.now.validation_accuracy)
        assert observation[-1] == np.float32((self.slices - self.used) / self.slices)
        mask = [self.legal(action) for action in range(len(self.actions) + 2)]
        assert self.env.action_masks().tolist() == mask
        assert info["action_mask"].tolist() == mask
        expected = {
            "accuracy": self.now.validation_accuracy,
            "baseline_accuracy": self.first.validation_accuracy,
            "status": "ok",
            "state": sum(self.names.index(g) * len(self.names) ** place for place, g in enumerate(self.groups)),
            "factors": self.spec.name,
            "class_key": self.spec.class_key,
            "key": self.now.key,
            "group": self.spec.group,
            "parameters": self.now.parameters,
            "seconds": 0.25,
            "epochs": 0.3 * (self.used + 1),
            "slices_left": self.slices - self.used,
        }
        assert {name: info[name] for name in expected} == expected | {"epochs": pytest.approx(expected["epochs"])}
        assert set(info) == {*expected, "action_mask", "illegal", "looked_up"}


@settings(max_examples=50)
@given(
    data=st.data(),
    names=st.sampled_from([FEW, ("D4", "C1"), None]),
    inherit=st.booleans(),
    price=st.sampled_from([0.0, 0.5]),
    slices=st.integers(1, 12),
    horizon=st.integers(1, 14),
    published=st.booleans(),
)
def test_an_episode_obeys_its_definition(trainings, data, names, inherit, price, slices, horizon, published):
    seed = data.draw(st.integers(0, 9))
    child = replace(CHILD, published=published, head_group="", side=28 if published else 8)
    env = LayerwiseRelaxationEnv(
        child=child,
        groups=names,
        evaluator=trainings(),
        inherit=inherit,
        slices=slices,
        horizon=horizon,
        parameter_price=price,
        child_seed=seed,
    )
    known = names or ("D4", "C4", "D2d", "D2", "C2", "D1a", "D1v", "D1d", "D1", "C1")
    expect = _Expectation(env, known, child.with_seed(seed), price, inherit, slices, horizon)
    assert env.relaxations == tuple(expect.actions)
    assert env.action_space == gymnasium.spaces.Discrete(len(expect.actions) + 2)
    assert (env.train_action, env.stop_action) == (len(expect.actions), len(expect.actions) + 1)
    state = tuple(sorted(data.draw(st.lists(st.integers(0, 9), min_size=9, max_size=9))))[: len(child.layer_groups)]
    if not env.space.has(state):
        state = (0,) * 3 + (1,) * (len(state) - 3)
    options = data.draw(st.sampled_from([None, {"state": state}]))
    expect.start(env.reset(options=options), [known[n] for n in state] if options else ["D4"] * len(state))
    ended = False
    while not ended:
        legal = np.flatnonzero(env.action_masks()).tolist()
        action = data.draw(st.one_of(st.sampled_from(legal), st.integers(0, env.stop_action)))
        outcome = env.step(action)
        expect.step(outcome, action)
        ended = outcome[2] or outcome[3]
    growth = (expect.now.parameters - expect.first.parameters) / expect.first.parameters
    gain = expect.now.validation_accuracy - expect.first.validation_accuracy
    assert sum(expect.rewards) == pytest.approx(gain - price * growth, abs=1e-9)
    assert env.evaluator.kept == inherit
