"""Shows the progress of a search on the console: a live bar in a terminal, occasional lines in a log."""

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

from aen._secrets import hide_secrets
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
from aen_agents.text import printable

if TYPE_CHECKING:
    from aen.evaluators import Activity  # imports torch, which the first output does not need to wait for

_TITLES = {
    "explore": "exploring",
    "select": "selecting on fresh seeds",
    "rival": "training the rival, augmentation",
    "compare": "comparing with the hidden group",
    "test": "measuring on the test images",
}
LOG_EVERY = 10
MOST_FAULTS = 5  # faults of one kind that are shown individually
_LONGEST_DETAIL = 160
_KEY_LETTERS = 12


class UnfailingStream:
    """A text stream that ignores write errors (a closed pipe, a full disk), so that they do not end the search.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write the text; an error is ignored."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; an error is ignored."""
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether this is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()


class ConsoleProgress:
    """A listener that shows a search on a console. It may be called from any thread.

    Args:
        console: where to show it.
        activity: returns the counts of workers and children, or None while they are not known.
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
                self._say(f"{fault}, total: {count:,}")

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
        """Show a fault with the last line of its traceback, unless many of its kind were shown already."""
        with self._lock:
            self._faults[kind] += 1
            count = self._faults[kind]
        lines = detail.strip().splitlines()
        if lines:
            text += f": {lines[-1][:_LONGEST_DETAIL]}"
        if count <= MOST_FAULTS:
            self._say(text)
        elif count == MOST_FAULTS + 1:
            self._say(f"further {kind} are counted but not shown; log.jsonl in the run folder has all of them")

    def _doing(self, task: TaskID | None = None) -> str:
        """Return the counts of workers and running children.

        Empty if they are not known, or if this process trains alone and no child failed.
        """
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
        self.console.print(printable(hide_secrets(text)), style="yellow", markup=False, highlight=False)

    def _log(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _DoingColumn(ProgressColumn):
    """A column with the counts of workers, computed at each refresh, since a child may take an hour."""

    def __init__(self, doing: Callable[[TaskID], str]) -> None:
        super().__init__()
        self._doing = doing

    def render(self, task: Task) -> Text:
        """Return the counts for the present stage, and nothing for finished ones."""
        return Text(self._doing(task.id), no_wrap=True)
