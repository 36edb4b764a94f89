"""aen bench: what it builds, lists and checks, and its errors in one line."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.built_tables import build, small

from aen.bench import SUITES, load
from aen.bench.figures import TestFigures
from aen_agents.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    build(folder, small(classes=2, epochs=1))
    return folder


@pytest.mark.parametrize("suites", [("digits",), pytest.param(SUITES, marks=pytest.mark.slow)], ids=["digits", "all"])
def test_list_shows_every_table_and_which_are_built(folder, suites, capsys, monkeypatch):
    monkeypatch.setattr("aen.bench.SUITES", suites)  # finding the classes of 28x28 images takes half a minute
    assert main(["bench", "list", str(folder)]) == 0
    head, *rows, total = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["table", "part"]
    assert total.startswith("60 tables, " if suites == SUITES else "40 tables, ")
    lines = {row.split()[0]: row for row in rows}
    assert " held-out " in lines["gfashion-multi-0" if suites == SUITES else "digits-40"]
    assert lines["digits-04"].endswith("no")
    assert " about 124 " in lines["digits-04"]
    assert not lines["digits-03"].endswith("no")
    assert "about" not in lines["digits-03"]
    assert "vflip, swap_lr (70% of the images)" in lines["digits-24"]


def test_check_reads_every_table(folder, capsys):
    assert main(["bench", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "1 table, all as they were built\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "digit"], "unknown suite or table 'digit' (did you mean 'digits'?)"),
        (["build", "evaluator.workers=2"], "no table is named; "),
        (["build", "digits-03", "training.epochs=3"], "training.epochs=3: a table's definition is fixed; only keys of"),
        (["build", "digits-03", "--workers", "0"], "evaluator.workers"),
        (["build", "digits-03", "evaluator.population=8"], "the evaluator's population is 8; children of tables"),
        (["check", "{empty}"], "{empty} has no tables; build some with: aen bench build SUITE --out {empty}"),
        (["check", "{empty}/file"], "{empty}/file is no folder; give the folder of the tables, which is the --out of"),
        (["check", "{empty}/file/below"], "{empty}/file/below is no folder; give the folder of the tables"),
        (["list", "{empty}/file"], "{empty}/file is no folder; give the folder of the tables"),
        (["build", "digits-03", "--out", "{empty}/file"], "{empty}/file is no folder; give the folder of the tables"),
    ],
)
def test_errors_are_one_line(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    words = [word.format(empty=tmp_path) for word in words]
    assert main(["bench", *words]) != 0
    told = capsys.readouterr()
    assert message.format(empty=tmp_path) in told.err
    assert "Traceback" not in told.err
    assert len(told.err.strip().splitlines()) == 1


def test_two_builds_in_one_folder_are_refused(tmp_path, capsys):
    from aen._locks import lock_file

    with (tmp_path / "build.lock").open("w") as lock:
        assert lock_file(lock)
        assert main(["bench", "build", "products-1", "--out", str(tmp_path), "--workers", "1"]) != 0
    assert "is in use by another `aen bench build`" in capsys.readouterr().err


@pytest.mark.slow
def test_a_build_that_is_stopped_resumes(tmp_path):
    """SIGTERM in the middle, the same command again: the table has every child, and none was trained twice."""
    out = tmp_path / "tables"
    words = [sys.executable, "-c", "import sys; from aen_agents.cli.main import main; sys.exit(main())"]
    words += ["bench", "build", "products-1", "--out", str(out), "--workers", "1"]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    deadline = time.monotonic() + 500
    while time.monotonic() < deadline and running.poll() is None and measured(out) < 5:
        time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    told, error = running.communicate(timeout=100)
    assert running.returncode == 130
    assert "To resume: aen bench build products-1" in told
    assert "Traceback" not in error
    before = measured(out)
    assert 5 <= before < 96
    assert not (out / "products-1.parquet").exists()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "products-1: 32 classes x 3 seeds" in done.stdout
    assert measured(out) == 96
    assert load("products-1", out).accuracy.min() > 0.3
    assert list((out / "weights").iterdir()) == []


def measured(out):
    if not (out / "test_figures.sqlite").exists():
        return 0
    with TestFigures(out) as known:
        return len(known.keys())
