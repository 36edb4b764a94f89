"""What a sweep came to, and its page."""

import json
import re
from pathlib import Path

import pytest
from helpers.tiny_sweeps import SEEDS, make
from scipy import stats

from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial
from aen_agents.sweep.report import build_sweep_report
from aen_agents.sweep.summary import summarise

ZERO = {"mean": 0.0, "interval": [0.0, 0.0]}


def pretend(folder: SweepFolder, trial: Trial, validation: float, test: float, group: str = "D4") -> None:
    """Write the summary that a complete search would."""
    files = folder.files(trial)
    files.path.mkdir(parents=True, exist_ok=True)
    row = {"decomposition": "d", "group": group, "class_key": "k", "parameters": 1}
    for part, mean in (("validation", validation), ("test", test)):
        row |= {f"{part}_accuracy_mean": mean, f"{part}_accuracy_interval": [0.0, 1.0], f"{part}_accuracies": [mean]}
    difference = {f"{part}_accuracy_{name}": value for part in ("validation", "test") for name, value in ZERO.items()}
    summary = {"name": "s", "selection_seeds": [1], "states": 1, "classes": 1, "notices": [], "states_visited": 1}
    summary |= {"provenance": {"python": "3", "machine": "m"}, "classes_visited": 1, "seconds": {"total": 2.0}}
    summary |= {"status": "complete", "seed": trial.config.seed, "children_trained": 3, "selection": [row]}
    summary |= {"winner": row, "baseline": row, "winner_minus_baseline": difference}
    files.run.summary_file.write_text(json.dumps(summary))


def test_combinations_are_ranked_on_validation_with_intervals_over_seeds(tmp_path: Path) -> None:
    folder, trials = make(tmp_path, SEEDS | {"grid": {"seed": [0, 1, 2], "training.epochs": [1, 2, 3, 4]}})
    accuracy = {1: [0.5, 0.6, 0.7], 2: [0.8, 0.82, 0.9], 3: [0.95, None, None], 4: [None, None, None]}
    for trial in trials:
        value = accuracy[trial.values["training.epochs"]][trial.config.seed]
        if value is None:
            folder.files(trial).fail("no luck")
        else:
            pretend(folder, trial, value, 0.77 if value > 0.79 else 0.123456, "D4" if trial.config.seed else "C4")
    summary = summarise(folder)
    rows = summary["combinations"]
    assert [row["label"] for row in rows] == ["epochs=2", "epochs=1", "epochs=3", "epochs=4"]
    assert [row["rank"] for row in rows] == [1, 2, 3, None], "one lucky seed must not beat three"
    low, high = rows[0]["validation_accuracy_interval"]
    expected = stats.t.interval(0.95, 2, loc=0.84, scale=stats.sem([0.8, 0.82, 0.9]))
    assert (low, high) == pytest.approx(expected)
    assert rows[2]["validation_accuracy_interval"] is None
    assert rows[0]["winners"] == {"D4": 2, "C4": 1}
    assert (rows[0]["children_trained"], rows[0]["seconds"]) == (9, 6.0)
    assert summary["best"]["label"] == "epochs=2"
    assert summary["best"]["test_accuracy_mean"] == pytest.approx(0.77)
    text = folder.summary_file.read_text()
    assert "0.123456" not in text, "a test figure of a combination that validation did not choose"
    assert "test" not in json.dumps([summary["combinations"], [t | {"values": 0} for t in summary["trials"]]])
    build_sweep_report(folder, summary)
    page = folder.report_file.read_text()
    assert "one seed: no interval" in page
    assert "failed: no luck" in page
    assert "12.3" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=\"http", page)
    assert len(page) < 200_000


def test_before_the_end_no_test_figure_is_shown(tmp_path: Path) -> None:
    folder, trials = make(tmp_path, SEEDS)
    pretend(folder, trials[0], 0.9, 0.8)
    summary = summarise(folder)
    assert summary["status"] == "interrupted"
    assert "best" not in summary
    assert "0.8" not in folder.summary_file.read_text()
    build_sweep_report(folder, summary)
    assert "not finished" in folder.report_file.read_text()


def test_nothing_at_all_has_a_summary_too(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    summary = summarise(folder)
    assert summary["counts"]["unfinished"] == 2
    build_sweep_report(folder, summary)
