"""What inheriting weights is worth: walks through relaxations with it, and with every state trained from nothing.

Each walk is a random sequence of legal actions in `aen/LayerwiseRelaxation-v0`; both ways take the same actions,
and each state has seen as many batches in both. Run: python benchmarks/bench_relaxation.py [walks].
"""

import random
import sys
import time

import gymnasium
import numpy as np
from common import print_table

import aen_envs  # noqa: F401 - registers the environments
from aen.children import EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.statistics import estimate_accuracy, paired_difference

GROUPS = ("D4", "C4", "C2", "C1")
SLICES = 10


def child() -> EquiNASSpec:
    """Return the backbone for digits, moved by quarter turns and flips."""
    data = DataSpec("digits", moves=("rot90", "hflip"))
    training = TrainingSpec(epochs=0.8, batch_size=32, optimiser="sgd", learning_rate=0.05)
    return EquiNASSpec(data=data, side=8, width=3, kernel_size=3, dense=16, training=training)


def walk(seed: int, *, inherit: bool) -> tuple[list[float], float]:
    """Return the validation accuracy of each state of a walk, and the seconds that training took."""
    env = gymnasium.make(
        "aen/LayerwiseRelaxation-v0", child=child(), groups=GROUPS, inherit=inherit, slices=SLICES, child_seed=seed
    )
    source = random.Random(seed)  # noqa: S311 - not a secret
    started = time.perf_counter()
    _, info = env.reset(seed=seed)
    accuracies = [info["accuracy"]]
    while info["slices_left"]:
        legal = np.flatnonzero(info["action_mask"][:-1])  # all but stopping
        _, _, _, _, info = env.step(int(source.choice(list(legal))))
        accuracies.append(info["accuracy"])
    seconds = time.perf_counter() - started
    env.close()
    return accuracies, seconds


def main(walks: int) -> None:
    """Walk both ways and print accuracies and times."""
    walk(10**6, inherit=True)  # index tables are made once
    found = {inherit: [walk(seed, inherit=inherit) for seed in range(walks)] for inherit in (True, False)}
    rows = []
    for step in (SLICES // 2, SLICES):
        ours, theirs = ([accuracies[step] for accuracies, _ in found[inherit]] for inherit in (True, False))
        difference = paired_difference(ours, theirs)
        rows.append(
            (
                f"after {step} steps, {0.8 * (step + 1):.1f} epochs",
                *(f"{100 * estimate_accuracy(own).mean:.1f} %" for own in (ours, theirs)),
                f"{100 * difference.mean:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f}) points",
            )
        )
    times = [sum(seconds for _, seconds in found[inherit]) / walks for inherit in (True, False)]
    rows.append(("seconds per walk", *(f"{own:.1f}" for own in times), f"ratio {times[0] / times[1]:.2f}"))
    heads = ["validation accuracy", "weights inherited", "from nothing", "difference"]
    print_table(f"{walks} walks of {SLICES} relaxations or slices, digits, seeds 0 to {walks - 1}", heads, rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
