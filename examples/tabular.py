"""A thousand random walks through a benchmark table: nothing is trained, every result is looked up.

How many networks must be trained until one is met whose class is within half a point of the best one? The table knows
the answer of every class: ``info["regret"]``.

    python examples/tabular.py --table digits-04 --walks 1000 --seed 0
"""

import argparse

import gymnasium
import numpy as np

CLOSE = 0.005  # of the best class's mean accuracy


def main() -> None:
    """Walk, and print the median number of different networks until a good one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="digits-04", help="name of a table; `aen bench list` names them")
    parser.add_argument("--folder", help="where the table is; default: those that aen ships")
    parser.add_argument("--walks", type=int, default=1000, help="number of walks")
    parser.add_argument("--steps", type=int, default=500, help="number of steps of each walk")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random actions")
    options = parser.parse_args()

    envs = gymnasium.make_vec(
        "aen_envs:aen/GroupDecompositionTabular-v0",
        num_envs=options.walks,
        table=options.table,
        folder=options.folder,
        horizon=options.steps,
    )
    envs.action_space.seed(options.seed)
    _, infos = envs.reset(seed=options.seed)
    trained = np.ones(options.walks, dtype=int)  # different networks met so far
    found = np.where(infos["regret"] <= CLOSE, 1, 0)  # networks until a good one; 0: none yet
    seconds = np.where(found > 0, infos["total_seconds"], np.inf)
    for _ in range(options.steps):
        infos = envs.step(envs.action_space.sample())[4]
        trained += ~infos["looked_up"]
        first = (found == 0) & (infos["regret"] <= CLOSE)
        found[first], seconds[first] = trained[first], infos["total_seconds"][first]
    envs.close()
    print(f"{options.walks} walks of {options.steps} steps through {options.table}")
    if (found > 0).any():
        print(f"{(found > 0).mean():.0%} met a class within {CLOSE:.1%} of the best one")
        print(f"networks until then, median: {np.median(found[found > 0]):.0f}")
        print(f"their training took, median: {np.median(seconds[found > 0]):.1f} seconds")


if __name__ == "__main__":
    main()
