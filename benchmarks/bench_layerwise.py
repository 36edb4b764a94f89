"""What the DQN agent finds where each layer chooses its own factors, beside a random walk and random states.

All walk over configs/digits_layerwise.yaml, 21,904 classes, with one store, so that nothing is trained twice. Run:
python benchmarks/bench_layerwise.py.
"""

import argparse
import tempfile
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
from common import print_table

import aen_envs  # noqa: F401 - registers the environments
from aen.evaluators import LocalEvaluator, evaluate
from aen.results.store import ResultStore
from aen.spaces import Space
from aen.statistics import Estimate, estimate, paired_difference
from aen.training import cpu_threads
from aen_agents.agents.dqn.sb3_loop import explore
from aen_agents.agents.dqn.visits import Visits
from aen_agents.config import PROJECT_CONFIGS, DQNConfig, SearchConfig, load_config
from aen_agents.events import Event, Visited
from aen_agents.problem import alphabet_of, child_of, space_of

AT = (25, 50, 100)  # children


def walked(config: SearchConfig, agent: DQNConfig, space: Space, evaluator: LocalEvaluator) -> list[float]:
    """Return the accuracies of the classes that an agent visits, in the order of the first visits."""
    found: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Visited) and event.first:
            found.append(event.accuracy)

    child = child_of(config)
    env = gym.make(
        "aen/LayerwiseGroup-v0",
        child=child,
        alphabet=alphabet_of(config),
        evaluator=evaluator,
        reward=config.environment.reward,
        horizon=config.environment.horizon,
        child_seed=child.seed,
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "agent").mkdir()
        visits = Visits(
            budget=config.budget,
            counted="classes",
            classes=len(space.classes),
            states=space.states,
            listener=listen,
            history=folder / "history.jsonl",
        )
        explore(agent, env, visits, seed=config.seed, folder=folder)
    return found


def sampled(config: SearchConfig, space: Space, evaluator: LocalEvaluator) -> list[float]:
    """Return the accuracies of the untied child and of random states, each class once."""
    draw, met = np.random.default_rng(config.seed), {space.baseline.key: space.spec(space.baseline)}
    while len(met) < config.budget.children:
        spec = space.spec_of(draw.integers(space.sizes).tolist())
        met.setdefault(spec.class_key, spec)
    return [evaluation.validation_accuracy for evaluation in evaluate(evaluator, list(met.values()))]


def said(found: Estimate, form: str = ".1f") -> str:
    """Return a mean with its interval, in percent."""
    low, high = found.interval
    return f"{100 * found.mean:{form}} ({100 * low:{form}} to {100 * high:{form}})"


def main() -> None:
    """Let each agent explore on every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="seeds of agent and children")
    parser.add_argument("--store", type=Path, help="keep the children here")
    options = parser.parse_args()
    best: dict[str, list[list[float]]] = {"DQN": [], "random walk": [], "random states": []}
    with tempfile.TemporaryDirectory() as place, cpu_threads(1):
        evaluator = LocalEvaluator(ResultStore(options.store or Path(place) / "children.sqlite"))
        started = time.perf_counter()
        for seed in range(options.seeds):
            config = load_config(
                PROJECT_CONFIGS / "digits_layerwise.yaml", [f"seed={seed}", f"budget.children={max(AT)}"]
            )
            space, agent = space_of(config), config.agent
            assert isinstance(agent, DQNConfig)
            curves = {
                "DQN": walked(config, agent, space, evaluator),
                "random walk": walked(config, agent.model_copy(update={"epsilon": ((0.0, 1.0),)}), space, evaluator),
                "random states": sampled(config, space, evaluator),
            }
            for name, accuracies in curves.items():
                best[name].append([max(accuracies[:count]) for count in AT])
        seconds = time.perf_counter() - started
    heads = ["agent", *(f"best of {count}" for count in AT)]
    rows = [(name, *(said(estimate(column)) for column in zip(*found, strict=True))) for name, found in best.items()]
    for other in ("random walk", "random states"):
        pairs = zip(zip(*best["DQN"], strict=True), zip(*best[other], strict=True), strict=True)
        differences = [said(paired_difference(ours, theirs), "+.1f") for ours, theirs in pairs]
        rows.append((f"DQN less {other}", *differences))
    title = f"Best validation accuracy in percent, mean over {options.seeds} seeds (95 % interval)"
    print_table(title, heads, rows)
    print(f"\n{evaluator.trained} children trained in {seconds:.0f} s")


if __name__ == "__main__":
    main()
