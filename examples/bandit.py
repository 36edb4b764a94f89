"""A bandit over the classes of a space: Thompson sampling, without an environment.

Every different network is an arm, a pull trains it on a new seed. The mean of an arm is drawn from a normal
distribution around what was seen of it so far, and the arm with the largest draw is pulled next.

    python examples/bandit.py --steps 60 --seed 0
"""

import argparse

import numpy as np

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import LocalEvaluator, evaluate
from aen.groups import Alphabet
from aen.spaces import DecompositionSpace

PRIOR, SPREAD, NOISE = 0.8, 0.1, 0.02  # of accuracies: mean and spread of the arms, and noise of a pull


def main() -> None:
    """Pull arms and print the one with the best expected accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60, help="number of pulls")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws")
    options = parser.parse_args()

    data = DataSpec("digits", train=400, validation=400, test=400, moves=("rot90", "hflip"))
    child = DenseSpec(data=data, grids=(8, 16, 16), head="free", training=TrainingSpec(epochs=6, learning_rate=1e-2))
    space = DecompositionSpace(child, Alphabet.of(["rot90", "hflip", "vflip", "swap_lr", "swap_tb"]))
    arms, evaluator = space.classes, LocalEvaluator()
    random = np.random.default_rng(options.seed)
    pulls, total = np.zeros(len(arms), dtype=int), np.zeros(len(arms))
    expected = np.full(len(arms), PRIOR)
    for step in range(options.steps):
        weight = 1 / SPREAD**2 + pulls / NOISE**2
        expected = (PRIOR / SPREAD**2 + total / NOISE**2) / weight
        arm = 0 if step == 0 else int(np.argmax(random.normal(expected, weight**-0.5)))
        spec = space.spec(arms[arm]).with_seed(int(pulls[arm]))
        total[arm] += evaluate(evaluator, [spec])[0].validation_accuracy
        pulls[arm] += 1
    evaluator.close()

    seen = np.where(pulls > 0, expected, 0.0)
    best = space.spec(arms[int(np.argmax(seen))])
    print(f"no symmetry: validation accuracy {total[0] / pulls[0]:.1%}")
    print(f"best of {options.steps} steps: {best.name} ({best.group}): {seen.max():.1%}")


if __name__ == "__main__":
    main()
