"""The words that several messages share."""

import sys
from pathlib import Path

import pytest

from aen_agents.text import command, command_line


@pytest.mark.parametrize(
    ("folder", "on_path", "said"),
    [
        ("bin", False, "{root}/bin/aen"),
        ("bin", True, "aen"),
        ("with space", False, "'{root}/with space/aen'"),
    ],
    ids=["a file", "on PATH", "quoted"],
)
def test_the_command_is_what_starts_aen_here(
    folder: str, on_path: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / folder / "aen"
    other = tmp_path / "other" / "aen"  # another installation's, which PATH has
    for program in (file, other):
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(file), "search"])
    monkeypatch.setenv("PATH", str(file.parent if on_path else other.parent))
    assert command() == said.format(root=tmp_path)


def test_in_a_program_of_ones_own_it_is_the_file_beside_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    assert command() == "aen"  # there is no such file, so nothing better is known
    (tmp_path / "aen").touch()
    assert command() == f"{tmp_path}/aen"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--store=postgresql://aen:it's@host/db", "'--store=postgresql://aen:***@host/db'"),
        ("sqlite:///file:x.sqlite?uri=true&password=hunter2", "'sqlite:///file:x.sqlite?uri=true&password=***'"),
        ("runs/a b", "'runs/a b'"),
        ("seed=1", "seed=1"),
    ],
)
def test_a_command_line_is_quoted_and_has_no_secrets(word: str, said: str) -> None:
    assert command_line("resume", word) == f"{command()} resume {said}"
