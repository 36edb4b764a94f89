"""Training dqn_transfer, and the agent with the network that comes of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.strategy_runs import dense_space, images_test, run, view_of
from helpers.tables import DENSE_SPACE, GCNN_SPACE, drawn_table
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv

from aen.bench import Table
from aen.bench.table import WITHIN
from aen.errors import ConfigError
from aen_agents.agents.strategies.base import SearchView
from aen_agents.agents.transfer.environment import ClassChoiceEnv
from aen_agents.agents.transfer.features import Evidence
from aen_agents.agents.transfer.network import ClassQNetwork
from aen_agents.agents.transfer.policy_file import save_policy
from aen_agents.agents.transfer.strategy import TransferStrategy
from aen_agents.agents.transfer.training import SETTINGS, KnownTables, TableDQN, TablePolicy, known_of, train_policy
from aen_agents.compare.trace import run_strategy
from aen_agents.config.strategies import TransferConfig

QUICK = {"batch_size": 16, "buffer_size": 2000, "target_update_interval": 50}


def with_best(table: Table, wanted: np.ndarray) -> Table:
    """Return the table where classes with a feature are good, and all others alike."""
    accuracy = np.where(wanted, 0.8, 0.5)[:, None, None] * np.ones_like(table.results["validation_accuracy"])
    table.results["validation_accuracy"][:] = accuracy
    return table


def few_weights(table: Table) -> Table:
    from aen_agents.agents.strategies.features import features_of

    ties = features_of(table.definition.space).ties
    return with_best(table, ties == ties.max())


def test_it_learns_what_the_best_classes_have_in_common(tmp_path: Path) -> None:
    """The classes with the fewest weights are the best in each table: on another space it takes such a one first."""
    tables = [few_weights(drawn_table(DENSE_SPACE, number=number, name=f"drawn-{number}")) for number in range(2)]
    said: list[int] = []
    policy = train_policy(tables, steps=1000, seed=1, networks=2, progress=lambda steps, _: said.append(steps), **QUICK)
    assert said == sorted(said)
    assert said
    save_policy(policy.network, tmp_path / "policy.safetensors", policy.about)
    assert set(policy.about["tables"]) == {"drawn-0", "drawn-1"}
    other = few_weights(drawn_table(GCNN_SPACE, number=9))
    settings = TransferConfig(policy=str(tmp_path / "policy.safetensors"))
    trace = run_strategy(settings, tables[0], None, children=3, seed=0)
    assert tables[0].regret[trace[0].place] == 0
    trace = run_strategy(settings, other, None, children=5, seed=0)
    assert min(other.regret[trained.place] for trained in trace) == 0


def test_transitions_of_one_class_teach_the_rewards_of_the_others() -> None:
    lessons = [(table, known_of(table)) for table in [drawn_table(DENSE_SPACE)]]
    env = DummyVecEnv([lambda: ClassChoiceEnv(lessons, whole=1.0)])
    known = {"known": KnownTables([each for _, each in lessons])}
    model = TableDQN(TablePolicy, env, seed=0, policy_kwargs=known, **(SETTINGS | QUICK))
    model.set_logger(configure(None, []))
    before = env.reset()
    bad = int(np.argmax(lessons[0][0].regret))
    after, rewards, done, infos = env.step(np.array([bad]))
    for _ in range(20):  # no other class is ever trained
        model.replay_buffer.add(before, after, np.array([[bad]]), rewards, done, infos)
    model.train(gradient_steps=300, batch_size=16)
    with torch.no_grad():
        values = model.q_net({name: torch.as_tensor(value) for name, value in before.items()})
    best = int(values.argmax())
    assert lessons[0][0].regret[best] <= WITHIN
    assert abs(float(values[0, best]) - 1) < 0.3  # its reward, though it was never trained


def test_the_network_does_not_read_the_gains() -> None:
    lessons = [(table, known_of(table)) for table in (drawn_table(DENSE_SPACE), drawn_table(GCNN_SPACE))]
    env, known = ClassChoiceEnv(lessons), KnownTables([each for _, each in lessons])
    network = ClassQNetwork()
    observation = {name: torch.as_tensor(value)[None] for name, value in env.reset(seed=0)[0].items()}
    values = known.values(network, observation)
    torch.testing.assert_close(known.values(network, observation | {"gains": 1 - observation["gains"]}), values)
    assert (values[0, observation["open"][0] == 0] < -1e6).all()


def test_what_is_learnt_of_a_table_is_what_the_agent_sees() -> None:
    """The Q-values in training, in arrays that are filled up, are those of the strategy on the same table."""
    lessons = [(table, known_of(table)) for table in (drawn_table(DENSE_SPACE), drawn_table(GCNN_SPACE))]
    env, known = ClassChoiceEnv(lessons, whole=1.0), KnownTables([each for _, each in lessons])
    network = ClassQNetwork().eval()
    for number, (table, _) in enumerate(lessons):
        observation = env.reset(seed=0, options={"table": number})[0]
        for place in (1, 0):
            observation = env.step(place)[0]
        batch = {name: torch.as_tensor(value)[None] for name, value in observation.items()}
        in_training = known.values(network, batch)[0, : len(table.definition.classes)]
        view = SearchView(table.definition.space, None, 30, 1, 2, table.definition.child.data.validation, 0)
        strategy = TransferStrategy(view, TransferConfig())
        strategy._network = network
        evidence = Evidence(strategy._known, 30)
        for place in (1, 0):
            evidence.add(place, float(table.accuracy[place, env._seed]))
            evidence.asked += 1
        found = torch.from_numpy(strategy.values(evidence, [0, 1]))
        torch.testing.assert_close(found[2:], in_training[2:])


def test_the_same_seed_gives_the_same_network() -> None:
    tables = [drawn_table(DENSE_SPACE, number=1)]
    networks = [train_policy(tables, steps=200, seed=seed, networks=1, **QUICK).network for seed in (4, 4, 5)]
    first, second, third = (torch.cat([p.flatten() for p in network.parameters()]) for network in networks)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_held_out_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="table drawn is held out: agents are judged on it"):
        train_policy([drawn_table(part="held-out")], steps=100, seed=0)


def test_a_batch_has_different_classes_and_begins_with_the_single_choice() -> None:
    space = dense_space()

    def accuracy(candidate) -> float:
        return 0.5 + (hash_of(candidate.class_key) % 100) / 300

    def first_asked(together: int) -> list[str]:
        view = view_of(space, seeds=1, children=12, symmetry=images_test(space, hflip=9.0))
        asked, _ = run(TransferConfig(children_at_once=together), view, accuracy)
        return [candidate.class_key for candidate in asked]

    single, batches = first_asked(1), first_asked(4)
    assert len(set(batches)) == len(batches) == 12
    assert single[0] == batches[0]


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:6], "big")
