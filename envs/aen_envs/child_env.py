"""ChildEnv: what all environments have in common that walk from child to child."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import SpecError, did_you_mean
from aen.evaluators import Evaluator, LocalEvaluator, evaluate
from aen.results import Evaluation

if TYPE_CHECKING:
    from aen_envs.snapshots import Snapshot

Observation = TypeVar("Observation")


@dataclass(frozen=True)
class Plan:
    """A step or a reset that waits for its children.

    Attributes:
        specs: the children that it needs; empty where it trains nothing.
        keep_weights: whether others will go on from their weights.
        state: where it leads.
        action: of a step; None for a reset.
        step: how many steps the episode had when this one was planned.
        seed: of a reset.
    """

    specs: tuple[ChildSpec, ...]
    keep_weights: bool
    state: tuple[int, ...]
    action: int | None = None
    step: int = 0
    seed: int | None = None


class ChildEnv(gym.Env[Observation, np.int64]):
    """An environment in which each state has a child, whose accuracy counts.

    A step has two halves, so that whoever drives many environments can have their children trained side by side:
    `plan` says which children it needs and changes nothing, `arrive` takes their evaluations and makes the step. A
    reset has `plan_reset` and `arrive_reset`. Where the evaluator fails in between, the environment is as it was.

    Args:
        evaluator: trains children or looks them up; None: one of the environment's own.
        horizon: steps until truncation.
        render_mode: ``ansi``, ``rgb_array`` or None.

    Raises:
        SpecError: an unknown render mode, or a horizon below 1.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, *, evaluator: Evaluator | None, horizon: int, render_mode: str | None) -> None:
        super().__init__()
        if horizon < 1:
            raise SpecError(f"horizon is {horizon}; an episode needs at least 1 step.")
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            modes = self.metadata["render_modes"]
            raise SpecError(f"unknown render_mode {render_mode!r}{did_you_mean(render_mode, modes)}.")
        self._owns_evaluator = evaluator is None
        self.evaluator: Evaluator = evaluator or self._own_evaluator()
        self.horizon = horizon
        self.render_mode = render_mode
        # Of every child of the episode so far; none before the first reset.
        self._accuracies: list[float] = []
        self._baseline = 0.0
        self._steps = 0
        self._met: set[str] = set()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; ``options={"state": numbers}`` starts it elsewhere than at the usual state."""
        plan = self.plan_reset(seed=seed, options=options)
        return self.arrive_reset(plan, self._evaluate(plan))

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        plan = self.plan(action)
        return self.arrive(plan, self._evaluate(plan))

    def plan_reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Plan:
        """Return which children a reset needs; the arguments are those of `reset`.

        Raises:
            SpecError: ``options["state"]`` is none.
        """
        if seed is not None:
            seeding.np_random(seed)  # a seed that is none is found now, not when children are trained
        return self._plan_reset(options, seed)

    def arrive_reset(self, plan: Plan, evaluations: Sequence[Evaluation]) -> tuple[Observation, dict[str, Any]]:
        """Start the episode that was planned, with the evaluations of its children in their order.

        Raises:
            SpecError: not a plan of `plan_reset`, or another number of evaluations.
        """
        if plan.action is not None:
            raise SpecError("plan is that of a step; hand it to arrive, or make one by plan_reset.")
        self._check_number(plan, evaluations)
        super().reset(seed=plan.seed)
        if plan.seed is not None:
            self._met.clear()
        self._steps = 0
        return self._arrive_reset(plan, evaluations)

    def plan(self, action: np.int64 | int) -> Plan:
        """Return which children a step needs.

        Raises:
            SpecError: there is no such action, or no episode.
        """
        return self._plan(self._check_action(action))

    def arrive(
        self, plan: Plan, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Make the step that was planned, with the evaluations of its children in their order.

        Raises:
            SpecError: not a plan of `plan`, one that was made before another step, or another number of evaluations.
        """
        if plan.action is None:
            raise SpecError("plan is that of a reset; hand it to arrive_reset, or make one by plan.")
        if plan.step != self._steps:
            raise SpecError(f"plan is for step {plan.step + 1}, but step {self._steps + 1} is due; plan again.")
        self._check_number(plan, evaluations)
        self._steps += 1
        return self._arrive(plan, plan.action, evaluations)

    def snapshot(self) -> JsonDict:
        """Return the running episode as JSON values, from which `restore` goes on in another environment.

        What the driver has is its own business: a plan that has not arrived, or the state of `action_space`.

        Raises:
            SpecError: there is no episode yet.
        """
        from aen_envs.snapshots import VERSION, random_state

        if not self._accuracies:
            raise SpecError("snapshot was called before reset; call reset first.")
        return {
            "version": VERSION,
            "environment": self._identity(),
            "steps": self._steps,
            "baseline": self._baseline,
            "accuracies": list(self._accuracies),
            "met": sorted(self._met),
            "random": random_state(self._np_random, self._np_random_seed),
        } | self._snapshot()

    def restore(self, snapshot: JsonDict) -> None:
        """Go on where a snapshot was taken, of an environment that was made with the same arguments.

        Raises:
            SpecError: the snapshot is damaged, or that of another environment; this one is as it was then.
        """
        from aen_envs.snapshots import read_snapshot

        found = read_snapshot(self._snapshot_kind(), snapshot, self._identity())
        random = found.random
        self.__dict__ |= self._restored(found) | {
            "_steps": found.steps,
            "_baseline": found.baseline,
            "_accuracies": found.accuracies,
            "_met": set(found.met),
            "_np_random": None if random is None else random.source(),
            "_np_random_seed": None if random is None else random.seed,
        }

    @abstractmethod
    def text(self) -> str:
        """Return the state in a few lines of text."""

    @abstractmethod
    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""

    @abstractmethod
    def _plan_reset(self, options: dict[str, Any] | None, seed: int | None) -> Plan:
        """Return the plan of a reset."""

    @abstractmethod
    def _arrive_reset(self, plan: Plan, evaluations: Sequence[Evaluation]) -> tuple[Observation, dict[str, Any]]:
        """Start the episode that was planned."""

    @abstractmethod
    def _plan(self, action: int) -> Plan:
        """Return the plan of an action that exists."""

    @abstractmethod
    def _arrive(
        self, plan: Plan, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Make the step that was planned; `_steps` counts it already."""

    def _identity(self) -> JsonDict:
        """Return, as JSON values, with which arguments an environment goes on as this one."""
        return {"name": type(self).__name__, "horizon": self.horizon}

    @abstractmethod
    def _snapshot_kind(self) -> "type[Snapshot]":
        """Return the form of this environment's snapshots."""

    @abstractmethod
    def _snapshot(self) -> JsonDict:
        """Return the rest of a snapshot: the state, and what else the environment has of its own."""

    @abstractmethod
    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        """Return the attributes that the rest of a snapshot stands for.

        Raises:
            SpecError: it is no episode of this environment.
        """

    def _evaluate(self, plan: Plan) -> list[Evaluation]:
        """Train or look up the children of a plan, and wait for them."""
        return evaluate(self.evaluator, list(plan.specs), keep_weights=plan.keep_weights) if plan.specs else []

    def _check_number(self, plan: Plan, evaluations: Sequence[Evaluation]) -> None:
        if len(evaluations) != len(plan.specs):
            raise SpecError(
                f"evaluations has {len(evaluations)}, but the plan has {len(plan.specs)} specs; give one for each."
            )

    def _own_evaluator(self) -> Evaluator:
        """Return the evaluator to use if none is handed in: in this process, results kept in memory."""
        return LocalEvaluator()

    def render(self) -> Any:  # noqa: ANN401 - gymnasium: RenderFrame, which is Any
        """Return the state as text or as an RGB picture, by the render mode."""
        if self.render_mode is None or not self._accuracies:
            return None
        return self.text() if self.render_mode == "ansi" else self.picture()

    def close(self) -> None:
        """Close the evaluator, unless it was handed in: others may use it."""
        if self._owns_evaluator:
            self.evaluator.close()

    def _check_action(self, action: np.int64 | int) -> int:
        """Return an action as an integer.

        Raises:
            SpecError: there is no such action, or no episode.
        """
        if not self._accuracies:
            raise SpecError("step was called before reset; call reset first.")
        if action not in self.action_space:
            raise SpecError(f"action is {action!r}; choose 0 to {int(self.action_space.n) - 1}.")  # type: ignore[attr-defined]
        return int(action)

    def _describe(self, spec: ChildSpec, evaluation: Evaluation, *, state: int, met_as: str) -> dict[str, Any]:
        """Return what `info` says of a child in every environment.

        Args:
            spec: the child.
            evaluation: its.
            state: the state as one number.
            met_as: by which name it is known whether the child was met before.
        """
        met = met_as in self._met
        self._met.add(met_as)
        return {
            "accuracy": evaluation.validation_accuracy,
            "baseline_accuracy": self._baseline,
            "status": evaluation.status,
            "state": state,
            "factors": spec.name,
            "class_key": evaluation.class_key,
            "group": spec.group,
            "parameters": evaluation.parameters,
            "looked_up": met,
            "seconds": evaluation.seconds,
        }
