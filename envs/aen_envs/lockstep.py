"""Lock-step: several environments whose children are submitted together."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from aen.children import ChildSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_envs.child_env import ChildEnv, Plan

Environment = gym.Env[Any, Any] | Callable[[], gym.Env[Any, Any]]
Flight = list[list["Future[Evaluation]"]]


def together(environments: Sequence[Environment]) -> list[ChildEnv[Any]]:
    """Return environments that can go in lock-step, without the wrappers that ``gymnasium.make`` puts around them.

    Args:
        environments: themselves or what makes them; all with one evaluator, which they share.

    Raises:
        SpecError: none, one twice, one in a wrapper that changes it or that has no children, or they differ in their
            evaluator or their spaces.
    """
    envs = [_bare(each if isinstance(each, gym.Env) else each()) for each in environments]
    if not envs:
        raise SpecError("environments is empty; give at least 1.")
    first = envs[0]
    if len({id(env) for env in envs}) < len(envs):
        raise SpecError("environments has the same one twice; make each by itself.")
    for number, env in enumerate(envs):
        if env.evaluator is not first.evaluator:
            raise SpecError(
                f"environment {number} has another evaluator than environment 0; hand the same evaluator to all, so "
                "that their children are submitted together."
            )
        for space in ("observation_space", "action_space"):
            ours, theirs = getattr(env, space), getattr(first, space)
            if ours != theirs:
                raise SpecError(f"environment {number} has the {space} {ours}, but environment 0 has {theirs}.")
    return envs


def submit(evaluator: Evaluator, plans: Sequence[Plan]) -> Flight:
    """Submit the children of all plans in one call, and do not wait: equal ones are trained once.

    (In two calls, if the weights of only some shall be kept.)

    Returns:
        For each plan the futures of its children.
    """
    flight: Flight = [[] for _ in plans]
    for keep_weights in (False, True):
        places = [place for place, plan in enumerate(plans) if plan.specs and plan.keep_weights == keep_weights]
        specs: list[ChildSpec] = [spec for place in places for spec in plans[place].specs]
        if specs:
            futures = iter(evaluator.submit(specs, keep_weights=keep_weights))
            for place in places:
                flight[place] = [next(futures) for _ in plans[place].specs]
    return flight


def land(flight: Flight) -> list[list[Evaluation]]:
    """Wait for all children of all plans: no environment moves before none can fail any more."""
    return [[future.result() for future in futures] for futures in flight]


def _bare(env: gym.Env[Any, Any]) -> ChildEnv[Any]:
    inner = env
    while isinstance(inner, PassiveEnvChecker | OrderEnforcing):
        inner = inner.env
    if isinstance(inner, ChildEnv):
        return inner
    what = "is wrapped in" if isinstance(inner, gym.Wrapper) else "is"
    raise SpecError(
        f"an environment {what} {type(inner).__name__}, which cannot go in lock-step; give environments of aen_envs, "
        "without wrappers of your own."
    )
