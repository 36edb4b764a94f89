"""Steps of several environments in parallel: their children are submitted in one call."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from aen.children import ChildSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator, submit_checked
from aen.results import Evaluation
from aen_envs.child_env import ChildEnv, PendingStep

Environment = gym.Env[Any, Any] | Callable[[], gym.Env[Any, Any]]
# For each environment the futures of its children.
Futures = list[list["Future[Evaluation]"]]


class LockstepEnv:
    """One of several environments that step together: its children are known and trained before it steps.

    A bare environment is stepped by its halves. Under wrappers, such as TimeLimit, `step` and `reset` are called as
    usual and find the evaluations of their children ready. A wrapper that changes actions hides which child a step
    needs; then the step trains it alone.

    Args:
        env: an environment, with any wrappers.

    Attributes:
        env: the environment, without the wrappers that ``gymnasium.make`` always adds.
        base: the environment without wrappers.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        while isinstance(env, PassiveEnvChecker | OrderEnforcing):
            env = env.env
        if not isinstance(env.unwrapped, ChildEnv):
            raise SpecError(
                f"an environment is {type(env.unwrapped).__name__}, which cannot run in parallel; give environments of "
                "aen_envs."
            )
        self.env = env
        self.base: ChildEnv[Any] = env.unwrapped
        self._foreseen = not any(isinstance(each, gym.ActionWrapper) for each in _wrappers(env))

    def begin_reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> PendingStep:
        """Return the children that a reset needs."""
        return self.base.begin_reset(seed=seed, options=options)

    def finish_reset(
        self, pending: PendingStep, evaluations: Sequence[Evaluation], options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Perform a reset, whose options are given again for the wrappers."""
        if self.env is self.base:
            return self.base.finish_reset(pending, evaluations)
        self.base.provide(pending, evaluations)
        return self.env.reset(seed=pending.seed, options=options)

    def begin_step(self, action: Any) -> PendingStep:  # noqa: ANN401 - of any action space
        """Return the children that a step needs, as far as they are known before it."""
        if self._foreseen:
            return self.base.begin_step(action)
        return PendingStep((), keep_weights=False, state=())

    def finish_step(
        self,
        pending: PendingStep,
        evaluations: Sequence[Evaluation],
        action: Any,  # noqa: ANN401
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Perform a step."""
        if self.env is self.base:
            return self.base.finish_step(pending, evaluations)
        self.base.provide(pending, evaluations)
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), terminated, truncated, info


def unwrap_all(environments: Sequence[Environment]) -> list[LockstepEnv]:
    """Return environments as those that step together, after checking that they can.

    Args:
        environments: environments, or functions that make them; all must share one evaluator.

    Raises:
        SpecError: there are no environments, one is given twice, one is not a `ChildEnv`, or their evaluators or spaces
            differ.
    """
    found = [LockstepEnv(each if isinstance(each, gym.Env) else each()) for each in environments]
    if not found:
        raise SpecError("environments is empty; give at least 1.")
    first = found[0]
    if len({id(each.base) for each in found}) < len(found):
        raise SpecError("environments has the same one twice; make a new one for each.")
    for number, each in enumerate(found):
        if each.base.evaluator is not first.base.evaluator:
            raise SpecError(
                f"environment {number} has another evaluator than environment 0; give all the same evaluator, so that "
                "their children are submitted together."
            )
        for space in ("observation_space", "action_space"):
            ours, theirs = getattr(each.env, space), getattr(first.env, space)
            if ours != theirs:
                raise SpecError(f"environment {number} has the {space} {ours}, but environment 0 has {theirs}.")
    return found


def _wrappers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env


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
            futures = iter(submit_checked(evaluator, specs, keep_weights=keep_weights))
            for place in places:
                found[place] = [next(futures) for _ in pending[place].specs]
    return found


submit = submit_all  # the former name; will be removed


def wait_all(futures: Futures) -> list[list[Evaluation]]:
    """Wait for all futures, so that a failed child raises before any environment is changed."""
    return [[future.result() for future in each] for each in futures]
