"""No result on test images and no held-out table reaches an agent, a reward or a choice.

Whatever stands in those files, and also if they are gone, comparisons, environments and evaluators give the same, and
none of them is opened.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from helpers.small_tables import write_tables

import aen_envs  # noqa: F401 - registers the environments
from aen.bench import TableEvaluator, load, test_results, training_tables
from aen.bench.figures import NAME as FIGURES
from aen.bench.files import TEST_COLUMNS, write_test_columns
from aen.bench.suites import suite
from aen_agents.cli.main import main

NAME, HELD_OUT = "digits-01", next(each.name for each in suite("digits") if each.part == "held-out")
AGENTS = ("random", "greedy", "surrogate", "exhaustive", "dqn:learn_after=2,batch_size=4")
UNSEEN = (f"{NAME}.test.parquet", f"{HELD_OUT}.parquet", f"{HELD_OUT}.test.parquet", FIGURES)

_opened: list[str] = []
_listening = [False]


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _listening[0] and event in {"open", "sqlite3.connect"}:
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)  # it cannot be removed, and does nothing but inside `opened`


@contextmanager
def opened() -> Iterator[list[str]]:
    """Collect the paths of all files that are opened inside the block."""
    _opened.clear()
    _listening[0] = True
    try:
        yield _opened
    finally:
        _listening[0] = False


@pytest.fixture(params=["wrong", "damaged", "missing"])
def altered(request, tables, tmp_path) -> Path:
    """The tables, with other content in the files that nothing may see."""
    folder = write_tables(tmp_path / "altered", NAME, HELD_OUT)
    for file in UNSEEN:
        if request.param == "missing":
            (folder / file).unlink(missing_ok=True)
        elif request.param == "damaged":
            (folder / file).write_bytes(b"no table")
    if request.param == "wrong":
        write_unseen(folder, lambda shape: np.linspace(1.0, 0.0, np.prod(shape)).reshape(shape))
    assert (folder / f"{NAME}.parquet").read_bytes() == (tables / f"{NAME}.parquet").read_bytes()
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    folder = write_tables(tmp_path_factory.mktemp("tables"), NAME, HELD_OUT)
    write_unseen(folder, np.zeros)
    return folder


def write_unseen(folder: Path, values) -> None:
    for name in (NAME, HELD_OUT):
        table = load(name, folder)
        shape = table.results["validation_accuracy"].shape
        images = table.definition.child.data.test
        results = {column: np.rint(values(shape) * images) / images for column in TEST_COLUMNS}
        write_test_columns(table.definition, table.epochs, results, folder / f"{name}.test.parquet")
    (folder / FIGURES).write_bytes(b"")


def compared(folder: Path, out: Path) -> list[dict]:
    words = ["--tables", NAME, "--folder", str(folder), "--children", "6", "--seeds", "2", "--workers", "1"]
    assert main(["compare", *AGENTS, *words, "--out", str(out)]) == 0
    lines = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    measured = {"real_seconds", "sha256"}  # a checksum of these seconds, too
    return [{name: value for name, value in line.items() if name not in measured} for line in lines]


def walked(folder: Path) -> list:
    environment = gymnasium.make("aen/GroupDecompositionTabular-v0", table=NAME, folder=folder, observe="full")
    seen = [environment.reset(seed=0)]
    environment.action_space.seed(0)
    seen += [environment.step(environment.action_space.sample()) for _ in range(20)]
    return seen


def looked_up(folder: Path) -> list:
    table = load(NAME, folder)
    found = [TableEvaluator(table, noise=noise).submit(table.definition.specs()) for noise in ("seed", "mean")]
    return [[future.result() for future in futures] for futures in found]


def test_nothing_depends_on_them(tables, altered, tmp_path):
    assert compared(altered, tmp_path / "one") == compared(tables, tmp_path / "two")
    assert looked_up(altered) == looked_up(tables)
    np.testing.assert_equal(walked(altered), walked(tables))


def test_nothing_opens_them(tables, tmp_path):
    with opened() as files:
        compared(tables, tmp_path / "out")
        walked(tables)
        looked_up(tables)
    load.__globals__["_read"].cache_clear()
    with opened() as again:
        looked_up(tables)
    assert any(file.endswith(f"{NAME}.parquet") for file in again), "the hook sees what is read"
    assert not [file for file in files for unseen in UNSEEN if file.endswith(unseen)]
    with opened() as files:
        test_results(NAME, tables)
    assert [file for file in files if file.endswith(f"{NAME}.test.parquet")]


def test_what_learns_asks_for_training_tables_alone():
    assert HELD_OUT not in {each.name for each in training_tables("digits")}
