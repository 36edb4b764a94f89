"""Random search with several environments at once, whose networks are trained side by side.

All environments share one evaluator: the networks of all their actions are submitted in one call, equal ones are
trained once, and two processes train them.

    python examples/vectorised.py --steps 96 --seed 0
"""

import argparse

import gymnasium
import numpy as np

from aen.evaluators import LocalEvaluator

ENVIRONMENTS = 4


def main() -> None:
    """Search at random in all environments and print the best decomposition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=96, help="number of steps of all environments together")
    parser.add_argument("--workers", type=int, default=2, help="number of processes that train")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random actions")
    options = parser.parse_args()

    evaluator = LocalEvaluator(workers=options.workers)
    envs = gymnasium.make_vec(
        "aen_envs:aen/GroupDecomposition-v0", num_envs=ENVIRONMENTS, evaluator=evaluator, horizon=5
    )
    envs.action_space.seed(options.seed)
    _, infos = envs.reset(seed=options.seed)
    print(f"no symmetry: validation accuracy {infos['accuracy'][0]:.1%}")
    best = (-1.0, "", "")
    steps = 0
    while steps < options.steps:
        infos = envs.step(envs.action_space.sample())[4]
        steps += ENVIRONMENTS
        place = int(np.argmax(infos["accuracy"]))
        best = max(best, (float(infos["accuracy"][place]), infos["factors"][place], infos["group"][place]))
    envs.close()
    evaluator.close()
    print(f"best of {steps} steps: {best[1]} ({best[2]}): {best[0]:.1%}")


if __name__ == "__main__":
    main()
