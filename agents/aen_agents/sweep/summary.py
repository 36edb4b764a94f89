"""Summarises a sweep: one row for each combination without its seed, ranked by validation accuracy."""

import json
from collections import Counter
from collections.abc import Sequence

from aen._typing import JsonDict
from aen.errors import RunFolderError
from aen.statistics import estimate_accuracy
from aen_agents.runs.files import write_file
from aen_agents.runs.trial_files import TrialFiles
from aen_agents.sweep.cells import as_csv, find_cells
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial, label_of
from aen_agents.sweep.shares import find_shares

SUMMARY_VERSION = 1
UNCHANGED = "the search as it is"  # label of the combination of a sweep over seeds only
STATUSES = ("complete", "stopped", "failed", "unfinished")


def summarise(folder: SweepFolder) -> JsonDict:
    """Return the summary of a sweep, finished or not, and write it to its folder."""
    sweep, trials = folder.load()
    rows = [_trial_row(folder, trial) for trial in trials]
    seeds: dict[str, list[Trial]] = {}
    for trial in trials:
        seeds.setdefault(json.dumps(trial.combination, sort_keys=True), []).append(trial)
    combinations = _rank([_combination(group, [rows[trial.number] for trial in group]) for group in seeds.values()])
    labelled = [(label_of(group[0].combination) or UNCHANGED, group) for group in seeds.values()]
    cells, shares = find_cells(folder, labelled), find_shares(folder, labelled)
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    summary: JsonDict = {
        "version": SUMMARY_VERSION,
        "name": sweep.name,
        "status": "interrupted" if counts["unfinished"] else "complete",
        "search": sweep.search,
        "counts": counts,
        "children_trained": sum(row["children_trained"] for row in rows),
        "combinations": combinations,
        "trials": rows,
    }
    if cells is not None:
        summary["table"] = cells
        write_file(folder.table_file, as_csv(cells))
    if shares is not None:
        summary["shares"] = shares
    if not counts["unfinished"] and combinations[0]["rank"] is not None:
        summary["best"] = _best(folder, trials, combinations[0])
    write_file(folder.summary_file, json.dumps(summary, indent=2) + "\n")
    return summary


def _trial_row(folder: SweepFolder, trial: Trial) -> JsonDict:
    """Return the row of a trial, without test accuracy: only that of the best combination is read."""
    files = folder.files(trial)
    status, reports = files.status(), files.reports()
    row: JsonDict = {
        "number": trial.number,
        "folder": str(files.path.relative_to(folder.path)),
        "values": dict(trial.values),
        "seed": trial.config.seed,
        "status": status,
        "children_visited": max((report.children for report in reports), default=0),
        "best_validation_accuracy": max((report.best_validation_accuracy for report in reports), default=None),
    } | _effort(files)
    if status == "failed":
        row["message"] = files.failure()
    result = files.result()
    if result is not None and result.verdict is not None:
        winner = result.verdict.winner
        row["winner"] = {name: getattr(winner, name) for name in ("decomposition", "group", "class_key", "parameters")}
        row["validation_accuracy"] = winner.validation.mean
    return row


def _effort(files: TrialFiles) -> JsonDict:
    """Return the trained children and seconds of a trial's search, complete or not."""
    try:
        result = files.run.result()
    except (RunFolderError, OSError):
        result = None
    if result is None:
        return {"children_trained": 0, "seconds": 0.0}
    return {"children_trained": result.children_trained, "seconds": float(result.seconds.total)}


def _combination(trials: Sequence[Trial], rows: Sequence[JsonDict]) -> JsonDict:
    """Return the row of trials that differ only in their seeds."""
    complete = [row for row in rows if row["status"] == "complete"]
    values = trials[0].combination
    return {
        "rank": None,
        "label": label_of(values) or UNCHANGED,
        "values": values,
        "trials": [row["number"] for row in rows],
        "seeds": [row["seed"] for row in complete],
        "counts": {status: sum(row["status"] == status for row in rows) for status in STATUSES},
        **_accuracy([row["validation_accuracy"] for row in complete], "validation"),
        "winners": dict(Counter(row["winner"]["group"] for row in complete).most_common()),
        "children_trained": sum(row["children_trained"] for row in rows),
        "seconds": sum(row["seconds"] for row in rows),
    }


def _accuracy(values: Sequence[float], what: str) -> JsonDict:
    """Return mean and interval over seeds: without an interval for one seed, empty without seeds."""
    found = estimate_accuracy(values) if values else None
    return {
        f"{what}_accuracies": list(values),
        f"{what}_accuracy_mean": found.mean if found is not None else None,
        f"{what}_accuracy_interval": list(found.interval) if found is not None and len(values) > 1 else None,
    }


def _rank(rows: list[JsonDict]) -> list[JsonDict]:
    """Return the rows, best first.

    If a seed was stopped or failed, the mean of the others is biased upwards: such rows come after all complete ones.
    """

    def place(row: JsonDict) -> tuple[bool, bool, float]:
        mean = row["validation_accuracy_mean"]
        return mean is None, row["counts"]["complete"] < len(row["trials"]), -(mean or 0.0)

    rows = sorted(rows, key=place)
    return [
        row | {"rank": rank if row["validation_accuracy_mean"] is not None else None}
        for rank, row in enumerate(rows, start=1)
    ]


def _best(folder: SweepFolder, trials: Sequence[Trial], row: JsonDict) -> JsonDict:
    """Return what is said of the best combination, which validation chose: its searches' looks at test, too."""
    accuracies, winners = [], []
    for number in row["trials"]:
        result = folder.files(trials[number]).result()
        if result is not None and result.verdict is not None:
            winner = result.verdict.winner
            accuracies.append(winner.test.mean)
            winners.append({"seed": result.seed, "decomposition": winner.decomposition, "group": winner.group})
    return {name: row[name] for name in ("label", "values", "seeds")} | {
        "winners": winners,
        **_accuracy(accuracies, "test"),
    }
