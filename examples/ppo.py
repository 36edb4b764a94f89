"""Let PPO of Stable-Baselines3 search for the symmetries of a data set.

The environment is an ordinary Gymnasium environment, so that any agent can be used without changes. The default of 384
steps takes about a minute.

    python examples/ppo.py --steps 384 --seed 0
"""

import argparse
from typing import Any

import gymnasium
from stable_baselines3 import PPO

ROLLOUT = 32  # PPO learns after this many steps; the total is rounded up to a multiple


class RememberBest(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the info of the most accurate child so far, and counts the steps."""

    best: dict[str, Any] | None = None
    steps = 0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Step, and remember the child if it is the best so far."""
        *outcome, info = self.env.step(action)
        self.steps += 1
        if self.best is None or info["accuracy"] > self.best["accuracy"]:
            self.best = info
        return *outcome, info


def main() -> None:
    """Train PPO and print the best decomposition that it visited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=384, help="number of steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of PPO")
    options = parser.parse_args()

    env = RememberBest(gymnasium.make("aen_envs:aen/GroupDecomposition-v0", horizon=8, reward="improvement"))
    agent = PPO("MlpPolicy", env, n_steps=ROLLOUT, batch_size=ROLLOUT, seed=options.seed, device="cpu")
    agent.learn(options.steps)
    env.close()

    best = env.best
    if best is None:
        raise SystemExit("PPO took no step; give --steps 1 or more.")
    print(f"no symmetry: validation accuracy {best['baseline_accuracy']:.1%}")
    print(f"best of {env.steps} steps: {best['factors']} ({best['group']}): {best['accuracy']:.1%}")


if __name__ == "__main__":
    main()
