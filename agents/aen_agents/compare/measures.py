"""What is measured of one run of an agent on a table; docs/compare.md defines every measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aen.bench import Table
from aen.bench.table import WITHIN
from aen_agents.compare.trace import Trained

FloatArray = npt.NDArray[np.float64]

CHECKPOINTS = (1, 2, 3, 5, 10, 20, 40)  # numbers of children at which the simple regret is written


@dataclass(frozen=True)
class Measures:
    """What a run is worth.

    Attributes:
        first_trained: children until a class within 0.5 points of the best is trained; None: none was.
        first_recommended: children until such a class is recommended and no other one is afterwards; None: never.
        regret: simple regret after each child, up to the budget; after the agent's end it stays as it is.
        normalised: the same, divided by the mean regret of the table's classes.
        area_children: mean of the simple regret over the children of the budget.
        area_seconds: mean of the simple regret over the simulated seconds in which the budget is trained at the
            table's mean price of a child.
        children: children trained.
        seconds: simulated seconds: those that the children took when the table was built.
    """

    first_trained: int | None
    first_recommended: int | None
    regret: FloatArray
    normalised: FloatArray
    area_children: float
    area_seconds: float
    children: int
    seconds: float


def budget_of(table: Table, children: int) -> int:
    """Return the number of children that a run on a table may train: not more than it has classes."""
    return min(children, len(table.definition.classes))


def measure(
    table: Table, places: Sequence[int], recommended: Sequence[int], seconds: Sequence[float], children: int
) -> Measures:
    """Return the measures of a run.

    Args:
        table: the table.
        places: of the classes in the order of training.
        recommended: the place of the class that the agent would choose after each child.
        seconds: that each child took when the table was built.
        children: the budget.
    """
    good = table.regret <= WITHIN
    average = float(table.regret.mean())
    known = table.regret[np.asarray(recommended, dtype=np.int64)]
    # Before the first child an agent has nothing better than a class at random.
    last = float(known[-1]) if len(known) else average
    regret = np.concatenate([known[:children], np.full(max(children - len(known), 0), last)])
    trained = np.flatnonzero(good[np.asarray(places, dtype=np.int64)])
    wrong = np.flatnonzero(~good[np.asarray(recommended, dtype=np.int64)])
    kept = int(wrong[-1]) + 2 if len(wrong) else 1
    return Measures(
        first_trained=int(trained[0]) + 1 if len(trained) else None,
        first_recommended=kept if kept <= len(known) else None,
        regret=regret,
        normalised=regret / average if average > 0 else np.zeros_like(regret),
        area_children=float(regret.mean()),
        area_seconds=_area(
            known, np.cumsum(np.asarray(seconds, dtype=np.float64)), _seconds_of(table, children), average
        ),
        children=len(places),
        seconds=float(np.sum(seconds)),
    )


def _seconds_of(table: Table, children: int) -> float:
    return children * float(table.results["seconds"][:, :, -1].mean())


def _area(regret: FloatArray, times: FloatArray, end: float, before: float) -> float:
    """Return the mean over [0, end] of the step function that is `before` first and regret[i] from times[i] on."""
    if end <= 0:
        return before
    edges = np.clip(np.concatenate([[0.0], times, [end]]), 0.0, end)
    return float(np.diff(edges) @ np.concatenate([[before], regret]) / end)


def arrays_of(trace: Sequence[Trained]) -> tuple[list[int], list[int], list[float]]:
    """Return places, recommended places and seconds of a trace."""
    return [t.place for t in trace], [t.recommended for t in trace], [round(t.seconds, 6) for t in trace]
