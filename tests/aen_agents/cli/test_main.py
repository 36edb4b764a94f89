import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.overrides import changed

from aen._typing import JsonDict
from aen_agents.cli.main import main
from aen_agents.runs.folder import RunFolder

DIGITS = "configs/digits.yaml"
QUICK = [
    *("data.train=100", "data.validation=100", "data.test=100", "training.epochs=1", "child.hidden=[8]"),
    *("alphabet=[rot90, hflip, vflip]", "budget.children=4", "budget.steps=40", "selection.seeds=2", "selection.top=2"),
    *("environment.horizon=4", "agent={learn_after: 4, batch_size: 8, layers: [16]}"),
]


def test_the_command_starts_without_torch() -> None:
    code = "import sys; from aen_agents.cli.main import main; main([]); print(*({'torch', 'numpy'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n\n")
    assert "search" in done.stdout


def test_groups_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["groups", "describe", "rot90", "hflip", "--grid", "28"]) == 0
    assert capsys.readouterr().out == "D4, order 8, not abelian: rot90 x| hflip\n"


def test_classes_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["groups", "classes", "--grid", "8", "--hidden", "16", "16", "--alphabet", "quarter"]) == 0
    assert capsys.readouterr().out == "4,096 states, 148 classes\n"


@pytest.mark.slow
def test_published_classes_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["groups", "classes", "--grid", "28", "--hidden", "20", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4,096 states, 216 classes\n")
    assert "vshift(4) has order 7 on 28x28, 5 on 20x20" in out


def test_classes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["groups", "classes", "--grid", "4", "--hidden", "4", "--alphabet", "rot90", "hflip", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 states, 4 classes"
    assert [line.rsplit("orbits  ")[1] for line in lines[1:]] == ["none", "rot90", "hflip", "rot90 + hflip"]
    assert "256 orbits" in lines[1]


def test_a_finished_run_is_shown_again_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["search", DIGITS, *QUICK, "--out", str(out)]) == 0
    assert "winner minus untied, on test" in capsys.readouterr().out
    before = (out / "summary.json").read_bytes()
    assert main(["search", DIGITS, *QUICK, "--out", str(out)]) == 0
    assert "nothing was run" in capsys.readouterr().out
    assert (out / "summary.json").read_bytes() == before
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").is_file()


def test_any_config_can_be_searched_exhaustively(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in QUICK if not word.startswith("agent=")]
    words += ["agent=exhaustive", "agent.seeds=2", "evaluator.workers=1", "--out", str(tmp_path / "run")]
    assert main(["search", DIGITS, *words]) == 0
    out = capsys.readouterr().out
    assert "exploring: 12 children" in out
    assert "best of all 6 classes when exploring: " in out
    assert "6 of 6 classes visited" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["alphabet=[rot90, hflp]"], "unknown generator 'hflp' (did you mean 'hflip'?)"),
        (["child.hidden=[15]", "alphabet=[swap_lr]"], "'swap_lr' needs an even grid, not 15x15"),
        (["alphabet=['hshift(0)']"], "a shift by 0 moves nothing"),
        (["alphabet=['hshift(9)']"], "shifts beyond the 8x8 grid"),
        (["alphabet=[]"], "alphabet is empty"),
        (["alphabet=[hflip x rot90]"], "not direct"),
        (["generators={spin: [[0, 0, 1, 2]]}", "alphabet=[spin]"], "not a permutation"),
        (["data.train=5000"], "too few for 5000 train"),
        (["data.name=digit"], "unknown data set 'digit' (did you mean 'digits'?)"),
        (["budget.children=0"], "budget.children is 0"),
        (["trainning.epochs=1"], "unknown key 'trainning' (did you mean 'training'?)"),
        (["evaluator.device=cuda:99"], "device 'cuda:99' cannot be used"),
        (["--out", "/proc/nowhere"], "cannot be written"),
        (["alphabet=rot90"], "a factor goes into a list: [rot90]"),
        (["data.moves=[rot90 x| hflip]"], "data.moves: unknown generator"),
        (["child.hidden=[128, 128]", "alphabet=[rot90]"], "at most 67,108,864 can be tied"),
        (["child.hidden=[512, 512]"], "68,719,476,736 weight positions, which need about 1,536 GiB"),
        (["evaluator.threads=3000"], "threads is 3000; this machine has"),
        (["evaluator.threads=100000"], "threads is 100000: Input should be less than or equal to 4096"),
    ],
)
def test_bad_input_is_named_and_leaves_no_run_folder(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(Path(DIGITS).resolve())
    monkeypatch.chdir(tmp_path)
    assert main(["search", config, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_a_message_is_one_line_without_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\n\x1b[31mb"
    folder.mkdir()
    assert main(["data", "describe", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "a\\n\\x1b[31mb has no images" in said
    assert said.count("\n") == 1


def test_a_search_without_words_asks_for_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: no config is given; give a YAML file or the name of a preset")
    assert "configs lists the presets" in error
    assert len(error.splitlines()) == 1


def test_overrides_may_come_after_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", DIGITS, "seed=1", "--out", str(tmp_path / "run"), "sed=1"]) == 2
    assert "unknown key 'sed' (did you mean 'seed'?)" in capsys.readouterr().err
    for words in (["search", DIGITS, "--outt", "x"], ["report", "x", "seed=1"]):
        with pytest.raises(SystemExit):
            main(words)
        assert "unrecognized arguments: " in capsys.readouterr().err


def test_a_folder_of_another_config_is_refused(
    finished: tuple[RunFolder, JsonDict], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}
    assert main(["search", DIGITS, "--out", str(folder.path)]) == 2
    assert "belongs to a run with another config" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()} == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    assert main(["search", DIGITS, "--out", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("kind", ["noise", "foreign"])
def test_a_bad_store_is_refused_and_left_as_it_is(
    kind: str, finished: tuple[RunFolder, JsonDict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished[0].path, out)
    store = out / "results.sqlite"
    for file in out.glob("results.sqlite*"):
        file.unlink()
    (out / "summary.json").unlink()
    if kind == "noise":
        store.write_bytes(os.urandom(4096))
    else:
        with sqlite3.connect(store) as connection:
            connection.execute("create table songs (title text)")
    before = store.read_bytes()
    for command in (["search", str(out / "config.yaml"), "--out", str(out)], ["report", str(out)]):
        assert main(command) == 2
        assert "results.sqlite" in capsys.readouterr().err
    for file in out.glob("results.sqlite-*"):
        file.unlink()
    assert store.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("where", ["/dev/full", "pipe"])
def test_output_that_fails_does_not_end_a_search(where: str, tmp_path: Path) -> None:
    words = ["search", DIGITS, *QUICK, "--out", str(tmp_path / "run")]
    command = [sys.executable, "-c", "from aen_agents.cli.main import main; raise SystemExit(main())", *words]
    if where == "pipe":
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=100)
    else:
        with Path(where).open("w") as full:
            subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=100, check=False)
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_lost_report_is_built_again(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished[0].path, out)
    (out / "report.html").unlink()
    assert main(["search", str(out / "config.yaml"), "--out", str(out)]) == 0
    assert (out / "report.html").is_file()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("aen 0.")


def test_report_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="ctrl-c", marks=pytest.mark.slow),  # test_search.py interrupts one, too
        pytest.param(signal.SIGKILL, id="kill -9", marks=pytest.mark.slow),  # runs/resume kills searches as well
    ],
)
def test_a_broken_run_is_readable_and_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # Slow enough that a process that had to wait for a core still finds it at work.
    slow = changed(QUICK, "training.epochs=60", "budget.children=5")
    command = [
        sys.executable,
        "-c",
        # Who runs the tests in the background of a shell has Ctrl-C ignored, and so would this process.
        """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from aen_agents.cli.main import main
raise SystemExit(main())
""",
        "search",
        DIGITS,
        *slow,
    ]
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    history = out / "history.jsonl"
    while time.monotonic() < deadline and not (history.is_file() and history.read_text().count("\n") >= 2):
        time.sleep(0.02)
    process.send_signal(how)
    _, error = process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -9)
    assert "Traceback" not in error
    assert main(["report", str(out)]) == 0
    assert main(["search", DIGITS, *slow, "--out", str(out)]) == 0
    assert main(["search", DIGITS, *slow, "--out", str(tmp_path / "whole")]) == 0
    assert _rows(out) == _rows(tmp_path / "whole")


def _rows(out: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(out / "results.sqlite") as connection:
        return connection.execute(
            "select key, validation_accuracy, train_loss from evaluations order by key"
        ).fetchall()


@pytest.mark.parametrize("words", [["data", "describe", "own"], ["status", "run"], ["list"], ["search", "digits"]])
def test_a_working_folder_that_was_removed_is_said(words, tmp_path, monkeypatch, capsys) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: the working folder does not exist any more")
    assert error.endswith("change to one that does (cd FOLDER).\n")
    assert error.count("\n") == 1
    with pytest.raises(SystemExit) as ended:  # help needs no folder
        main([*words, "--help"])
    assert ended.value.code == 0
