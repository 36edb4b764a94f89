"""Sweeps over a tiny search, and what their stores hold."""

import sqlite3
from pathlib import Path
from typing import Any

import yaml
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen_agents.runs.trial_files import Report
from aen_agents.sweep.config import SweepConfig, find_search, load_sweep
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial, make_trials
from aen_agents.sweep.trial import search_trial

SEEDS: JsonDict = {"name": "seeds", "search": "tiny.yaml", "grid": {"seed": [0, 1]}}


def write(folder: Path, sweep: JsonDict, search: JsonDict = TINY) -> Path:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(search))
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return path


def plan(folder: Path, sweep: JsonDict, search: JsonDict = TINY) -> tuple[SweepConfig, list[Trial]]:
    path = write(folder, sweep, search)
    config = load_sweep(path)
    return config, make_trials(config, find_search(config, folder))


def make(folder: Path, sweep: JsonDict, out: str = "sweep") -> tuple[SweepFolder, list[Trial]]:
    config, trials = plan(folder, sweep)
    return SweepFolder.create(config, trials, folder / out), trials


def run_here(folder: SweepFolder, trial: Trial, told: list[JsonDict], stop_at: int | None = None) -> None:
    """Run a trial in this process; a rule stops it at so many children."""
    sweep, _ = folder.load()
    files = folder.files(trial)

    def tell(report: JsonDict) -> None:
        told.append(report)
        if report["children"] == stop_at:
            files.stop(Report(report["children"], report["best_validation_accuracy"]))

    config = trial.config.model_copy(update={"store": folder.store(sweep)})
    search_trial(config, files, folder.weights, tell)


def leases(store: Path) -> int:
    with sqlite3.connect(store) as connection:
        return int(connection.execute("select count(*) from leases").fetchone()[0])


def evaluations(store: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(store) as connection:
        return connection.execute(
            "select key, validation_accuracy, train_loss from evaluations order by key"
        ).fetchall()
