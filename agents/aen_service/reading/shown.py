"""What clients are shown of a run: not the paths of the server's disk, nor the processes and the host that run it."""

import json
from pathlib import Path

from aen._typing import JsonDict
from aen_service.reading.log import event_of
from aen_service.secret_text import hide_folders

_HIDDEN = {b"started": ("pid", "host", "store"), b"ended": ("pid", "host"), b"child_logged": ("detail",)}


def shown_line(line: bytes, root: Path) -> bytes:
    """Return a line of a log as clients are shown it; what went wrong with a child is told to operators as a failure.

    Args:
        line: the line.
        root: of the runs.
    """
    event = event_of(line)
    hidden = ("detail",) if event == b"worker_logged" and b'"what":"started"' in line else _HIDDEN.get(event, ())
    if not hidden and b"/" not in line:
        return line
    try:
        content = json.loads(line)
        shown = {name: _shown(value, root) for name, value in content.items() if name not in hidden}
    except (ValueError, AttributeError, RecursionError):  # damaged
        return b'{"event":"%s"}' % event if hidden else line
    return line if shown == content else json.dumps(shown, separators=(",", ":")).encode()


def shown_view(view: JsonDict | None, root: Path) -> JsonDict | None:
    """Return the view of a run as clients are shown it."""
    return None if view is None else {name: _shown(value, root) for name, value in view.items()} | {"process": None}


def _shown(value: object, root: Path) -> object:
    if isinstance(value, str):
        return hide_folders(value, root)
    if isinstance(value, dict):
        return {name: _shown(part, root) for name, part in value.items()}
    if isinstance(value, list):
        return [_shown(part, root) for part in value]
    return value
