"""How often the test images of a run were read: by the final report, and by every evaluation on them afterwards."""

import json
import time
from pathlib import Path

from aen._files import make_folder
from aen._reading import MALFORMED, MAX_SMALL, read_json
from aen._typing import JsonDict
from aen_agents.errors import file_error
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder

FILE = Path("evaluation") / "test_reads.json"
_REMEDY = "Restore it: it says how often the test images were read."


def test_reads(run: RunFolder) -> list[JsonDict]:
    """Return the evaluations on the test images after the final report: when, and of which network.

    Raises:
        RunFolderError: the file is damaged or may not be read.
    """
    file = run.path / FILE
    try:
        found = read_json(file, MAX_SMALL)
        return [{"time": str(read["time"]), "model": str(read["model"])} for read in found]
    except FileNotFoundError:
        return []
    except (OSError, *MALFORMED) as error:
        raise file_error(file, error, _REMEDY) from error


def record_test_read(run: RunFolder, model: str) -> int:
    """Record that the test images are read now; return how often they were, this time and the report's included.

    Raises:
        RunFolderError: the file is damaged, or cannot be written.
    """
    reads = [*test_reads(run), {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "model": model}]
    make_folder((run.path / FILE).parent)
    write_file(run.path / FILE, json.dumps(reads, indent=2) + "\n")
    return len(reads) + 1
