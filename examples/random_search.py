"""Random search: toggle symmetries of a network one at a time and keep the best.

Uses the environment with Gymnasium alone: every step trains a small child network (about a tenth of a second) on
rotated and reflected digits and returns its validation accuracy.

    python examples/random_search.py --steps 100 --seed 0
"""

import argparse

import gymnasium


def main() -> None:
    """Search at random and print the best decomposition."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="how many toggles to try")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random actions")
    options = parser.parse_args()

    env = gymnasium.make("aen_envs:aen/GroupDecomposition-v0", horizon=5)
    env.action_space.seed(options.seed)
    _, best = env.reset(seed=options.seed)
    print(f"no symmetry: validation accuracy {best['accuracy']:.1%}")
    for step in range(1, options.steps + 1):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        if info["accuracy"] > best["accuracy"]:
            best = info
            print(f"step {step}: {best['factors']} ({best['group']}): {best['accuracy']:.1%}")
        if terminated or truncated:
            env.reset()
    env.close()
    print(f"best of {options.steps} steps: {best['factors']} ({best['group']}): {best['accuracy']:.1%}")


if __name__ == "__main__":
    main()
