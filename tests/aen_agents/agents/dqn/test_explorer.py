"""The DQN agent against a made-up table of accuracies, so that its own behaviour is what is measured."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from helpers.made_up_table import GOOD, Table
from stable_baselines3.common.monitor import Monitor

import aen_agents.dqn
import aen_envs  # noqa: F401
from aen.children import DenseSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.groups import ALPHABETS
from aen_agents.agents.dqn.environment import make_environment
from aen_agents.agents.dqn.model import ScaledBits, SearchDQN, VisitRule, make_dqn
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import BudgetConfig, DQNConfig, load_config
from aen_agents.events import Event, Visited

NAMES = ("rot90", "hflip", "hshift(1/4)", "vshift(1/4)", "quadrants", "swap_lr")
CHILD = DenseSpec(data=DataSpec(), grids=(4, 4))


@pytest.fixture
def env() -> gym.Env[Any, Any]:
    return gym.make("aen/GroupDecomposition-v0", child=CHILD, alphabet=NAMES, evaluator=Table(), horizon=5)


@pytest.fixture
def make_visits(tmp_path: Path) -> Callable[..., Visits]:
    def make(*, children: int = 1000, steps: int = 1000, counted: str = "states", classes: int = 1000) -> Visits:
        return Visits(
            budget=BudgetConfig(children=children, steps=steps),
            counted=counted,  # type: ignore[arg-type]
            classes=classes,
            states=64,
            listener=lambda _: None,
            history=tmp_path / "history.jsonl",
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent").mkdir()
    return tmp_path


def paper() -> DQNConfig:
    agent = load_config(Path("configs/digits.yaml"), ["agent=dqn_paper"]).agent
    assert isinstance(agent, DQNConfig)
    return agent


def test_the_published_network(env: gym.Env[Any, Any], make_visits: Callable[..., Visits]) -> None:
    env = gym.make("aen/GroupDecomposition-v0", child=CHILD, alphabet=ALPHABETS["quarter"], evaluator=Table())
    model = make_dqn(paper(), env, make_visits(), seed=0)
    layers = [m for m in model.q_net.q_net if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == [(12, 400), (400, 400), (400, 400), (400, 12)]
    assert isinstance(model.policy.optimizer, torch.optim.Adam)
    assert model.policy.optimizer.param_groups[0]["lr"] == 1e-3
    assert model.max_grad_norm == float("inf")
    observation = torch.ones(1, 12)
    with torch.no_grad():
        assert torch.equal(model.q_net(observation), model.q_net.q_net(observation / 10))


def test_epsilon_follows_first_visits(make_visits: Callable[..., Visits]) -> None:
    visits = make_visits()
    rule = VisitRule(paper(), visits)
    expected = {0: 1.0, 199: 1.0, 200: 0.9, 299: 0.9, 300: 0.8, 799: 0.4, 800: 0.3, 900: 0.2, 950: 0.1, 1000: 0.05}
    for count, epsilon in expected.items():
        visits.seen_states = set(range(count))
        assert rule.epsilon() == epsilon, count
        assert rule.copy_target() == (count % 2 == 0), count


def test_epsilon_in_fractions_of_the_classes(make_visits: Callable[..., Visits]) -> None:
    visits = make_visits(counted="classes", classes=40)
    rule = VisitRule(DQNConfig(epsilon=((0, 1.0), (0.25, 0.5), (0.5, 0.1))), visits)
    seen = {}
    for count in range(41):
        visits.accuracy_of_class = {str(i): 0.0 for i in range(count)}
        seen[count] = rule.epsilon()
    assert [seen[i] for i in (0, 9, 10, 19, 20, 40)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]
    assert not rule.copy_target()


def test_epsilon_used_is_the_rules(env: gym.Env[Any, Any], make_visits: Callable[..., Visits], folder: Path) -> None:
    visits = make_visits(steps=60, counted="states")
    config = DQNConfig(
        first_visits="states", epsilon_unit="visits", epsilon=((0, 1.0), (5, 0.5), (9, 0.0)), learn_after=4
    )
    told: list[tuple[int, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Visited):
            told.append((event.visits, event.epsilon))

    visits.listener = listen
    explore(config, env, visits, seed=0, folder=folder)
    # The epsilon of a step was set after the step before it.
    for (before, _), (_, epsilon) in pairwise(told):
        assert epsilon == (1.0 if before < 5 else 0.5 if before < 9 else 0.0)


def test_the_first_gradient_step_comes_with_the_last_transition_needed(
    env: gym.Env[Any, Any], make_visits: Callable[..., Visits]
) -> None:
    updates = {}
    for steps in (127, 128, 130):
        visits = make_visits()
        env.reset(seed=0)
        model = make_dqn(paper(), env, visits, seed=0)
        model.learn(steps)
        updates[steps] = model._n_updates
    assert updates == {127: 0, 128: 1, 130: 3}


def test_every_transition_bootstraps_also_the_last_of_an_episode(
    env: gym.Env[Any, Any], make_visits: Callable[..., Visits]
) -> None:
    model = make_dqn(paper(), env, make_visits(), seed=0)
    model.learn(20)
    buffer = model.replay_buffer
    assert buffer is not None
    assert buffer.dones[:20].sum() == 4  # four episodes of five toggles ended
    samples = buffer._get_samples(np.arange(20))
    assert samples.dones.sum() == 0
    # The next observation of an episode's last transition is where it ended, not where the next one starts.
    moved = np.abs(buffer.next_observations[:20].astype(int) - buffer.observations[:20].astype(int)).sum(axis=(1, 2))
    assert (moved == 1).all()


def test_the_target_is_copied_while_the_count_is_even(
    env: gym.Env[Any, Any], make_visits: Callable[..., Visits]
) -> None:
    visits = make_visits()
    model = make_dqn(paper(), env, visits, seed=0)
    model.learn(1)

    def equal() -> bool:
        pairs = zip(model.q_net.parameters(), model.q_net_target.parameters(), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)

    for count, expected in ((3, False), (4, True)):
        with torch.no_grad():
            next(model.q_net.parameters()).add_(1.0)
        visits.seen_states = set(range(count))
        model._on_step()
        assert equal() is expected


@pytest.mark.slow
def test_the_default_agent_finds_the_good_pair(
    env: gym.Env[Any, Any], make_visits: Callable[..., Visits], folder: Path
) -> None:
    visits = make_visits(children=30, counted="classes", classes=64)
    explore(DQNConfig(), env, visits, seed=0, folder=folder)
    assert visits.best == pytest.approx(0.9)
    model = SearchDQN.load(folder / "agent" / "dqn.zip", device="cpu")
    action, _ = model.predict(np.zeros(6, dtype=np.int8), deterministic=True)
    assert NAMES[int(action)] in GOOD


def test_same_seed_same_walk(make_visits: Callable[..., Visits], folder: Path) -> None:
    walks = []
    for _ in range(2):
        env = gym.make("aen/GroupDecomposition-v0", child=CHILD, alphabet=NAMES, evaluator=Table(), horizon=5)
        visits = make_visits(steps=80)
        explore(DQNConfig(learn_after=8), Monitor(env), visits, seed=3, folder=folder)
        walks.append((folder / "history.jsonl").read_text())
    assert walks[0] == walks[1]


def test_a_space_without_an_environment_is_named() -> None:
    task = SimpleNamespace(space=object(), config=load_config(Path("configs/digits.yaml")))
    with pytest.raises(SpecError, match=r"there is no environment for a object; .* such as agent=exhaustive"):
        make_environment(task)  # type: ignore[arg-type]


def test_agents_of_earlier_versions_are_read(
    env: gym.Env[Any, Any], make_visits: Callable[..., Visits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScaledBits, "__module__", "aen_agents.dqn")  # where it was, and files name it by that
    env.reset(seed=0)
    model = make_dqn(paper(), env, make_visits(), seed=0)
    model.save(tmp_path / "dqn.zip")
    assert aen_agents.dqn.ScaledBits is ScaledBits
    assert SearchDQN.load(tmp_path / "dqn.zip").policy.features_extractor_class is ScaledBits
