"""Text that came from outside cannot act on the terminal, whatever writes it; spreadsheets see no formulas."""

import io
import json
import os
from pathlib import Path

import pytest
from helpers.watched_runs import a_status
from rich.table import Table
from rich.text import Text

from aen_agents.cli.main import main
from aen_agents.cli.safe_console import SafeConsole
from aen_agents.report.drawing import in_page
from aen_agents.text import csv_text

BAD = "\x1b]0;owned\x07\x1b[31m\u202ered\x9b1m"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A run whose status and folder's name are hostile."""
    run = tmp_path / "runs" / "evil\x1b[2J\nname"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("name: x\ndata:\n  name: digits\n")
    a_status(run, name=BAD, agent=BAD, data=BAD, state="failed", message=BAD, host=BAD).write(run)
    return run.parent


def _clean(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["status"], ["status", "--json"]], ids=" ".join)
def test_a_hostile_status_does_not_reach_the_terminal(
    words: list[str], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = runs if words[0] == "list" else next(runs.iterdir())
    assert main([words[0], str(target), *words[1:]]) == 0
    told = capsys.readouterr()
    assert "owned" in told.out
    assert _clean(told.out + told.err)
    assert r"\x1b" in told.out or r"\u001b" in told.out
    if "--json" in words:
        json.loads(told.out)


@pytest.mark.parametrize(
    "words",
    [
        ["status", f"no{BAD}"],
        ["list", f"no{BAD}"],
        ["search", f"no{BAD}"],
        ["search", "digits", f"seed={BAD}"],
        ["search", "digits", f"{BAD}=1"],
        ["report", f"no{BAD}"],
        ["evaluate", f"no{BAD}"],
        ["predict", f"no{BAD}", BAD],
        [f"--{BAD}"],
        [BAD],
    ],
    ids=lambda words: words[0][:8].replace("\x1b", ""),
)
def test_a_hostile_argument_is_escaped_in_the_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(words)
    except SystemExit as error:
        status = int(str(error.code))
    told = capsys.readouterr()
    assert status == 2
    assert _clean(told.out + told.err)
    assert len(told.err) < 4_000


def test_consoles_keep_their_own_colours_and_escape_the_text() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, color_system="truecolor", width=200, markup=False)
    table = Table(title=BAD)
    table.add_row(Text(BAD, style="red"), BAD)
    console.print(BAD, style="bold", highlight=False)
    console.print(table)
    console.print("[bold]a name[/bold]", highlight=False)
    text = file.getvalue()
    assert "\x1b[1m" in text  # the console's own
    assert "\x1b]0;" not in text
    assert "\u202e" not in text
    assert "\x9b" not in text
    assert r"\x1b]0;owned" in text  # Rich leaves out the bell
    assert "[bold]a name[/bold]" in text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+A1", "'+A1"),
        ("-A1", "'-A1"),
        ("-1", "-1"),
        ("+1.5e-3", "+1.5e-3"),
        ("\t=1", r"\t=1"),
        ("cat", "cat"),
    ],
)
def test_a_cell_is_no_formula(text: str, written: str) -> None:
    assert csv_text(text) == written


def test_pages_show_control_characters_escaped() -> None:
    assert in_page("a\u202e\x1b\udcff\n") == "a\\u202e\\x1b?\n"
    assert in_page(3) == 3


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["status.json", "run.json", "config.yaml", "summary.json", "history.jsonl"])
@pytest.mark.parametrize("what", ["pipe", "device", "huge", "deep"])
def test_one_strange_file_does_not_end_the_list(
    name: str, what: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = runs / "strange"
    other.mkdir()
    for file in ("config.yaml", "status.json"):
        (other / file).write_bytes((next(p for p in runs.iterdir() if p != other) / file).read_bytes())
    (other / name).unlink(missing_ok=True)
    match what:
        case "pipe":
            os.mkfifo(other / name)
        case "device":
            (other / name).symlink_to("/dev/zero")
        case "huge":
            with (other / name).open("wb") as sparse:
                sparse.truncate(10 * 2**30)
        case "deep":
            (other / name).write_text("[" * 200_000)
    assert main(["list", str(runs), "--json"]) == 0
    assert any(view["name"] == BAD for view in json.loads(capsys.readouterr().out))
    assert main(["status", str(other)]) in {0, 2}
