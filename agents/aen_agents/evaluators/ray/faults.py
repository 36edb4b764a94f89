"""What becomes of units that failed: other tries, or a failure of each child. Also, what errors say.

Decisions alone: units, the fault and settings go in, verdicts come out. The dispatcher carries them out.
"""

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from aen.children.spec import ChildSpec
from aen.errors import AenError
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray.work_units import Unit
from aen_agents.evaluators.ray.worker import FaultKind

# Quick units go together, and calls of them wait at their workers. So long may one that is not so quick after all hold
# up others; then its worker is ended, and all go again, that one alone.
HELD_UP_SECONDS = 10.0
# So many children may fail before any has succeeded.
FAILURES_AT_FIRST = 10
_TRACEBACK_CHARACTERS = 20_000


@dataclass(frozen=True)
class Verdict:
    """What becomes of a unit that failed.

    Attributes:
        unit: as it was tried.
        kind: of the fault.
        said: the fault in words.
        seconds: for how long it was tried.
        next_tries: units with the same children, to go before all others; without any, the unit is given up.
    """

    unit: Unit
    kind: FaultKind
    said: str
    seconds: float
    next_tries: Sequence[Unit] = ()


def raised(unit: Unit, fault: FaultKind, said: str, *, seconds: float, worker: int, retries: int) -> Verdict:
    """Judge a unit that raised an error.

    Args:
        unit: it.
        fault: which kind of error it was.
        said: its traceback.
        seconds: for how long the unit was trained.
        worker: number of the worker; another one is better.
        retries: how often a child is tried again.
    """
    next_tries: list[Unit] = []
    if fault == "out_of_memory":
        next_tries = unit.smaller()
    elif unit.size > 1:  # who of them was it?
        next_tries = unit.cut(1)
    elif fault == "error" and unit.strikes < retries:
        next_tries = [unit.again(strikes=unit.strikes + 1, shunned=worker)]
    kind: FaultKind = "error" if fault == "invalid" and not next_tries else fault
    return Verdict(unit, kind, said, seconds, next_tries)


def died(suspects: Sequence[Unit], said: str, *, seconds: float, retries: int) -> list[Verdict]:
    """Judge the units that a worker had when it died.

    Args:
        suspects: of all its calls: what it answered last may be lost too, so it may have died of any.
        said: what is known of its death.
        seconds: for how long its first call was trained.
        retries: how often a child is tried again.
    """
    return [
        Verdict(unit, "died", said, seconds, _after_a_death(unit, retries, alone=len(suspects) == 1))
        for unit in suspects
    ]


def _after_a_death(unit: Unit, retries: int, *, alone: bool) -> list[Unit]:
    if not alone:  # who of them was it?
        return [unit.again()]
    if unit.size > 1:  # too little memory is a likely cause
        return unit.smaller()
    return [unit.again(strikes=unit.strikes + 1)] if unit.strikes < retries else []


def overdue(
    units: Sequence[Unit], *, seconds: float, behind: bool, timeout: float | None
) -> tuple[str, list[Verdict]] | None:
    """Judge the units of a call that may take too long for a child, or hold up others too long.

    Args:
        units: of the call.
        seconds: for how long it has been trained.
        behind: whether other calls wait behind it.
        timeout: seconds that a child may take, or None.

    Returns:
        Why its worker is to be ended, and what becomes of the units; None: it may go on.
    """
    late = timeout is not None and seconds > timeout * max(len(unit.specs) for unit in units)
    alone = len(units) == 1
    if not late and (seconds <= HELD_UP_SECONDS or (alone and not behind)):
        return None
    why = f"a child took longer than {timeout:g} s" if late else f"a child held up others for {seconds:.0f} s"
    if late and alone and units[0].size == 1:
        said = f"it took longer than evaluator.timeout, {timeout:g} s"
        return why, [Verdict(units[0], "timeout", said, seconds)]
    return why, [
        Verdict(unit, "timeout", why, seconds, unit.cut(1) if late and alone else [unit.again()]) for unit in units
    ]


def failures(verdict: Verdict, *, device: str, threads: int) -> list[tuple[Evaluation, ChildSpec]]:
    """Return the failure of each child of a unit that is given up, to be stored like results.

    Args:
        verdict: on the unit.
        device: on which it was tried.
        threads: with which it was tried.
    """
    unit = verdict.unit
    said = verdict.said[-_TRACEBACK_CHARACTERS:]
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
                record={"failure": {"kind": verdict.kind, "tries": unit.tries + 1, "traceback": said}},
            ),
            spec,
        )
        for key, spec in unit.specs.items()
    ]


def check_first(failed: int, last: Evaluation) -> None:
    """Check that it is worth going on although all children that came to a result have failed.

    Args:
        failed: how many they are.
        last: of their failures.

    Raises:
        WorkerError: they are too many.
    """
    if failed >= FAILURES_AT_FIRST:
        failure = (last.record or {})["failure"]
        said = last_line(failure["traceback"]) or failure["kind"]
        raise WorkerError(f"each of the first {failed} children failed; the last one: {said}")


_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def text_of(error: BaseException) -> str:
    """Return what an error says, without Ray's colours."""
    text = str(error).strip() or "".join(traceback.format_exception_only(error)).strip()
    return _ANSI.sub("", f"{type(error).__name__}: {text}")[-_TRACEBACK_CHARACTERS:]


def told(error: BaseException) -> AenError:
    """Return an error in the form in which users are told of it."""
    if isinstance(error, AenError):
        return error
    told = WorkerError(f"the evaluator failed: {last_line(text_of(error))}")
    told.__cause__ = error
    return told


def last_line(text: str) -> str:
    """Return the last line of a text, which of a traceback says the most; at most 500 characters."""
    lines = text.strip().splitlines()
    return lines[-1][:500] if lines else ""
