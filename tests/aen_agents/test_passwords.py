"""A password in the address of a store reaches neither the terminal nor a file that others can read."""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from aen_agents.cli import compare
from aen_agents.cli.main import main

S = "Tr0ub4dor"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Runs the command in a folder, and returns all that it has written on the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)

    def command(*words: str) -> str:
        with contextlib.suppress(SystemExit):
            main(words)
        return "".join(capfd.readouterr())

    return command


def exposed(folder: Path) -> list[str]:
    """Return the files with the password that others than their owner may read."""
    readable = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    return [str(path.relative_to(folder)) for path in readable if S.encode() in path.read_bytes()]


STORES = [
    f"postgresql+psycopg://aen:p@{S}@127.0.0.1:1/db",
    f"postgresql+psycopg2://aen:{S}@127.0.0.1:1/db",
    f"postgres://aen:{S}@127.0.0.1:1/db",
    f"postgresql://aen:{S}@127.0.0.1:port/db",
    f"postgresql://127.0.0.1:1/db?user=aen&passwd={S}",
    f"mssql+pyodbc:///?odbc_connect={quote_plus(f'DRIVER=x;PWD={S}')}",
    f"://aen:{S}@host",
    f"nosuch://aen:{S}@host/db?api_key={S}",
]


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_cannot_be_used_is_reported_without_its_password(
    run: Callable[..., str], tmp_path: Path, store: str
) -> None:
    shown = run("search", "digits", f"store={store}", "--out", "run")
    assert S not in shown
    assert "Traceback" not in shown
    assert "aen: error: " in shown
    assert exposed(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ["search", "digits", f"stor=postgresql://aen:{S}@host/db"],
        ["search", "digits", f"store=[postgresql://aen:{S}@host/db]"],
        ["search", "digits", f"seed=postgresql://aen:{S}@host/db"],
        ["search", "digits", f"--store=postgresql://aen:{S}@host/db"],
        ["search", f"postgresql://aen:{S}@host/db"],
        ["status", f"postgresql://aen:{S}@host/db"],
        ["data", "fetch", "mnist", "--mirror", f"ftp://aen:{S}@host/"],
        ["data", "fetch", "mnist", "--to", "data", "--mirror", f"http://aen:{S}@127.0.0.1:1/"],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_what_was_typed_is_not_repeated_with_its_password(run: Callable[..., str], words: list[str]) -> None:
    shown = run(*words)
    assert "error" in shown
    assert S not in shown


@pytest.mark.slow
def test_a_whole_search_keeps_its_password_to_itself(run: Callable[..., str], tmp_path: Path) -> None:
    code = f"""
import sys
from aen.results import database
usual = database._connect
# As a server would be: the address that is asked for, with a file behind it.
file = {str(tmp_path / "store.sqlite")!r}
database._connect = lambda where, create: usual(file if "://" in where else where, create=create)
from aen_agents.cli import compare
from aen_agents.cli.main import main
sys.exit(main())
"""
    (tmp_path / "command.py").write_text(code)
    store = f"postgresql://aen:{S}@host/db?sslpassword=x{S}"
    small = ["agent=exhaustive", "data.train=64", "training.epochs=1", "evaluator.workers=1", "selection.top=1"]
    done = subprocess.run(
        [sys.executable, "command.py", "search", "digits", f"store={store}", *small, "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "command.py").unlink()
    assert S not in done.stdout + done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    assert exposed(tmp_path) == []
    assert (tmp_path / "run" / "config.yaml").stat().st_mode & 0o777 == 0o600
    assert S in (tmp_path / "run" / "config.yaml").read_text(), "the run can be resumed"
    assert S not in run("status", "run") + run("list", ".")


BUILD = ["bench", "build", "digits-03", "--out", "tables", "--store"]


@pytest.mark.parametrize(
    "store",
    [
        f"sqlite:///file:x.sqlite?uri=true&password={S}",
        f"postgresql://aen:{S}@127.0.0.1:1/db",
        f"aen:p'{S}@host",  # quoting changes it
    ],
)
def test_a_build_that_is_stopped_repeats_no_password(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aen_agents.cli.bench._build_tables", stopped)
    monkeypatch.setattr(sys, "argv", ["aen", *BUILD, store])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    shown = run(*BUILD, store)
    assert "To resume: aen bench build digits-03 --out tables --store" in shown
    assert "***" in shown
    assert S not in shown


def test_a_comparison_repeats_no_password(tmp_path: Path) -> None:
    options = argparse.Namespace(
        overrides=[f"mine:store=postgresql://aen:{S}@host/db"], suite=[], tables=["digits-01"], part=None
    )
    options.seeds, options.children, options.folder, options.out = 1, 2, None, tmp_path
    assert S not in compare._typed(options)
    assert "mine:store=postgresql://aen:***@host/db" in compare._typed(options)
