"""Progress on the console: a live bar in a terminal, a line now and then in a log."""

from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from aen_agents.events import Event, Notice, Retrained, SliceTrained, StageStarted, Trained, Visited

_TITLES = {
    "explore": "exploring",
    "select": "selecting on fresh seeds",
    "compare": "comparing with the data's own group",
    "test": "meeting the test images",
}
LOG_EVERY = 10


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
    """A listener that shows a search on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description:<36}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._done = 0
        self._total = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Notice):
            self.console.print(f"note: {event.text}", style="yellow", markup=False, highlight=False)
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

    def _advance(self, done: int, note: str, *, changed: bool) -> None:
        self._done = done
        if self._task is not None:
            self._progress.update(self._task, completed=done, note=note)
        if changed and (done % LOG_EVERY == 0 or done == self._total):
            self._log(f"  {done}/{self._total}  {note}")

    def _log(self, text: str) -> None:
        if not self.console.is_terminal:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)
