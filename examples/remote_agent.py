"""An agent whose networks are trained elsewhere: the rewards come from a service, `aen serve`.

Start ``aen serve`` on any machine and make a token there with ``aen tokens add NAME``. Then, on this one:

    AEN_TOKEN=aen_... python examples/remote_agent.py http://127.0.0.1:8700 --steps 30

What any client or search of the service has trained is looked up. Any agent for Gymnasium fits in place of this one.
"""

import argparse
import os

import gymnasium

from aen_service import RemoteEvaluator


def main() -> None:
    """Toggle symmetries at random and print the best ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the service")
    parser.add_argument("--steps", type=int, default=30, help="how many toggles to try")
    options = parser.parse_args()

    evaluator = RemoteEvaluator(options.url, os.environ["AEN_TOKEN"])
    env = gymnasium.make("aen_envs:aen/GroupDecomposition-v0", evaluator=evaluator, horizon=options.steps)
    env.action_space.seed(0)
    _, best = env.reset(seed=0)
    print(f"no symmetry: validation accuracy {best['accuracy']:.1%}")
    for _ in range(options.steps):
        info = env.step(env.action_space.sample())[-1]
        best = max(best, info, key=lambda one: one["accuracy"])
    print(f"best of {options.steps} steps: {best['factors']} ({best['group']}): {best['accuracy']:.1%}")
    print(f"trained by the service: {evaluator.trained}")
    evaluator.close()


if __name__ == "__main__":
    main()
