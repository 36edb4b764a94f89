"""Saves and restores the complete state of a DQN, as arrays and JSON.

The state is taken between a gradient step and the environments' next step. A restored model continues bit for bit like
the original. SB3's own `save` leaves out epsilon, the replay buffer, the episode and all random states, and its replay
buffer is a pickle.
"""

import random
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen_agents.agents.dqn.checkpoint import Arrays

_COUNTERS = (
    "num_timesteps",
    "exploration_rate",
    "_n_updates",
    "_n_calls",
    "_episode_num",
    "_current_progress_remaining",
)
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_LAST = ("_last_obs", "_last_episode_starts")


def dqn_state(model: DQN) -> tuple[dict[str, npt.NDArray[Any]], JsonDict]:
    """Return the state of a DQN, on any number of environments, without the environments' own state.

    It consists of the networks, Adam's moments, the filled part of the replay buffer, the last observations, counters,
    epsilon, the last episodes' returns, and all random states in use: those of numpy, torch, Python and the action
    space.

    Args:
        model: a model that has started to learn, so that it has last observations.

    Returns:
        The arrays by name, and the rest as a JSON value.
    """
    replay = _replay_of(model)
    arrays: dict[str, npt.NDArray[Any]] = {}
    arrays |= {f"policy/{name}": _array(tensor) for name, tensor in model.policy.state_dict().items()}
    for number, moments in model.policy.optimizer.state_dict()["state"].items():
        arrays |= {f"adam/{number}/{name}": _array(tensor) for name, tensor in moments.items()}
    arrays |= {f"replay/{name}": getattr(replay, name)[: replay.size()] for name in _REPLAY}
    arrays |= {f"last/{name}": np.asarray(getattr(model, name)) for name in _LAST}
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - SB3 draws from it
    arrays |= {"random/numpy": legacy["state"]["key"], "random/torch": _array(torch.get_rng_state())}
    python_version, python_state, python_gauss = random.getstate()
    state: JsonDict = {
        "counters": {name: getattr(model, name) for name in _COUNTERS},
        "replay": {"position": replay.pos, "full": replay.full, "size": replay.buffer_size, "n_envs": replay.n_envs},
        "episodes": list(model.ep_info_buffer or []),
        "successes": list(model.ep_success_buffer or []),
        "random": {
            "numpy": {"pos": legacy["state"]["pos"], "has_gauss": legacy["has_gauss"], "gauss": legacy["gauss"]},
            "python": [python_version, list(python_state), python_gauss],
            "action_space": model.action_space.np_random.bit_generator.state,
        },
    }
    return arrays, state


def restore_dqn(model: DQN, arrays: Arrays, state: JsonDict) -> None:
    """Restore a state that `dqn_state` returned; call ``learn(..., reset_num_timesteps=False)`` next.

    Random states are set last; no random number may be drawn between this call and `learn`.

    Args:
        model: a model with the same settings, on as many environments, which were restored already.
        arrays: the arrays from `dqn_state`.
        state: the JSON value from `dqn_state`.

    Raises:
        RunFolderError: the state is that of a DQN with other settings.
    """
    replay = _replay_of(model)
    ours, theirs = (replay.n_envs, replay.buffer_size), (state["replay"]["n_envs"], state["replay"]["size"])
    if ours != theirs:
        raise RunFolderError(
            f"the checkpoint has {theirs[0]} environments with {theirs[1]} transitions each, but this agent has "
            f"{ours[0]} with {ours[1]}; resume with environment.n_envs={theirs[0]} and the same agent.replay_size."
        )
    model.policy.load_state_dict(_group(arrays, "policy"))
    optimizer = model.policy.optimizer
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _group(arrays, "adam").items():
        number, _, moment = name.partition("/")
        moments.setdefault(int(number), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})

    for name in _REPLAY:
        kept = arrays[f"replay/{name}"]
        getattr(replay, name)[: len(kept)] = kept
    replay.pos, replay.full = state["replay"]["position"], state["replay"]["full"]
    for name in _LAST:
        setattr(model, name, arrays[f"last/{name}"])
    for name, value in state["counters"].items():
        setattr(model, name, value)
    window = model._stats_window_size  # noqa: SLF001 - SB3 creates its buffers with it
    model.ep_info_buffer = deque(state["episodes"], maxlen=window)
    model.ep_success_buffer = deque(state["successes"], maxlen=window)

    drawn = state["random"]
    np.random.set_state(  # noqa: NPY002
        {
            "bit_generator": "MT19937",
            "state": {"key": arrays["random/numpy"], "pos": drawn["numpy"]["pos"]},
            "has_gauss": drawn["numpy"]["has_gauss"],
            "gauss": drawn["numpy"]["gauss"],
        }
    )
    torch.set_rng_state(torch.from_numpy(arrays["random/torch"]))
    python_version, python_state, python_gauss = drawn["python"]
    random.setstate((python_version, tuple(python_state), python_gauss))
    model.action_space.np_random.bit_generator.state = drawn["action_space"]


def environments_state(environments: VecEnv) -> list[JsonDict]:
    """Return the state of each environment's episode: its `snapshot`, and the rewards that SB3's `Monitor` holds."""
    episodes = environments.env_method("snapshot")
    return [
        {"episode": episode, "rewards": rewards}
        for episode, rewards in zip(episodes, _monitored_rewards(environments), strict=True)
    ]


def restore_environments(environments: VecEnv, state: list[JsonDict]) -> None:
    """Restore every environment's episode; episodes that are running are dropped.

    The environments are reset first, since Gymnasium's and SB3's wrappers need it. The reset evaluates the first child
    of an episode, which is looked up in the store.
    """
    environments.reset()
    for number, (rewards, saved) in enumerate(zip(_monitored_rewards(environments), state, strict=True)):
        environments.env_method("restore", saved["episode"], indices=number)
        rewards[:] = saved["rewards"]


def _monitored_rewards(environments: VecEnv) -> list[list[float]]:
    """Return the rewards of each episode so far: the monitors' own lists, not copies."""
    if all(environments.env_is_wrapped(Monitor)):
        rewards: list[list[float]] = environments.get_attr("rewards")
        return rewards
    return [[] for _ in range(environments.num_envs)]


def _replay_of(model: DQN) -> ReplayBuffer:
    if model.replay_buffer is None:
        raise RunFolderError("the agent has no replay buffer; create it with one.")
    return model.replay_buffer


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _group(arrays: Arrays, group: str) -> dict[str, torch.Tensor]:
    """Return the arrays whose names start with the group's prefix, as tensors, by names without it."""
    head = f"{group}/"
    return {name.removeprefix(head): torch.from_numpy(a) for name, a in arrays.items() if name.startswith(head)}
