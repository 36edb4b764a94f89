"""The real thing: Ray, several processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, evaluations, leases, make, run_here, write

from aen_agents.sweep.folder import SweepFolder

# A run of the command in another process, in which Ctrl-C works even where who runs the tests ignores it.
COMMAND = [
    sys.executable,
    "-c",
    """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from aen_agents.cli.main import main
raise SystemExit(main())
""",
    "sweep",
]


@pytest.mark.slow
def test_a_sweep_from_start_to_table(tmp_path: Path) -> None:
    path = write(tmp_path, SEEDS | {"grid": {"seed": [0, 1], "budget.children": [6, 5]}})
    out = tmp_path / "out"
    done = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Ray's own talk"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["counts"] == {"complete": 4, "stopped": 0, "failed": 0, "unfinished": 0}
    assert "best on validation: children=" in done.stdout
    assert summary["children_trained"] == len(evaluations(out / "results.sqlite")), "a child was trained twice"
    assert leases(out / "results.sqlite") == 0
    assert not (out / ".tune").exists()
    before = (out / "summary.json").read_bytes()
    again = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=100, check=False)
    assert again.returncode == 0
    assert "4 of them ended before" in again.stdout
    assert (out / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_weak_trials_are_stopped_and_failures_do_not_end_a_sweep(tmp_path: Path) -> None:
    # At a rate of 1e-7 nothing is learnt: such a trial is behind at the first rung. The folder of another is in use.
    rates = [0.01, 1e-7, 0.02]
    sweep = SEEDS | {
        "grid": {"training.learning_rate": rates},
        "overrides": ["training.epochs=10", "budget.children=8"],
        "stop": {"rule": "asha", "grace": 3, "reduction": 2},
        "concurrent": 1,
    }
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    folder, trials = make(tmp_path, sweep, "out")
    blocked = folder.files(trials[2])
    blocked.path.mkdir(parents=True)
    (blocked.path / "thesis.txt").write_text("do not touch")
    done = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert [row["status"] for row in summary["trials"]] == ["complete", "stopped", "failed"]
    assert summary["trials"][1]["children_visited"] == 3
    assert "is no run folder" in summary["trials"][2]["message"]
    assert "Last result" not in done.stdout, "Tune's own talk"
    assert f"aen sweep --restore {out}\n" in done.stdout
    assert leases(folder.store_file) == 0
    # The failed one is tried again, the stopped one is not.
    (blocked.path / "thesis.txt").unlink()
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert [row["status"] for row in summary["trials"]][:2] == ["complete", "stopped"]
    assert summary["trials"][2]["status"] != "failed"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_a_broken_sweep_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    sweep = SEEDS | {"overrides": ["training.epochs=60", "budget.children=8"], "concurrent": 2}
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, path, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200

    def reports() -> int:
        return sum(file.read_text().count("\n") for file in (out / "trials").glob("*/reports.jsonl"))

    while time.monotonic() < deadline and process.poll() is None and reports() < 4:
        time.sleep(0.02)
    process.send_signal(how)
    said, error = process.communicate(timeout=100)
    assert process.returncode == (130 if how is signal.SIGINT else -9), error
    assert "Traceback" not in error
    if how is signal.SIGINT:
        assert re.search(rf"To resume: \S*aen sweep --restore {re.escape(str(out))}\n", said)
    reported = reports()
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported < reports() == 16
    folder = SweepFolder.open(out)
    _, trials = folder.load()
    whole, _ = make(tmp_path, sweep, "whole")
    for trial in trials:
        run_here(whole, trial, [])
        ours, theirs = folder.files(trial).summary(), whole.files(trial).summary()
        assert ours is not None
        assert theirs is not None
        assert ours["winner"] == theirs["winner"]
    assert evaluations(folder.store_file) == evaluations(whole.store_file)
    assert leases(folder.store_file) == 0


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_does_not_end_a_sweep(tmp_path: Path) -> None:
    sweep = SEEDS | {"overrides": ["training.epochs=60", "budget.children=8"], "concurrent": 1}
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, path, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    reports = out / "trials" / "000-seed-0" / "reports.jsonl"
    while time.monotonic() < deadline and process.poll() is None and not reports.is_file():
        time.sleep(0.02)
    at_work = [pid for pid, command in descendants(process.pid).items() if command.startswith("ray::ImplicitFunc")]
    for pid in at_work:
        os.kill(pid, signal.SIGKILL)
    said, error = process.communicate(timeout=300)
    assert len(at_work) == 1
    assert process.returncode == 1, error
    assert "Traceback" not in said + error
    rows = json.loads((out / "summary.json").read_text())["trials"]
    assert [row["status"] for row in rows] == ["failed", "complete"]
    assert rows[0]["message"].startswith("its process ended before it did: ")
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((out / "summary.json").read_text())["trials"]
    assert [row["status"] for row in rows] == ["complete", "complete"]
    assert leases(out / "results.sqlite") == 0


def descendants(pid: int) -> dict[int, str]:
    """Return the command of each process below one."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # it has just ended
            continue
    found = {pid}
    for _ in range(10):
        found |= {child for child, parent in parents.items() if parent in found}
    return {child: commands[child] for child in found - {pid} if child in commands}
