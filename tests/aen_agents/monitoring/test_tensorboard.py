"""The curves that TensorBoard reads."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aen_agents.monitoring.tensorboard import ScalarFile


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    file = ScalarFile(tmp_path / "search")
    for step in (1, 2, 300, 70_000):
        file.add(step, {"search/accuracy": step / 2, "workers/alive": -1.5})
    curves = EventAccumulator(str(tmp_path / "search")).Reload()
    assert curves.Tags()["scalars"] == ["search/accuracy", "workers/alive"]
    assert [(s.step, s.value) for s in curves.Scalars("search/accuracy")] == [
        (1, 0.5),
        (2, 1.0),
        (300, 150.0),
        (70_000, 35_000.0),
    ]
    assert abs(curves.Scalars("workers/alive")[0].wall_time - time.time()) < 60


def test_a_value_that_is_too_large_is_infinite(tmp_path: Path) -> None:
    ScalarFile(tmp_path / "search").add(1, {"train/loss": 1e300})
    curves = EventAccumulator(str(tmp_path / "search")).Reload()
    assert curves.Scalars("train/loss")[0].value == float("inf")


@pytest.mark.parametrize("ahead", [0, 3600])
def test_a_run_that_goes_on_continues_its_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    earlier, later = ScalarFile(tmp_path / "search"), ScalarFile(tmp_path / "search")
    begun = time.time()
    with monkeypatch.context() as other_machine:
        other_machine.setattr("aen_agents.monitoring.tensorboard.time.time", lambda: begun + ahead)
        for step in range(1, 6):
            earlier.add(step, {"a": step})
    for step in range(4, 8):
        later.add(step, {"a": 10 * step})
    curves = EventAccumulator(str(tmp_path / "search")).Reload()
    assert [(s.step, s.value) for s in curves.Scalars("a")] == [
        *((step, step) for step in (1, 2, 3)),
        *((step, 10 * step) for step in (4, 5, 6, 7)),
    ]


def test_the_writer_imports_neither_tensorflow_nor_torch_and_starts_no_thread(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from aen_agents.monitoring.tensorboard import ScalarFile\n"
        "assert 'tensorboard' not in sys.modules, 'TensorBoard was imported before there was a point'\n"
        "ScalarFile(Path(sys.argv[1])).add(1, {'a': 1.0})\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
        "assert threading.active_count() == 1\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "search")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [s.step for s in EventAccumulator(str(tmp_path / "search")).Reload().Scalars("a")] == [1]
