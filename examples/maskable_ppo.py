"""Let MaskablePPO of sb3-contrib relax the symmetries of a network, layer by layer, while it is being trained.

Most actions are illegal in most states; the environment's `action_masks` says which are legal, and the agent never
tries the others. It takes ``pip install sb3-contrib`` beside aen.

    python examples/maskable_ppo.py --steps 256 --seed 0
"""

import argparse
from typing import Any

import gymnasium
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback

ROLLOUT = 16  # it learns after this many steps; the total is rounded up to a multiple


class Watch(BaseCallback):
    """Keeps the info of the most accurate network, and counts illegal actions."""

    best: dict[str, Any] | None = None
    illegal = 0

    def _on_step(self) -> bool:
        info = self.locals["infos"][0]
        masks, action = self.locals["action_masks"][0], self.locals["actions"][0]
        self.illegal += not masks[int(action)]
        if self.best is None or info["accuracy"] > self.best["accuracy"]:
            self.best = info
        return True


def main() -> None:
    """Train the agent and print the best network that it visited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=256, help="number of steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of the agent")
    options = parser.parse_args()

    env = gymnasium.make("aen_envs:aen/LayerwiseRelaxation-v0", slices=8)
    watch = Watch()
    agent = MaskablePPO("MlpPolicy", env, n_steps=ROLLOUT, batch_size=ROLLOUT, seed=options.seed, device="cpu")
    agent.learn(options.steps, callback=watch)
    env.close()

    if watch.best is None:
        raise SystemExit("the agent took no step; give --steps 1 or more.")
    best = watch.best
    print(f"start: validation accuracy {best['baseline_accuracy']:.1%}")
    print(f"illegal actions: {watch.illegal}")
    print(f"best of {agent.num_timesteps} steps: {best['group']}: {best['accuracy']:.1%}")


if __name__ == "__main__":
    main()
