"""The report's part on children that failed: which ones, why, and how often they were tried."""

from collections.abc import Iterable
from dataclasses import dataclass

from aen._secrets import hide_secrets
from aen.children import ChildSpec
from aen.results import Evaluation

MOST_SHOWN = 50
_MOST_LETTERS = 10_000  # of a traceback; the error stands at its end
_KINDS = {
    "timeout": "it took longer than the limit",
    "out_of_memory": "out of memory",
    "died": "its worker died",
    "error": "an error",
}


@dataclass(frozen=True)
class FailedChild:
    """A row of the list.

    Attributes:
        name: of its spec.
        class_key: its canonical class.
        seed: of the child.
        kind: why it failed, for display.
        tries: how often it was tried, or ``?``.
        traceback: of the last try, perhaps only its end; or empty.
    """

    name: str
    class_key: str
    seed: int
    kind: str
    tries: str
    traceback: str


@dataclass(frozen=True)
class Failures:
    """The children that failed.

    Attributes:
        shown: the first of them, by name and seed.
        rest: how many more there are.
    """

    shown: tuple[FailedChild, ...]
    rest: int


def failures_of(found: Iterable[tuple[Evaluation, ChildSpec]]) -> Failures:
    """Return the rows of the children that failed."""
    rows = sorted((_row(evaluation, spec) for evaluation, spec in found), key=lambda row: (row.name, row.seed))
    return Failures(tuple(rows[:MOST_SHOWN]), len(rows[MOST_SHOWN:]))


def _row(evaluation: Evaluation, spec: ChildSpec) -> FailedChild:
    failure = (evaluation.record or {}).get("failure")
    known = failure if isinstance(failure, dict) else {}
    kind, text = str(known.get("kind", "unknown")), hide_secrets(str(known.get("traceback", "")))
    cut = "" if len(text) <= _MOST_LETTERS else "...\n"
    return FailedChild(
        name=spec.name,
        class_key=evaluation.class_key,
        seed=evaluation.seed,
        kind=_KINDS.get(kind, kind),
        tries=str(known.get("tries", "?")),
        traceback=cut + text[-_MOST_LETTERS:],
    )
