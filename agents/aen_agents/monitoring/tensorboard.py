"""Writes scalar curves to TensorBoard event files.

Events are encoded by TensorBoard's own `RecordWriter`. Its `EventFileWriter` is not used: it writes from a thread,
where an error (a full disk) cannot be caught, and it imports TensorFlow if that is installed.
"""

import io
import itertools
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]

FILE_VERSION = "brain.Event:2"  # what TensorBoard expects in the first event of a file
_PREFIX = "events.out.tfevents."
_NUMBERS = itertools.count()


class ScalarFile:
    """A TensorBoard event file, created when the first point is added.

    Args:
        folder: TensorBoard's name for the run; the files of earlier processes stay in it.
        start: TensorBoard discards points of earlier processes from this step on; None: from the first point's step on.
    """

    def __init__(self, folder: Path, start: int | None = None) -> None:
        self.folder = folder
        self._start = start
        self._file: Path | None = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve. It has been written when this returns.

        Raises:
            OSError: the file cannot be written.
        """
        # Imported here for start-up time: 0.1 to 0.3 seconds.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        now = time.time()
        points = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        point = Event(wall_time=now, step=step, summary=Summary(value=points))
        file, self._file = self._file, None  # after a failure a new file is begun: this one may end in a torn record
        if file is not None:
            _append(file, point)
        else:
            self.folder.mkdir(exist_ok=True)  # without parents: a run folder that was removed is not created again
            second = _next_second(self.folder, int(now))
            name = f"{_PREFIX}{second:010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
            file = self.folder / name
            first = Event(wall_time=now, file_version=FILE_VERSION)
            # A resumed run: TensorBoard discards earlier points from this step on.
            start = step if self._start is None else self._start
            session = Event(wall_time=now, step=start, session_log=SessionLog(status=SessionLog.START))
            try:
                _append(file, first, session, point)
            except OSError:
                with suppress(OSError):
                    file.unlink(missing_ok=True)
                raise
            self._start = None
        self._file = file


def _next_second(folder: Path, now: int) -> int:
    """Return the time for a file's name: TensorBoard reads files in its order, and clocks of machines differ."""
    seconds = (file.name.removeprefix(_PREFIX).partition(".")[0] for file in folder.glob(f"{_PREFIX}*"))
    return max([now, *(int(second) + 1 for second in seconds if second.isdecimal())])


def _append(file: Path, *events: "Event") -> None:
    # Imported here for start-up time.
    from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

    records = io.BytesIO()
    writer = RecordWriter(records)
    for event in events:
        writer.write(event.SerializeToString())
    with file.open("ab") as stream:
        stream.write(records.getvalue())
