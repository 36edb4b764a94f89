"""TrainedHistory: the history of an agent that trains whole classes, a line for each child."""

import json
from collections.abc import Sequence

from aen._typing import JsonDict
from aen_agents.events import Trained
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.history import HistoryFile


class TrainedHistory:
    """``history.jsonl``: a line for each child as it finishes, sorted once all are there.

    A resumed run keeps the lines of the earlier one and adds those that were missing.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.file = folder.history_file
        earlier = folder.history()
        self._known = {(line["class_key"], line["seed"]) for line in earlier}
        self._lines: dict[int, JsonDict] = {}
        self._write(earlier)
        self._growing = HistoryFile(self.file, keep=True)

    def add(self, place: int, event: Trained, key: str) -> None:
        """Add a child.

        Args:
            place: of its line once all are there.
            event: the child.
            key: of its spec.
        """
        self._lines[place] = {**vars(event), "key": key}  # it is flat; asdict would copy each value
        if (event.class_key, event.seed) not in self._known:
            self._growing.append(self._lines[place])

    def finish(self) -> None:
        """Sort the lines."""
        self._growing.close()
        self._write([line for _, line in sorted(self._lines.items())])

    def _write(self, lines: Sequence[JsonDict]) -> None:
        write_file(self.file, "".join(f"{json.dumps(line)}\n" for line in lines))
