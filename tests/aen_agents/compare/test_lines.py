"""Damaged lines of ``runs.jsonl``: each is said once, and its run is made again."""

import csv
import json

import pytest
from helpers.small_tables import write_tables

from aen._reading import sealed
from aen_agents.cli.main import main

# By what is wrong: the changed values, and what is said of them.
DAMAGED = {
    "places text": ({"places": "x"}, "places is 'x', not a list of whole numbers from 0 to "),
    "places large": ({"places": [10**9] * 3}, "places is [1000000000, 1000000000, 1000000000], not a list"),
    "places none": ({"places": []}, "it has 0, 5, 5 places, recommended and seconds"),
    "places negative": ({"places": [-5]}, "places is [-5], not a list"),
    "seconds nan": ({"seconds": float("nan")}, "seconds is nan, not a list of numbers from 0"),
    "seconds have nan": ({"seconds": [float("nan")] * 5}, "seconds is [nan, nan, nan, nan, nan], not a list"),
    "seconds text": ({"seconds": "x"}, "seconds is 'x', not a list of numbers from 0"),
    "real seconds": ({"real_seconds": None}, "real_seconds is None, not a number from 0"),
    "children text": ({"children": "x"}, "children is 'x', not a whole number from 1"),
    "children other": ({"children": 7}, "children is 7, not 5, as its key says"),
    "recommended": ({"recommended": [None]}, "recommended is [None], not a list"),
    "seed other": ({"seed": 77}, "seed is 77, not 0, as its key says"),
    "agent other": ({"agent": "<script>"}, "agent is '<script>', not random, as its key says"),
    "agent known": ({"agent": "exhaustive"}, "agent is 'exhaustive', not random, as its key says"),
    "table other": ({"table": "digits-02"}, "table is 'digits-02', not digits-01, as its key says"),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"), "digits-01")


@pytest.fixture(scope="module")
def written(tables, tmp_path_factory):
    out = tmp_path_factory.mktemp("written") / "out"
    compare(tables, out)
    return (out / "runs.jsonl").read_text(), rows_of(out)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def compare(tables, out):
    words = ["--tables", "digits-01", "--folder", str(tables), "--seeds", "3", "--children", "5", "--workers", "1"]
    assert main(["compare", "random", *words, "--out", str(out)]) == 0


def rows_of(out):
    with (out / "results.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "real_seconds"} for row in csv.DictReader(file)]


def said_of(line, tables, out, written, capsys):
    """Continue a comparison whose first line is this one; return what is said, which is said once."""
    before, rows = written
    others = before.splitlines()[1:]
    (out / "runs.jsonl").write_text("\n".join([line, *others, ""]))
    compare(tables, out)
    assert rows_of(out) == rows
    said = capsys.readouterr().out
    lines = (out / "runs.jsonl").read_text().splitlines()
    assert lines[:2] == others
    assert len(lines) == 3
    compare(tables, out)
    assert "damaged" not in capsys.readouterr().out
    return said


@pytest.mark.parametrize("change", DAMAGED)
def test_a_line_of_wrong_values_is_said_once_and_run_again(tables, out, written, capsys, change):
    values, message = DAMAGED[change]
    run = json.loads(written[0].splitlines()[0]) | values
    del run["sha256"]  # as in lines of earlier versions
    said = said_of(json.dumps(run), tables, out, written, capsys)
    assert f"{out / 'runs.jsonl'} is damaged (line 1: {message}" in said
    assert said.count("damaged") == 1
    assert "1 run on 1 table; 2 are known" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [("", "it is not JSON"), ("[1]", "its content has the wrong type"), ('{"key": "x"}', "it lacks agent")],
)
def test_a_line_that_is_no_run_is_said_once(tables, out, written, capsys, line, message):
    assert f"is damaged (line 1: {message})" in said_of(line, tables, out, written, capsys)


def test_a_value_that_was_changed_is_recognised_by_the_checksum(tables, out, written, capsys):
    run = json.loads(written[0].splitlines()[0])
    run["places"] = run["places"][::-1]
    said = said_of(json.dumps(run), tables, out, written, capsys)
    assert "its values have changed since it was written" in said


def test_lines_of_earlier_versions_and_of_equal_agents_are_known(tables, out, written, capsys):
    runs = [json.loads(line) for line in written[0].splitlines()]
    for run in runs:
        del run["sha256"]
    runs[1] = sealed(runs[1] | {"agent": "moved/random.yaml"})
    (out / "runs.jsonl").write_text("".join(f"{json.dumps(run)}\n" for run in runs))
    compare(tables, out)
    assert "0 runs on 1 table; 3 are known" in capsys.readouterr().out
    assert rows_of(out) == written[1]
