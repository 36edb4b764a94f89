"""Training dqn_transfer, and the agent with the network that comes of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.strategy_runs import dense_space, images_test, run, view_of
from helpers.tables import DENSE_SPACE, GCNN_SPACE, drawn_table

from aen.bench import Table
from aen.errors import ConfigError
from aen_agents.agents.transfer.policy_file import save_policy
from aen_agents.agents.transfer.training import train_policy
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
    policy = train_policy(tables, steps=800, seed=1, progress=lambda steps, _: said.append(steps), **QUICK)
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


def test_the_same_seed_gives_the_same_network() -> None:
    tables = [drawn_table(DENSE_SPACE, number=1)]
    networks = [train_policy(tables, steps=200, seed=seed, **QUICK).network for seed in (4, 4, 5)]
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
