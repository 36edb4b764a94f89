"""The processes of `aen compare`: they end with it, and run no module of the working folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.small_tables import write_tables

from aen_agents.cli.main import main
from aen_agents.cli.streams import EXIT_ERROR
from aen_agents.compare import cells

PROGRAM = "import sys; from aen_agents.cli.main import main; sys.exit(main())"
# What processes of Python's own pools import before they run anything, and what workers need.
PLANTED = ("signal", "_posixsubprocess", "importlib", "multiprocessing", "pickle", "threading", "torch", "aen")
LONG = ("--seeds", "100000", "--children", "5")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def command(tables: Path, out: Path, *words: str) -> list[str]:
    names = ["--tables", "digits-01", "--folder", str(tables), "--workers", "2", "--out", str(out)]
    return [sys.executable, "-P", "-c", PROGRAM, "compare", "random", *names, *words]


def state_of(pid: int) -> tuple[int, str]:
    """Return the parent and the state of a process; (0, "Z") if there is none."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, "Z"
    return int(parent), state


def children_of(pid: int) -> list[int]:
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [number for number in numbers if state_of(number)[0] == pid]


def until(condition, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_a_comparison(tmp_path, number):
    out = tmp_path / "out"
    running = subprocess.Popen(
        command(write_tables(tmp_path / "tables", "digits-01"), out, *LONG),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    file = out / "runs.jsonl"
    assert until(lambda: file.exists() and file.stat().st_size > 0)
    started = children_of(running.pid)
    assert len(started) == 2
    running.send_signal(number)
    assert running.wait(60) == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert until(lambda: all(state_of(pid)[1] == "Z" for pid in started), 30)


def test_modules_of_the_working_folder_are_not_run(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for name in PLANTED:
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\n")
    tables = write_tables(tmp_path / "tables", "digits-01")
    # As a script, like `aen` itself: processes of an interpreter with -P would have -P, too.
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "start.py"
    script.write_text(f"{PROGRAM}\n")
    words = command(tables, tmp_path / "out", "--seeds", "4", "--children", "5")
    words = words[words.index(PROGRAM) + 1 :]
    done = subprocess.run(
        [sys.executable, str(script), *words],
        cwd=here,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists(), (tmp_path / "run").read_text()


@needs_proc
def test_a_killed_process_is_named_and_finished_runs_are_kept(tmp_path, capsys, monkeypatch):
    out, real = tmp_path / "out", cells.cell_pool
    tables = write_tables(tmp_path / "tables", "digits-01")
    words = ["random", "--tables", "digits-01", "--folder", str(tables), "--children", "5", "--out", str(out)]

    def kill_one(cell, lines, before=children_of(os.getpid())):  # noqa: B008 - those of before
        del cell, lines
        os.kill(next(pid for pid in children_of(os.getpid()) if pid not in before), signal.SIGKILL)

    monkeypatch.setattr("aen_agents.compare.run._Shown.advance", lambda _, cell, lines: kill_one(cell, lines))
    assert main(["compare", *words, "--seeds", "200", "--workers", "2"]) == EXIT_ERROR
    assert "a process of the comparison was killed, perhaps because the memory is used up" in capsys.readouterr().err
    assert not json.loads((out / "summary.json").read_text())["complete"]
    assert cells.cell_pool is real
    assert all(state_of(pid)[1] == "Z" for pid in children_of(os.getpid()))
