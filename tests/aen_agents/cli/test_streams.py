"""Standard streams that are closed, full, or no longer read: no traceback, and an exit status that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aen_agents.cli.streams import EXIT_BROKEN_PIPE, EXIT_ERROR

RUN = f"{sys.executable} -c 'from aen_agents.cli.main import main; raise SystemExit(main())'"
LOST = "aen: error: standard output cannot be written: No space left on device\n"

CASES = {
    "closed output": ("presets >&-", 0, ""),
    "closed errors": ("list nowhere 2>&-", EXIT_ERROR, ""),
    "all closed": ("presets <&- >&- 2>&-", 0, ""),
    "full": ("presets >/dev/full", EXIT_ERROR, LOST),
    "full, help": ("--help >/dev/full", EXIT_ERROR, LOST),
    "full errors": ("list nowhere 2>/dev/full", EXIT_ERROR, ""),
    "full errors, of the command line": ("nosuch 2>/dev/full", EXIT_ERROR, ""),
    "both full": ("presets >/dev/full 2>/dev/full", EXIT_ERROR, ""),
    "nobody reads": ("presets | true; exit ${PIPESTATUS[0]}", EXIT_BROKEN_PIPE, ""),
    "ascii": ("presets >/dev/null", 0, ""),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("words", "status", "errors"), CASES.values(), ids=CASES)
def test_streams_that_cannot_be_written(words: str, status: int, errors: str, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "1", "NO_COLOR": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | plain
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        ["bash", "-c", f"{RUN} {words}"],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, errors)


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library prints would be written into it."""
    code = (
        "import os, sys; from aen_agents.cli.streams import prepare_streams; prepare_streams(); "
        f"file = open({str(tmp_path / 'file')!r}, 'w'); print('text'); "
        "raise SystemExit(os.system('echo text') or file.fileno())"
    )
    done = subprocess.run(["bash", "-c", 'exec "$@" <&- >&- 2>&-', "-", sys.executable, "-c", code], check=False)
    assert 2 < done.returncode < 10
    assert (tmp_path / "file").read_text() == ""
