"""aen export: what it writes, what it prints, and its errors in one line."""

from pathlib import Path

import pytest
from helpers.exported_children import child_of, saved_run

from aen_agents.cli.main import main
from aen_agents.text import command


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return saved_run(tmp_path / "mine", child_of("dense"))


def test_it_writes_and_says_how_to_load(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "onnx"]) == 0
    path, sizes, compared, difference, *load = capsys.readouterr().out.splitlines()
    assert path == str(run / "export" / "model.onnx")
    assert sizes == f"{Path(path).stat().st_size:,} bytes, 1,482 weights"
    assert compared == "compared with its source on 10 validation images, in batches of 1, 2 and 7"
    assert difference.startswith("largest difference of a logit: ")
    found: dict[str, object] = {}
    exec("\n".join(line.strip() for line in load[1:]), found)  # noqa: S102 - what aen has printed
    assert found["logits"].shape == (1, 10)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "--to", "onxx"], "unknown format 'onxx' (did you mean 'onnx'?)."),
        (["{run}x", "--to", "onnx"], "{run}x is not a run folder: there is no such folder (did you mean {run}?)."),
        (["{run}/best/spec.json", "--to", "hub"], "{run}/best/spec.json is not a run folder: it is a file; give "),
        (["{run}/best", "--from", "trained", "--to", "pt2"], "from is 'trained', but {run}/best is the folder of one"),
        (["{run}", "--to", "hub", "--out", "{run}/best"], "{run}/best exists; name another place with --out, or "),
        (["{run}", "--to", "hub", "--out", "{run}/best", "--force"], "{run}/best is not replaced: it holds "),
    ],
)
def test_errors_are_one_line(run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    before = sorted(run.rglob("*"))
    assert main(["export", *(word.format(run=run) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"aen: error: {message.format(run=run)}")
    assert err.count("\n") == 1
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("words", [[], ["--from", "best"]])
def test_a_search_that_is_not_finished_is_resumed_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text("name: mine\n")
    assert main(["export", str(tmp_path), "--to", "onnx", *words]) == 2
    resume = f"{command()} resume {tmp_path}"
    assert capsys.readouterr().err == (
        f"aen: error: {tmp_path} has no winner yet: its search is not finished; `{resume}` resumes it.\n"
    )
