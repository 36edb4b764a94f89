"""DQN in one file, with torch alone: everything that learns is in `main`, from top to bottom.

python examples/dqn.py --steps 400 --seed 0
"""

import argparse

import gymnasium
import numpy as np
import torch
from torch import nn

BATCH, DISCOUNT, SYNC = 32, 0.9, 20


def main() -> None:
    """Train a DQN and print the best decomposition that it visited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help="number of steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of the agent")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    env = gymnasium.make("aen_envs:aen/GroupDecomposition-v0", horizon=8, reward="improvement", observation="box")
    places, actions = env.observation_space.shape[0], env.action_space.n
    online, target = (nn.Sequential(nn.Linear(places, 64), nn.ReLU(), nn.Linear(64, actions)) for _ in range(2))
    target.load_state_dict(online.state_dict())
    optimiser = torch.optim.Adam(online.parameters(), lr=2e-3)
    replay: list[tuple[np.ndarray, int, float, np.ndarray, bool]] = []

    state, best = env.reset(seed=options.seed)
    print(f"no symmetry: validation accuracy {best['accuracy']:.1%}")
    for step in range(options.steps):
        # Act: at random with probability epsilon, which falls from 1 to 0.05 in the first half.
        epsilon = max(0.05, 1 - 2 * step / options.steps)
        if random.random() < epsilon:
            action = int(random.integers(actions))
        else:
            action = int(online(torch.as_tensor(state)).argmax())
        following, reward, terminated, truncated, info = env.step(action)
        replay.append((state, action, float(reward), following, terminated))
        best = max(best, info, key=lambda each: each["accuracy"])
        state = env.reset()[0] if terminated or truncated else following

        # Learn: the value of an action is its reward, and the best value after it.
        batch = [replay[i] for i in random.integers(len(replay), size=BATCH)]
        states, taken, rewards, then, ended = (torch.as_tensor(np.array(each)) for each in zip(*batch, strict=True))
        with torch.no_grad():
            goal = rewards.float() + DISCOUNT * target(then).max(1).values * ~ended
        value = online(states).gather(1, taken[:, None]).squeeze(1)
        loss = nn.functional.smooth_l1_loss(value, goal)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % SYNC == 0:
            target.load_state_dict(online.state_dict())
    env.close()
    print(f"best of {options.steps} steps: {best['factors']} ({best['group']}): {best['accuracy']:.1%}")


if __name__ == "__main__":
    main()
