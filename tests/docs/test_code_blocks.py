"""The code blocks of README.md and docs/: every Python block runs by itself, and every `aen` command is accepted."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.code_blocks import PAGES, blocks, commands
from helpers.services import serving

from aen.bench.loading import SHIPPED
from aen.data import DataSpec
from aen.data.registry import find_source
from aen_agents.cli.main import _parser
from aen_agents.config import load_config
from aen_agents.sweep.config import load_sweep
from aen_service.commands import add_service_commands

# Fragments of files that the text around them names: entries of a table, and classes of the example package.
FRAGMENTS = {"development.md"}
PROGRAM = Path(sys.executable).absolute()
SERVICE = "http://127.0.0.1:8700"
LANGUAGES = {"python", "bash", "yaml", "toml", "text", "console", "sql"}


# Runs one block after the other, in a process that imports torch once.
RUNNER = """
import contextlib, io, json, os, sys, traceback
for line in sys.stdin:
    folder, text = json.loads(line)
    os.chdir(folder)
    error = ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "block", "exec"), {"__name__": "__main__"})
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps(error), flush=True)
"""

PYTHON = [
    pytest.param(text, id=f"{page.name}:{line}")
    for page in PAGES
    if page.name not in FRAGMENTS
    for line, text in blocks(page, "python")
]
COMMANDS = [pytest.param(words, id=place) for place, words in commands(*PAGES)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)$", text, re.MULTILINE)
    assert set(found[::2]) <= LANGUAGES
    assert set(found[1::2]) <= {""}
    fenced = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"\n\n    \S", fenced), "an indented block, which this test does not run"


def test_there_are_blocks() -> None:
    assert len(PYTHON) >= 15
    assert len(COMMANDS) > 60


@pytest.fixture(scope="module")
def run_elsewhere() -> Iterator[Callable[[Path, str], None]]:
    """Runs a block in a folder and in another process, with which its threads and processes end."""
    command = [str(PROGRAM), "-W", "error", "-c", RUNNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(folder: Path, text: str) -> None:
            print(json.dumps([str(folder), text]), file=process.stdin, flush=True)
            error = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            assert not error, error

        yield run
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("text", PYTHON)
def test_python_runs_by_itself(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_elsewhere: Callable[[Path, str], None]
) -> None:
    if "runs/mine" in text:
        pytest.skip("test_readme.py runs the search first")
    if 'table="' in text and not SHIPPED.is_dir():
        pytest.skip("this checkout has no tables")
    monkeypatch.chdir(tmp_path)
    if SERVICE in text:
        with serving(tmp_path / "runs") as (service, _):
            secret = service.tokens.add("reader", "operator")[1]
            program = text.replace(SERVICE, f"http://127.0.0.1:{service.settings.port}").replace("TOKEN", secret)
            run_elsewhere(tmp_path, program)
        return
    if "ResultStore(" in text or "workers=" in text:
        run_elsewhere(tmp_path, text)
        return
    exec(compile(text, "block", "exec"), {"__name__": "__main__"})  # noqa: S102 - from this repository


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_accepted(words: list[str]) -> None:
    options, rest = _parser((add_service_commands,)).parse_known_args(words)
    overrides = [*getattr(options, "overrides", []), *rest]
    assert not [word for word in overrides if word.startswith("-")]
    if words[0] == "search" and options.config not in (None, "mine.yaml", "CONFIG"):
        config = load_config(options.config, overrides)
        find_source(DataSpec(config.data.name).name)
    elif words[0] == "sweep" and not options.restore and options.config != "mine.yaml":
        assert load_sweep(options.config).search
