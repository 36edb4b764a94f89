"""ChildEnv: base class of all environments; each state has a child network."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from aen._fields import shown
from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import SpecError
from aen.evaluators import Evaluator, LocalEvaluator, evaluate
from aen.results import Evaluation
from aen.spaces import Space
from aen_envs.arguments import check_evaluator, check_options, check_seed, one_of, whole_number
from aen_envs.configurable import ConfigurableEnv
from aen_envs.pending_step import PendingStep, Plan

if TYPE_CHECKING:
    from aen_envs.snapshots import Snapshot

__all__ = ["ChildEnv", "PendingStep", "Plan"]

Observation = TypeVar("Observation")
_WHOLE = (int, np.integer)


class ChildEnv(ConfigurableEnv[Observation, np.int64]):
    """Base class of environments in which each state has a child, whose accuracy makes the reward.

    `step` consists of two halves, so that the children of several environments can be trained side by side:
    `begin_step` returns the children that a step needs and changes nothing; `finish_step` takes their evaluations and
    performs the step. Likewise `reset` consists of `begin_reset` and `finish_reset`. If the evaluator fails in between,
    the environment is unchanged.

    Args:
        evaluator: trains children or looks them up; None: an evaluator of the environment's own.
        horizon: number of steps until truncation.
        render_mode: ``ansi``, ``rgb_array`` or None.

    Attributes:
        settings: names of the arguments of `make_environment` that configure this environment.
        reset_options: keys that the options of `reset` may have.

    Raises:
        SpecError: an unknown render mode, a horizon below 1, no evaluator, or an argument that does not exist.
    """

    settings: ClassVar[tuple[str, ...]] = ("horizon",)
    reset_options: ClassVar[tuple[str, ...]] = ("state",)
    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, *, evaluator: Evaluator | None, horizon: int, render_mode: str | None) -> None:
        super().__init__()
        self.horizon = whole_number("horizon", horizon)
        if self.horizon < 1:
            raise SpecError(f"horizon is {horizon}; an episode needs at least 1 step.")
        if render_mode is not None:
            one_of("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        if evaluator is not None:
            check_evaluator(evaluator)
        self._owns_evaluator = evaluator is None
        self.evaluator: Evaluator = self._own_evaluator() if evaluator is None else evaluator
        # What `provide` was given.
        self._provided: tuple[PendingStep, Sequence[Evaluation]] | None = None
        # Accuracies of all children of the episode so far; empty before the first reset.
        self._accuracies: list[float] = []
        self._baseline = 0.0
        self._steps = 0
        self._met: set[str] = set()

    @classmethod
    def arguments_for(cls, space: Space, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - of any setting
        """Return the constructor's arguments with which this class is the environment of a space.

        Args:
            space: a space of the type that this class is registered for.
            settings: further arguments, such as those named in `settings`.
        """
        return {"space": space} | settings

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; ``options={"state": numbers}`` sets the state in which it starts."""
        pending = self.begin_reset(seed=seed, options=options)
        return self.finish_reset(pending, self._evaluate(pending))

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take an action."""
        pending = self.begin_step(action)
        return self.finish_step(pending, self._evaluate(pending))

    def begin_reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> PendingStep:
        """Return the children that a reset needs; the arguments are those of `reset`.

        Raises:
            SpecError: ``options["state"]`` is not a state, there is an unknown option, or a wrong seed.
        """
        check_options(options, self.reset_options)
        return self._begin_reset(options, check_seed(seed))

    def finish_reset(
        self, pending: PendingStep, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, dict[str, Any]]:
        """Perform a reset.

        Args:
            pending: what `begin_reset` returned.
            evaluations: of its children, in their order.

        Raises:
            SpecError: `pending` is not from `begin_reset`, or the number of evaluations is wrong.
        """
        if pending.action is not None:
            raise SpecError("pending is that of a step; pass it to finish_step, or make one by begin_reset.")
        self._check_number(pending, evaluations)
        super().reset(seed=pending.seed)
        if pending.forgets:
            self._met.clear()
        self._steps = 0
        return self._finish_reset(pending, evaluations)

    def begin_step(self, action: np.int64 | int) -> PendingStep:
        """Return the children that a step needs.

        Raises:
            SpecError: there is no such action, or no episode.
        """
        return self._begin_step(self._check_action(action))

    def finish_step(
        self, pending: PendingStep, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Perform a step.

        Args:
            pending: what `begin_step` returned.
            evaluations: of its children, in their order.

        Raises:
            SpecError: `pending` is not from `begin_step`, another step was performed since then, or the number of
                evaluations is wrong.
        """
        if pending.action is None:
            raise SpecError("pending is that of a reset; pass it to finish_reset, or make one by begin_step.")
        if pending.step != self._steps:
            raise SpecError(
                f"pending is for step {pending.step + 1}, but step {self._steps + 1} is due; call begin_step again."
            )
        self._check_number(pending, evaluations)
        self._steps += 1
        try:
            return self._finish_step(pending, pending.action, evaluations)
        except BaseException:  # a reward function may fail
            self._steps -= 1
            raise

    def provide(self, pending: PendingStep, evaluations: Sequence[Evaluation]) -> None:
        """Give the evaluations that the next `step` or `reset` uses, if it is the one of `pending`.

        So the children of several environments can be trained side by side under wrappers such as TimeLimit, which
        know `step` and `reset` but not their halves.
        """
        self._provided = pending, evaluations

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return which actions are legal, in the form that MaskablePPO of sb3-contrib needs; by default all are."""
        mask = np.empty(self.action_space.n, dtype=np.bool_)  # type: ignore[attr-defined]
        mask.fill(True)  # `np.ones` takes three times as long
        return mask

    # The former names of the four methods above; they will be removed.
    plan, arrive, plan_reset, arrive_reset = begin_step, finish_step, begin_reset, finish_reset

    def snapshot(self) -> JsonDict:
        """Return the running episode as JSON values, with which `restore` resumes it in another environment.

        Pending steps and the random state of `action_space` are not part of it.

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
        """Resume the episode of a snapshot, taken in an environment that was made with the same arguments.

        Raises:
            SpecError: the snapshot is damaged, or of an environment with other arguments; this one is unchanged.
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

    @property
    def action_names(self) -> list[str]:
        """A name for each action, in their order."""
        return [f"action {number}" for number in range(int(self.action_space.n))]  # type: ignore[attr-defined]

    @abstractmethod
    def text(self) -> str:
        """Return the state in a few lines of text."""

    @abstractmethod
    def picture(self) -> npt.NDArray[np.uint8]:
        """Return the state as an RGB picture."""

    @abstractmethod
    def _begin_reset(self, options: dict[str, Any] | None, seed: int | None) -> PendingStep:
        """Return the children that a reset needs."""

    @abstractmethod
    def _finish_reset(
        self, pending: PendingStep, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, dict[str, Any]]:
        """Perform a reset."""

    @abstractmethod
    def _begin_step(self, action: int) -> PendingStep:
        """Return the children that a step needs; the action is valid."""

    @abstractmethod
    def _finish_step(
        self, pending: PendingStep, action: int, evaluations: Sequence[Evaluation]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Perform a step, which `_steps` already counts."""

    def _identity(self) -> JsonDict:
        """Return, as JSON values, the arguments that an environment needs to resume this one's snapshots."""
        return {"name": type(self).__name__, "horizon": self.horizon}

    @abstractmethod
    def _snapshot_kind(self) -> "type[Snapshot]":
        """Return the class of this environment's snapshots."""

    @abstractmethod
    def _snapshot(self) -> JsonDict:
        """Return the remaining fields of a snapshot: the state, and others of the subclass."""

    @abstractmethod
    def _restored(self, snapshot: "Snapshot") -> dict[str, Any]:
        """Return the attributes that the remaining fields of a snapshot determine.

        Raises:
            SpecError: they are not an episode of this environment.
        """

    def _evaluate(self, pending: PendingStep) -> list[Evaluation]:
        """Train or look up the children of a step or reset, and wait for them."""
        provided, self._provided = self._provided, None
        if provided is not None and provided[0] == pending:
            return list(provided[1])
        if not pending.specs:
            return []
        return evaluate(self.evaluator, list(pending.specs), keep_weights=pending.keep_weights)

    def _check_number(self, pending: PendingStep, evaluations: Sequence[Evaluation]) -> None:
        expected, given = len(pending.specs), len(evaluations)
        if given != expected:
            raise SpecError(f"evaluations has length {given}, but pending has {expected} specs; give one for each.")
        wrong = [each for each in evaluations if not isinstance(each, Evaluation)]
        if wrong:
            raise SpecError(f"evaluations has {shown(wrong[0])} but each must be an aen.results.Evaluation.")

    def _own_evaluator(self) -> Evaluator:
        """Return the evaluator to use by default: it trains in this process and keeps results in memory."""
        return LocalEvaluator()

    def render(self) -> Any:  # noqa: ANN401 - gymnasium: RenderFrame, which is Any
        """Return the state as text or as an RGB picture, depending on the render mode."""
        if self.render_mode is None:
            gym.logger.warn("render was called without a render mode; make the environment with render_mode='ansi'.")
            return None
        if not self._accuracies:
            return None
        return self.text() if self.render_mode == "ansi" else self.picture()

    def close(self) -> None:
        """Close the evaluator, unless it was passed as an argument."""
        if self._owns_evaluator:
            self.evaluator.close()

    def _check_action(self, action: np.int64 | int) -> int:
        """Return an action as an integer.

        Raises:
            SpecError: there is no such action, or no episode.
        """
        if not self._accuracies:
            raise SpecError("step was called before reset; call reset first.")
        n: np.int64 = self.action_space.n  # type: ignore[attr-defined]
        # `Discrete.contains` takes as long as a third of a step over a table, but knows arrays without dimensions.
        whole = isinstance(action, _WHOLE)
        if not (0 <= action < n if whole else action in self.action_space):
            last = int(n) - 1
            what = repr(action) if whole else f"{shown(action)} but must be a whole number"
            raise SpecError(f"action is {what}; choose 0 to {last}.")
        return int(action)

    def _describe(self, spec: ChildSpec, evaluation: Evaluation, *, state: int, met_as: str) -> dict[str, Any]:
        """Return the entries of `info` that all environments share.

        Args:
            spec: the child.
            evaluation: its evaluation.
            state: the state as one number.
            met_as: the name under which the child is remembered, for `looked_up`.
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
            "key": evaluation.key,
            "group": spec.group,
            "parameters": evaluation.parameters,
            "looked_up": met,
            "seconds": evaluation.seconds,
        }
