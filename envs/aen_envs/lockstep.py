"""Steps of several environments in parallel: their children are submitted in one call."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from aen.children import ChildSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_envs.child_env import ChildEnv, PendingStep

Environment = gym.Env[Any, Any] | Callable[[], gym.Env[Any, Any]]
# For each environment the futures of its children.
Futures = list[list["Future[Evaluation]"]]


def unwrap_all(environments: Sequence[Environment]) -> list[ChildEnv[Any]]:
    """Return environments without the wrappers of ``gymnasium.make``, after checking that they can run in parallel.

    Args:
        environments: environments, or functions that make them; all must share one evaluator.

    Raises:
        SpecError: there are no environments, one is given twice, one is not a `ChildEnv` or has another wrapper, or
            their evaluators or spaces differ.
    """
    envs = [_bare(each if isinstance(each, gym.Env) else each()) for each in environments]
    if not envs:
        raise SpecError("environments is empty; give at least 1.")
    first = envs[0]
    if len({id(env) for env in envs}) < len(envs):
        raise SpecError("environments has the same one twice; make a new one for each.")
    for number, env in enumerate(envs):
        if env.evaluator is not first.evaluator:
            raise SpecError(
                f"environment {number} has another evaluator than environment 0; give all the same evaluator, so that "
                "their children are submitted together."
            )
        for space in ("observation_space", "action_space"):
            ours, theirs = getattr(env, space), getattr(first, space)
            if ours != theirs:
                raise SpecError(f"environment {number} has the {space} {ours}, but environment 0 has {theirs}.")
    return envs


def submit_all(evaluator: Evaluator, pending: Sequence[PendingStep]) -> Futures:
    """Submit the children of all pending steps and resets without waiting; equal children are trained once.

    There is one call of the evaluator, or two if the weights of only some children must be kept.

    Returns:
        For each pending step the futures of its children.
    """
    found: Futures = [[] for _ in pending]
    for keep_weights in (False, True):
        places = [place for place, each in enumerate(pending) if each.specs and each.keep_weights == keep_weights]
        specs: list[ChildSpec] = [spec for place in places for spec in pending[place].specs]
        if specs:
            futures = iter(evaluator.submit(specs, keep_weights=keep_weights))
            for place in places:
                found[place] = [next(futures) for _ in pending[place].specs]
    return found


submit = submit_all  # the former name; will be removed


def wait_all(futures: Futures) -> list[list[Evaluation]]:
    """Wait for all futures, so that a failed child raises before any environment is changed."""
    return [[future.result() for future in each] for each in futures]


def _bare(env: gym.Env[Any, Any]) -> ChildEnv[Any]:
    inner = env
    while isinstance(inner, PassiveEnvChecker | OrderEnforcing):
        inner = inner.env
    if isinstance(inner, ChildEnv):
        return inner
    what = "is wrapped in" if isinstance(inner, gym.Wrapper) else "is"
    raise SpecError(
        f"an environment {what} {type(inner).__name__}, which cannot run in parallel; give environments of aen_envs, "
        "without wrappers of your own."
    )
