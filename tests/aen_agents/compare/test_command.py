"""The command `aen compare`: files, resuming, interrupts, errors."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.small_tables import write_tables

from aen.bench import load
from aen.bench.files import write_table
from aen_agents.cli.main import main
from aen_agents.cli.streams import EXIT_ERROR
from aen_agents.compare import runs

SMALL = ["--children", "5", "--workers", "1"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"), "digits-01", "digits-02")


def compare(tables: Path, out: Path, *words: str, status: int = 0) -> None:
    names = [] if "--tables" in words or "--suite" in words else ["--tables", "digits-01", "digits-02"]
    assert main(["compare", *words, *names, *SMALL, "--folder", str(tables), "--out", str(out)]) == status


def rows_of(out: Path):
    with (out / "results.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "real_seconds"} for row in csv.DictReader(file)]


def test_a_comparison_writes_rows_summary_pictures_and_page(tables, tmp_path, capsys):
    out = tmp_path / "out"
    compare(tables, out, "random", "exhaustive", "--seeds", "3")
    rows = rows_of(out)
    assert [(r["agent"], r["table"], r["seed"]) for r in rows] == [
        (agent, table, str(seed))
        for table in ("digits-01", "digits-02")
        for agent in ("random", "exhaustive")
        for seed in range(3)
    ]
    # The first child is recommended, whatever it is: the regret after all is not above that after one.
    assert all(float(r["regret_all"]) <= float(r["regret_1"]) or r["agent"] == "random" for r in rows)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["complete"]
    assert {agent["agent"] for agent in summary["agents"]} == {"random", "exhaustive"}
    assert summary["pairs"][0]["tables"] == 2
    assert (out / "compare.svg").read_text().startswith("<svg ")
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "compare.html").read_text()
    assert "aen compare random exhaustive --tables digits-01 digits-02 --seeds 3" in page
    shown = capsys.readouterr().out
    assert "children until trained" in shown
    assert f"page: {out / 'compare.html'}" in shown


def test_finished_runs_are_kept_and_more_can_be_added(tables, tmp_path, capsys):
    out, whole = tmp_path / "out", tmp_path / "whole"
    compare(tables, out, "random", "--seeds", "2")
    before = (out / "runs.jsonl").read_text()
    compare(tables, out, "random", "exhaustive", "--seeds", "3")
    assert "8 runs on 2 tables; 4 are known" in capsys.readouterr().out
    assert (out / "runs.jsonl").read_text().startswith(before)
    compare(tables, whole, "random", "exhaustive", "--seeds", "3")
    assert rows_of(out) == rows_of(whole)
    compare(tables, out, "random", "exhaustive", "--seeds", "3")
    assert "0 runs on 2 tables; 12 are known" in capsys.readouterr().out


def test_a_line_cut_short_is_run_again(tables, tmp_path):
    out = tmp_path / "out"
    compare(tables, out, "random", "--seeds", "3")
    rows, file = rows_of(out), out / "runs.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    compare(tables, out, "random", "--seeds", "3")
    assert rows_of(out) == rows
    assert len(file.read_text().splitlines()) == 6


def test_an_interrupt_keeps_what_is_finished(tables, tmp_path, capsys, monkeypatch):
    out, count = tmp_path / "out", 0
    real = runs.run_agent

    def interrupted(*arguments, **settings):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    monkeypatch.setattr(runs, "run_agent", interrupted)
    compare(tables, out, "random", "--seeds", "4", status=130)
    shown = " ".join(capsys.readouterr().out.split())
    words = f"random --tables digits-01 digits-02 --seeds 4 --children 5 --folder {tables} --out {out}"
    assert f"aen compare {words}" in shown
    assert not json.loads((out / "summary.json").read_text())["complete"]
    kept = len(rows_of(out))
    assert 0 < kept < 8
    compare(tables, out, "random", "--seeds", "4")
    assert f"{8 - kept} runs on 2 tables; {kept} are known" in capsys.readouterr().out


@pytest.mark.slow
def test_processes_give_the_same(tables, tmp_path):
    names = ["--tables", "digits-01", "digits-02", "--folder", str(tables), "--seeds", "3", "--children", "5"]
    assert main(["compare", "random", "dqn", *names, "--workers", "2", "--out", str(tmp_path / "two")]) == 0
    compare(tables, tmp_path / "one", "random", "dqn", "--seeds", "3")
    assert rows_of(tmp_path / "two") == rows_of(tmp_path / "one")


def test_settings_make_another_agent(tables, tmp_path):
    out = tmp_path / "out"
    compare(tables, out, "dqn:epsilon=[[0,1.0]],layers=[8]", "dqn:layers=[8],environment.horizon=3", "--seeds", "1")
    settings = {a["agent"]: a["settings"] for a in json.loads((out / "summary.json").read_text())["agents"]}
    assert settings["dqn:epsilon=[[0,1.0]],layers=[8]"]["agent"]["epsilon"] == [[0, 1.0]]
    assert settings["dqn:layers=[8],environment.horizon=3"]["environment"]["horizon"] == 3


MISTAKES = {
    ("randm",): "unknown agent 'randm' (did you mean 'random'?)",
    ("random", "random"): "agent random is given twice; leave one out",
    ("dqn:learning_rat=1",): "learning_rat",
    ("dqn:layers",): "agent dqn:layers: 'layers' is no setting; give NAME:key=value,key=value",
    (":x=1",): "':x=1' names no agent",
    ("equinas_e",): "agent equinas_e cannot be run on table digits-01",
    ("random", "--tables", "digits-1"): "unknown table 'digits-1' (did you mean 'digits-",
    ("random", "--tables", "digits-03"): "table digits-03 is not in",
    ("random", "--suite", "digit"): "unknown suite 'digit' (did you mean 'digits'?)",
    ("random", "--suite", "digits", "--part", "held-out"): "build it with",
    ("random", "--folder", __file__): f"{__file__} is no folder; give the folder of the tables",
    ("random", "--seeds", "0"): "--seeds is 0; give a number from 1 to 1,000,000",
    ("random", "--children", "-1"): "--children is -1",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_named_in_one_line(tables, tmp_path, capsys, words):
    where = [] if "--children" in words else ["--children", "5"]
    names = [] if {"--tables", "--suite"} & set(words) else ["--tables", "digits-01"]
    folder = [] if "--folder" in words else ["--folder", str(tables)]
    out = tmp_path / "out"
    status = main(["compare", *words, *names, *where, *folder, "--out", str(out)])
    error = capsys.readouterr().err
    assert status == EXIT_ERROR
    assert MISTAKES[words] in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_a_folder_of_something_else_is_refused(tables, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    compare(tables, tmp_path, "random", "--seeds", "1", status=EXIT_ERROR)
    assert "is not empty and not a comparison's folder; choose another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_held_out_tables_are_announced(tmp_path, capsys):
    tables = write_tables(tmp_path / "tables", "digits-04")
    folder = str(tables)
    table = load("digits-04", folder)
    write_table(replace(table, definition=replace(table.definition, part="held-out")), tables / "digits-04.parquet")
    compare(tables, tmp_path / "out", "random", "--tables", "digits-04", "--seeds", "1")
    assert "1 held-out table: agents are judged on them, not tuned on them" in capsys.readouterr().out


def test_an_agent_that_was_trained_on_the_tables_is_announced(tables, tmp_path, capsys):
    compare(tables, tmp_path / "out", "random", "dqn_transfer", "--seeds", "2")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    learnt = {agent["agent"]: agent["trained_on"] for agent in summary["agents"]}
    assert learnt == {"random": [], "dqn_transfer": ["digits-01", "digits-02"]}
    shown = " ".join(capsys.readouterr().out.split())
    assert "dqn_transfer was trained on 2 of these tables: its figures there do not tell" in shown
    assert "random was trained" not in shown
