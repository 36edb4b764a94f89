"""Progress on the console: a live bar in a terminal, a line now and then in a log."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from aen_agents.events import (
    ChildLogged,
    Event,
    Notice,
    Retrained,
    SliceTrained,
    StageStarted,
    Trained,
    Visited,
    WorkerLogged,
)

if TYPE_CHECKING:
    from aen.evaluators import Activity  # which imports torch: the first word to the user need not wait for it

_TITLES = {
    "explore": "exploring",
    "select": "selecting on fresh seeds",
    "compare": "comparing with the data's own group",
    "test": "meeting the test images",
}
LOG_EVERY = 10
MOST_FAULTS = 5  # of a kind, that are shown one by one
_LONGEST_DETAIL = 160
_KEY_LETTERS = 12


class UnfailingStream:
    """A text stream whose failures (a closed pipe, a full disk) do not reach the search that reports on it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Say whether this is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file number."""
        return self._stream.fileno()


class ConsoleProgress:
    """A listener that shows a search on a console; workers' faults may be told from any thread.

    Args:
        console: to show it on.
        activity: says what the evaluator is at, or None while that is not known.
    """

    def __init__(self, console: Console, activity: "Callable[[], Activity | None] | None" = None) -> None:
        self.console = console
        self.activity = activity
        self._progress = Progress(
            TextColumn("{task.description:<36}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            _DoingColumn(self._doing),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._done = 0
        self._total = 0
        self._faults: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
        for fault, count in self._faults.items():
            if count > MOST_FAULTS:
                self._say(f"in all, {fault}: {count:,}")

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Notice):
            self._say(f"note: {event.text}")
        elif isinstance(event, StageStarted):
            self._done, self._total = 0, event.total
            title = _TITLES.get(event.name, event.name)
            self._task = self._progress.add_task(title, total=event.total, note="")
            self._log(f"{title}: {event.total} {event.unit}")
        elif isinstance(event, Visited):
            note = f"best {event.best:.1%}  epsilon {event.epsilon:.2f}  {event.factors}: {event.accuracy:.1%}"
            self._advance(event.visits, note, changed=event.first)
        elif isinstance(event, SliceTrained):
            note = f"{event.method}, seed {event.seed}, slice {event.slice}: {event.accuracy:.1%}  {event.factors}"
            self._advance(self._done + 1, note, changed=True)
        elif isinstance(event, Trained | Retrained):
            self._advance(self._done + 1, f"{event.factors}: {event.accuracy:.1%}", changed=True)
        elif isinstance(event, ChildLogged) and event.what != "finished":
            child = f"child {event.key[:_KEY_LETTERS]} {event.what}: {event.status} on {event.worker}"
            self._fault(f"children {event.what}", child + f" after {event.seconds:.1f} s", event.detail)
        elif isinstance(event, WorkerLogged) and event.what == "lost":
            self._fault("workers lost", f"worker {event.worker} on {event.node} lost", event.detail)

    def _fault(self, kind: str, text: str, detail: str) -> None:
        """Show a fault, unless there were many of its kind; the last line of a traceback says what happened."""
        with self._lock:
            self._faults[kind] += 1
            count = self._faults[kind]
        lines = detail.strip().splitlines()
        if lines:
            text += f": {lines[-1][:_LONGEST_DETAIL]}"
        if count <= MOST_FAULTS:
            self._say(text)
        elif count == MOST_FAULTS + 1:
            self._say(f"further {kind} are counted, not shown; log.jsonl in the run folder has them all")

    def _doing(self, task: TaskID | None = None) -> str:
        """Return what the workers are at, or nothing where this process trains all by itself without fault."""
        known = None
        if self.activity is not None and task in {None, self._task}:
            with suppress(Exception):  # the evaluator may be closing in another thread
                known = self.activity()
        if known is None or (known.workers == 1 and not (known.running or known.waiting or known.failed)):
            return ""
        failed = f", {known.failed} failed" if known.failed else ""
        return f"{known.workers} worker{'s' * (known.workers != 1)}, {known.running} running{failed}"

    def _advance(self, done: int, note: str, *, changed: bool) -> None:
        self._done = done
        if self._task is not None:
            self._progress.update(self._task, completed=done, note=note)
        if changed and (done % LOG_EVERY == 0 or done == self._total):
            doing = self._doing() if not self.console.is_terminal else ""
            self._log(f"  {done}/{self._total}  {note}{'  ' * bool(doing)}{doing}")

    def _say(self, text: str) -> None:
        self.console.print(text, style="yellow", markup=False, highlight=False)

    def _log(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _DoingColumn(ProgressColumn):
    """Says what the workers are at, anew at each look: a child may take an hour."""

    def __init__(self, doing: Callable[[TaskID], str]) -> None:
        super().__init__()
        self._doing = doing

    def render(self, task: Task) -> Text:
        """Return it for the present stage, and nothing for those that are over."""
        return Text(self._doing(task.id), no_wrap=True)
