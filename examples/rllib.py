"""Let PPO of Ray's RLlib search for the symmetries of a data set.

RLlib pins other versions than aen does; use it in an environment of its own: ``pip install aen 'ray[rllib]'``.

    python examples/rllib.py --iterations 4 --seed 0
"""

import argparse

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

from aen_envs import GroupDecompositionEnv

ROLLOUT = 32


def main() -> None:
    """Train PPO and print the mean return of each iteration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=4, help="number of times that PPO learns")
    parser.add_argument("--seed", type=int, default=0, help="seed of PPO")
    options = parser.parse_args()

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    # The environment takes its arguments in one dictionary, RLlib's env_config, as JSON values.
    register_env("symmetries", GroupDecompositionEnv)
    config = (
        PPOConfig()
        .environment("symmetries", env_config={"horizon": 8, "reward": "improvement", "observation": "box"})
        .env_runners(num_env_runners=0)
        .training(train_batch_size=ROLLOUT, minibatch_size=ROLLOUT, num_epochs=4)
        .debugging(seed=options.seed)
    )
    agent = config.build_algo()
    for iteration in range(options.iterations):
        found = agent.train()["env_runners"]
        print(f"iteration {iteration}: mean return {found['episode_return_mean']:.3f}")
    agent.stop()
    ray.shutdown()


if __name__ == "__main__":
    main()
