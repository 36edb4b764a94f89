"""Decides whether units that failed are tried again or recorded as failed, and formats errors.

The functions have no side effects; the dispatcher carries out their verdicts.
"""

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from aen._secrets import hide_secrets
from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray.protocol import FaultKind
from aen_agents.evaluators.ray.work_units import WorkUnit

# Short units share a call, and calls of them are queued at their workers. If one of them delays others for longer than
# this, its worker is replaced, and all are tried again, each in a call of its own.
HELD_UP_SECONDS = 10.0
# The search stops if this many children have failed and none has succeeded.
FAILURES_AT_FIRST = 10
_TRACEBACK_CHARACTERS = 20_000


@dataclass(frozen=True)
class Verdict:
    """The decision on a unit that failed.

    Attributes:
        unit: that failed.
        kind: of the fault.
        text: description of the fault.
        seconds: duration of the try.
        next_tries: units with the same children, to be trained before all others; if empty, the children have failed.
    """

    unit: WorkUnit
    kind: FaultKind
    text: str
    seconds: float
    next_tries: Sequence[WorkUnit] = ()


def raised(unit: WorkUnit, fault: FaultKind, text: str, *, seconds: float, worker: int, retries: int) -> Verdict:
    """Decide on a unit that raised an error.

    Args:
        unit: that failed.
        fault: kind of the error.
        text: its traceback.
        seconds: duration of the try.
        worker: number of the worker; others are preferred for the next try.
        retries: number of times that a child is tried again.
    """
    next_tries: list[WorkUnit] = []
    if fault == "out_of_memory":
        next_tries = unit.smaller()
    elif unit.size > 1:  # it is not known which child failed
        next_tries = unit.cut(1)
    elif fault == "error" and unit.strikes < retries:
        next_tries = [unit.again(strikes=unit.strikes + 1, shunned=worker)]
    kind: FaultKind = "error" if fault == "invalid" and not next_tries else fault
    return Verdict(unit, kind, text, seconds, next_tries)


def died(suspects: Sequence[WorkUnit], text: str, *, seconds: float, retries: int) -> list[Verdict]:
    """Decide on the units that a worker had when it died.

    Args:
        suspects: units of all its calls: its last result may be lost too, so that any of them may be the cause.
        text: the error that Ray reports.
        seconds: duration of its first call.
        retries: number of times that a child is tried again.
    """
    return [
        Verdict(unit, "died", text, seconds, _after_a_death(unit, retries, alone=len(suspects) == 1))
        for unit in suspects
    ]


def _after_a_death(unit: WorkUnit, retries: int, *, alone: bool) -> list[WorkUnit]:
    if not alone:  # it is not known which unit was the cause
        return [unit.again()]
    if unit.size > 1:  # too little memory is a likely cause
        return unit.smaller()
    return [unit.again(strikes=unit.strikes + 1)] if unit.strikes < retries else []


def overdue(
    units: Sequence[WorkUnit], *, seconds: float, behind: bool, timeout: float | None
) -> tuple[str, list[Verdict]] | None:
    """Decide on a call whose child may have exceeded the timeout, or may delay others for too long.

    Args:
        units: of the call.
        seconds: time since its training began.
        behind: whether other calls are queued at the same worker.
        timeout: limit for a child in seconds, or None.

    Returns:
        The reason why its worker is to be replaced, and the verdicts on the units; None if it may continue.
    """
    late = timeout is not None and seconds > timeout * max(len(unit.specs) for unit in units)
    alone = len(units) == 1
    if not late and (seconds <= HELD_UP_SECONDS or (alone and not behind)):
        return None
    why = f"a child took longer than {timeout:g} s" if late else f"a child delayed others for {seconds:.0f} s"
    if late and alone and units[0].size == 1:
        text = f"it took longer than evaluator.timeout, {timeout:g} s"
        return why, [Verdict(units[0], "timeout", text, seconds)]
    return why, [
        Verdict(unit, "timeout", why, seconds, unit.cut(1) if late and alone else [unit.again()]) for unit in units
    ]


def failures(verdict: Verdict, *, device: str, threads: int) -> list[tuple[Evaluation, ChildSpec]]:
    """Return an evaluation with status ``failed`` for each child of a unit that is not tried again.

    Args:
        verdict: on the unit.
        device: on which it was tried.
        threads: CPU threads of the tries.
    """
    unit = verdict.unit
    text = verdict.text[-_TRACEBACK_CHARACTERS:]
    return [
        (
            Evaluation(
                key=key,
                class_key=spec.class_key,
                seed=spec.seed,
                status="failed",
                train_loss=0.0,
                train_accuracy=0.0,
                validation_loss=0.0,
                validation_accuracy=0.0,
                parameters=0,
                epochs=0.0,
                seconds=float(verdict.seconds),
                device=device,
                threads=threads,
                population=unit.size,
                record={"failure": {"kind": verdict.kind, "tries": unit.tries + 1, "traceback": text}},
            ),
            spec,
        )
        for key, spec in unit.specs.items()
    ]


def check_first(failed: int, last: Evaluation) -> None:
    """Stop the search if all of its first children have failed.

    Args:
        failed: number of children, all of which have failed.
        last: the last of their evaluations.

    Raises:
        WorkerError: at least `FAILURES_AT_FIRST` have failed.
    """
    if failed >= FAILURES_AT_FIRST:
        failure = (last.record or {})["failure"]
        text = last_line(failure["traceback"]) or failure["kind"]
        raise WorkerError(f"each of the first {failed} children failed; the last one: {text}")


_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def text_of(error: BaseException) -> str:
    """Return type and message of an error, without Ray's colour codes."""
    text = str(error).strip() or "".join(traceback.format_exception_only(error)).strip()
    return hide_secrets(_ANSI.sub("", f"{type(error).__name__}: {text}"))[-_TRACEBACK_CHARACTERS:]


def as_aen_error(error: BaseException) -> AenError:
    """Return the error itself if it is an `AenError`, else a `WorkerError` caused by it."""
    if isinstance(error, AenError):
        return error
    wrapped = WorkerError(f"the evaluator failed: {last_line(text_of(error))}")
    wrapped.__cause__ = error
    return wrapped


def last_line(text: str) -> str:
    """Return the last line of a text, which in a traceback is the error; at most 500 characters."""
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else ""
