"""How many children the DQN agent visits before it finds the hidden group, beside a random walk.

Every class of configs/digits.yaml is trained once per seed first, so that both walk over the same table. Run:
python benchmarks/bench_agents.py.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import gymnasium as gym
from common import print_table

import aen_envs  # noqa: F401 - registers the environments
from aen.evaluators import LocalEvaluator, evaluate
from aen.groups import Decomposition, enumerate_classes
from aen.results.store import ResultStore
from aen.training import cpu_threads
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import PROJECT_CONFIGS, DQNConfig, SearchConfig, load_config
from aen_agents.events import Event, Visited
from aen_agents.problem import alphabet_of, child_of


def children_until_found(
    config: SearchConfig,
    agent: DQNConfig,
    evaluator: LocalEvaluator,
    *,
    child_seed: int,
    agent_seed: int,
    classes: int,
) -> int:
    """Return the number of classes visited when the hidden group is first among them (the budget, if never)."""
    child = child_of(config)
    wanted = child.with_decomposition(Decomposition.of(config.data.moves)).class_key
    found: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Visited) and event.class_key == wanted:
            found.append(event.visits)

    env = gym.make(
        "aen/GroupDecomposition-v0",
        child=child,
        alphabet=alphabet_of(config),
        evaluator=evaluator,
        reward=config.environment.reward,
        horizon=config.environment.horizon,
        child_seed=child_seed,
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "agent").mkdir()
        visits = Visits(
            budget=config.budget,
            counted="classes",
            classes=classes,
            states=2 ** len(alphabet_of(config)),
            listener=listen,
            history=folder / "history.jsonl",
        )
        explore(agent, env, visits, seed=agent_seed, folder=folder)
    return found[0] if found else config.budget.children


def main() -> None:
    """Train the table, then walk over it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="children's seeds")
    parser.add_argument("--walks", type=int, default=6, help="agent's seeds for each")
    parser.add_argument("--store", type=Path, help="keep the table here")
    options = parser.parse_args()
    config = load_config(PROJECT_CONFIGS / "digits.yaml")
    table = enumerate_classes(alphabet_of(config), child_of(config).grids)
    with tempfile.TemporaryDirectory() as place, cpu_threads(1):
        evaluator = LocalEvaluator(ResultStore(options.store or Path(place) / "table.sqlite"))
        for seed in range(options.seeds):
            child = child_of(config).with_seed(seed)
            evaluate(evaluator, [child.with_decomposition(table.decomposition(c)) for c in table.classes])
        rows = []
        agents = {"DQN": config.agent, "random walk": config.agent.model_copy(update={"epsilon": ((0.0, 1.0),)})}
        for name, agent in agents.items():
            counts = [
                children_until_found(
                    config,
                    agent,
                    evaluator,
                    child_seed=seed,
                    agent_seed=1000 * seed + walk,
                    classes=len(table.classes),
                )
                for seed in range(options.seeds)
                for walk in range(options.walks)
            ]
            within = sum(count < config.budget.children for count in counts)
            quantiles = statistics.quantiles(counts, n=10)
            rows.append((name, statistics.median(counts), f"{quantiles[8]:.0f}", f"{within} of {len(counts)}"))
    heads = ["agent", "median", "90 % quantile", f"found before {config.budget.children}"]
    print_table("Children visited until the hidden group is found, of 148 classes", heads, rows)


if __name__ == "__main__":
    main()
