"""Processes that aen starts import no module of the working folder; folders that a user names are searched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aen import _subprocesses

PLANTED = ("joblib", "numpy", "random", "aen", "torch", "pickle", "ctypes", "threading", "sympy", "safetensors")
# What starts processes: a pool of workers, the order of a large group, the check of an export.
STARTS = """
import sys
from aen.evaluators.processes import WorkerPool
from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.groups.order import count_elements
from aen.export.without_aen import run_without_aen
import numpy, torch
from pathlib import Path
data = DataSpec(train=60, validation=60, test=60)
spec = DenseSpec(data=data, grids=(8, 4), training=TrainingSpec(epochs=1))
options = {"size": 1, "device": "cpu", "threads": 1, "weights_folder": None}
pool = WorkerPool(1)
(evaluation,) = pool.submit([spec], options).result()
pool.close()
assert evaluation.status == "ok"
assert count_elements([numpy.array([1, 2, 3, 0])], 60) == 4
(logits,) = run_without_aen("network = torch.nn.Flatten()", Path("."), [torch.zeros(1, 2, 2)])
assert logits.shape == (1, 4)
print("done")
"""


@pytest.mark.parametrize("flag", ["-P", pytest.param("-I", marks=pytest.mark.slow)])
def test_modules_of_the_working_folder_are_not_run(tmp_path, flag):
    for name in PLANTED:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\n")
    paths = [path for path in sys.path if path]
    program = f"import sys; sys.path[:0] = {paths!r}\n{STARTS}" if flag == "-I" else STARTS
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, flag, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr
    assert not (tmp_path / "run").exists(), (tmp_path / "run").read_text()


@pytest.fixture
def script(tmp_path, monkeypatch):
    """This process as a script in a folder, started in another one."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "scripts" / "main.py"), raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_folders_that_python_adds_by_itself_come_last(script, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", str(script / "scripts"), "/usr/lib/python", "/plugins"])
    assert _subprocesses.import_path() == ["/usr/lib/python", "/plugins", str(script / "here"), str(script / "scripts")]


def test_folders_that_the_user_names_stay_where_they_are(script, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(script / "scripts"), ""]))
    monkeypatch.setattr(sys, "path", [str(script / "here"), str(script / "scripts"), "/usr/lib/python"])
    assert _subprocesses.import_path() == [str(script / "scripts"), "/usr/lib/python", str(script / "here")]


@pytest.mark.usefixtures("script")
def test_every_process_imports_the_same_aen(monkeypatch):
    home = str(Path(_subprocesses.__file__).absolute().parents[1])
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/python"])
    assert _subprocesses.import_path() == [home, "/usr/lib/python"]


def test_a_working_folder_that_was_removed_is_left_out(script, monkeypatch):
    (script / "here").rmdir()
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/python"])
    assert _subprocesses.import_path() == ["/usr/lib/python"]
