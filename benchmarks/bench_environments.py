"""Steps a second of the environments over a table: what an agent pays for a step beside its own work.

No child is trained: a `TabularEvaluator` makes accuracies up from the class keys. "New" are the steps of a random walk
into states that the process has not met, with the table of classes known; "warm" is the same walk again. Both include
the resets at each horizon. The second table has the environments over benchmark tables (`aen.bench`), beside
Gymnasium's CartPole, one at a time and thousands of walks at once. Times are CPU seconds of this process, so that other
processes beside it matter little.
Run: python benchmarks/bench_environments.py [--steps 20000].
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from common import print_table

import aen_envs
from aen.bench import Table, TableDefinition
from aen.bench.files import COLUMNS
from aen.children import ChildSpec, DenseSpec
from aen.evaluators import TabularEvaluator
from aen.groups import Alphabet
from aen.results import Evaluation
from aen.spaces import DecompositionSpace, LayerwiseDecompositionSpace

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "aen/GroupDecomposition-v0": {"child": DenseSpec(grids=(28, 20, 20)), "alphabet": "published"},
    "aen/LayerwiseGroup-v0": {"child": DenseSpec(grids=(8, 16, 16)), "alphabet": "quarter"},
    "aen/GCNNDesign-v0": {},
    "aen/LayerwiseRelaxation-v0": {"inherit": False, "slices": 20},
}
NUM_ENVS = 8
WALKS = 4096  # of a vector over a benchmark table


def made_up(spec: ChildSpec) -> Evaluation:
    """Return an evaluation whose accuracy is made of the class key."""
    accuracy = int(spec.class_key, 16) % 1009 / 1009
    return Evaluation(spec.key, spec.class_key, 0, "ok", 0.0, 0.0, 0.0, accuracy, 1000, 1, 0.1, "table", 1)


def table() -> TabularEvaluator:
    """Return an evaluator that makes each evaluation once."""
    known: dict[str, Evaluation] = {}

    def look_up(spec: ChildSpec) -> Evaluation:
        found = known.get(spec.key)
        if found is None:
            found = known[spec.key] = made_up(spec)
        return found

    return TabularEvaluator(look_up)


def know_classes(environment: gymnasium.Env[Any, Any]) -> None:
    """Load the table of classes, as a search does before it starts."""
    space = environment.unwrapped.space  # type: ignore[attr-defined]
    if isinstance(space, DecompositionSpace | LayerwiseDecompositionSpace):
        _ = space.table


def walk(environment: gymnasium.Env[Any, Any], steps: int, states: set[int]) -> float:
    """Return the CPU seconds of a random walk; its states, if `info` has them, are added to `states`."""
    random = np.random.default_rng(0)
    space = environment.action_space
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise TypeError(space)
    every = np.ones(int(space.n), np.int8)  # environments without illegal actions give no mask
    mask = environment.reset(seed=0)[1].get("action_mask", every)
    started = time.process_time()
    for draw in random.random(steps):
        legal = np.flatnonzero(mask)
        _, _, terminated, truncated, info = environment.step(legal[int(draw * len(legal))])
        if terminated or truncated:
            _, info = environment.reset()
        mask = info.get("action_mask", every)
        states.add(info.get("state", 0))
    return time.process_time() - started


def vector_walk(envs: gymnasium.vector.VectorEnv[Any, Any, Any], steps: int) -> float:
    """Return the CPU seconds of random walks side by side."""
    random = np.random.default_rng(0)
    space = envs.single_action_space
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise TypeError(space)
    every = np.ones((NUM_ENVS, int(space.n)), np.int8)
    mask = envs.reset(seed=0)[1].get("action_mask", every)
    started = time.process_time()
    for draws in random.random((steps // NUM_ENVS, NUM_ENVS)):
        counts = mask.sum(axis=1)
        places = (draws * counts).astype(int) + 1
        actions = (np.cumsum(mask, axis=1) >= places[:, None]).argmax(axis=1)
        mask = envs.step(actions)[4].get("action_mask", every)
    return time.process_time() - started


def median(run: Callable[[], float]) -> float:
    """Return the median of five runs."""
    return sorted(run() for _ in range(5))[2]


def drawn_table() -> Table:
    """Return a table of the published space whose results are drawn at random."""
    space = DecompositionSpace(DenseSpec(grids=(28, 20, 20)), Alphabet.of("published"))
    definition = TableDefinition("drawn", "training", space, (0, 1, 2))
    random = np.random.default_rng(0)
    shape = (len(definition.classes), 3, 1)
    results = {name: random.uniform(0.5, 0.9, shape) for name in COLUMNS}
    return Table(definition, (10,), results, random.integers(1, 1000, shape[0]), {})


def table_rows(steps: int) -> list[tuple[str, ...]]:
    """Return the rows of environments over a benchmark table, and of CartPole."""
    arguments: dict[str, Any] = {"table": drawn_table(), "horizon": 50}
    environment_id = "aen/GroupDecompositionTabular-v0"
    rows = []
    cases = ((environment_id, arguments), (environment_id, arguments | {"observe": "full"}), ("CartPole-v1", {}))
    for name, settings in cases:
        environment = gymnasium.make(name, **settings)
        number = steps // 5 if "observe" in settings else steps
        walk(environment, number, set())
        taken = median(lambda environment=environment, number=number: walk(environment, number, set()))  # type: ignore[misc]
        rows.append((_named(name, settings), "1", f"{number / taken:,.0f}"))
    for name, settings in cases:
        envs = gymnasium.make_vec(name, num_envs=WALKS, vectorization_mode="vector_entry_point", **settings)
        number = 200 if "observe" not in settings else 20
        taken = median(lambda envs=envs, number=number: array_walk(envs, number))  # type: ignore[misc]
        rows.append((_named(name, settings), f"{WALKS:,}", f"{number * WALKS / taken:,.0f}"))
    return rows


def _named(name: str, settings: dict[str, Any]) -> str:
    return f'{name}, observe="full"' if "observe" in settings else name


def array_walk(envs: gymnasium.vector.VectorEnv[Any, Any, Any], steps: int) -> float:
    """Return the CPU seconds of random walks as arrays."""
    space = envs.single_action_space
    if not isinstance(space, gymnasium.spaces.Discrete):
        raise TypeError(space)
    actions = np.random.default_rng(0).integers(space.n, size=(20, WALKS))
    envs.reset(seed=0)
    started = time.process_time()
    for step in range(steps):
        envs.step(actions[step % len(actions)])
    return time.process_time() - started


def main() -> None:
    """Time every environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    steps: int = parser.parse_args().steps
    rows = []
    for environment_id, arguments in ENVIRONMENTS.items():
        for horizon in (6, 50):
            settings = arguments | {"horizon": horizon, "evaluator": table()}
            environment = gymnasium.make(environment_id, **settings)
            know_classes(environment)
            states: set[int] = set()
            first = walk(environment, steps, states)
            warm = median(lambda environment=environment, states=states: walk(environment, steps, states))  # type: ignore[misc]
            envs = gymnasium.make_vec(environment_id, num_envs=NUM_ENVS, **settings)
            side_by_side = median(lambda envs=envs: vector_walk(envs, steps))  # type: ignore[misc]
            new = "" if horizon > 6 else f"{1000 * max(first - warm, 0) / len(states):.3f} ms ({len(states):,} states)"
            name = aen_envs.registry.find_environment(environment.unwrapped.space).class_name  # type: ignore[attr-defined]
            rows.append((name, horizon, new, f"{steps / warm:,.0f}", f"{steps / side_by_side:,.0f}"))
    heads = ["environment", "horizon", "a new state", "steps a second, warm", f"the same, {NUM_ENVS} in a vector"]
    print_table("Steps over a table, one core", heads, rows)
    heads = ["environment", "walks", "steps a second"]
    print_table("Steps over a benchmark table, one core", heads, table_rows(steps))


if __name__ == "__main__":
    main()
