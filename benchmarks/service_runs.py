"""Makes a folder with many runs, as aen writes them, for the benchmark of the service."""

import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

NAME = "big"


def make_root(root: Path, *, runs: int, children: int) -> None:
    """Write the folder.

    Args:
        root: the folder, which does not exist yet.
        runs: how many.
        children: of the run `NAME`, on 10 seeds each.
    """
    root.mkdir(parents=True)
    first = root / "run-0000"
    subprocess.run(
        [
            *(sys.executable, "-c", "import sys; from aen_agents.cli.main import main; sys.exit(main())"),
            *("search", "digits", "--out", str(first)),
            *("budget.children=40", "training.epochs=1", "selection.top=2", "selection.seeds=3"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for number in range(1, runs):
        folder = root / f"run-{number:04d}"
        for name in ("config.yaml", "run.json", "status.json", "summary.json", "history.jsonl", "log.jsonl"):
            folder.mkdir(exist_ok=True)
            shutil.copy(first / name, folder)
    _make_big(first, root / NAME, children)


def _make_big(model: Path, folder: Path, children: int) -> None:
    """Make a run with many children from a small one."""
    shutil.copytree(model, folder)
    draw = random.Random(0)  # noqa: S311 - no secret
    visit = json.loads((model / "history.jsonl").read_text().splitlines()[1])
    logged = next(line for line in (model / "log.jsonl").read_text().splitlines() if '"visited"' in line)
    head = json.loads(logged)
    names = [each["factors"] for each in map(json.loads, (model / "history.jsonl").read_text().splitlines())]
    rows, best = [], 0.0
    with closing(sqlite3.connect(folder / "results.sqlite")) as store:
        columns = [row[1] for row in store.execute("PRAGMA table_info(evaluations)")]
        row = dict(zip(columns, store.execute("SELECT * FROM evaluations LIMIT 1").fetchone(), strict=True))
        with (folder / "history.jsonl").open("w") as history, (folder / "log.jsonl").open("a") as log:
            for number in range(children):
                key = hashlib.sha256(str(number).encode()).hexdigest()[:24]
                class_key = hashlib.sha256(f"class {number // 10}".encode()).hexdigest()[:16]
                accuracy = draw.random()
                best = max(best, accuracy)
                line = visit | {
                    "step": number + 1,
                    "visits": number + 1,
                    "first": True,
                    "key": key,
                    "class_key": class_key,
                    "accuracy": accuracy,
                    "best": best,
                    "factors": f"{draw.choice(names)} + f{number // 10}",
                }
                history.write(json.dumps(line) + "\n")
                log.write(json.dumps(head | {name: line[name] for name in head.keys() & line.keys()}) + "\n")
                changed = {"key": key, "class_key": class_key, "seed": number % 10, "validation_accuracy": accuracy}
                rows.append(tuple((row | changed | {"finished_at": row["finished_at"] + number}).values()))
        marks = ", ".join("?" * len(columns))
        store.executemany(f"INSERT OR IGNORE INTO evaluations VALUES ({marks})", rows)  # noqa: S608 - fixed text
        store.commit()
