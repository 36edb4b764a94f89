import json
import math
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy import stats

from aen._typing import JsonDict
from aen.errors import AenError, ConfigError, RunFolderError
from aen_agents.cli import main
from aen_agents.config import load_config
from aen_agents.evaluators.cluster import ClusterError, Room
from aen_agents.run_folder import RunFolder
from aen_agents.search import Search
from aen_agents.sweep.config import AshaConfig, SweepConfig, find_search, load_sweep
from aen_agents.sweep.folder import Report, SweepFolder
from aen_agents.sweep.plan import Trial, make_trials
from aen_agents.sweep.report import build_sweep_report
from aen_agents.sweep.run import share
from aen_agents.sweep.summary import summarise
from aen_agents.sweep.trial import TrialStopped, search_trial

PRESETS = sorted(Path("configs/sweeps").glob("*.yaml"))
TINY: JsonDict = {
    "name": "tiny",
    "data": {"train": 120, "validation": 120, "test": 120, "moves": ["rot90", "hflip"]},
    "alphabet": ["rot90", "hflip", "vflip", "swap_lr"],
    "child": {"hidden": [8]},
    "training": {"epochs": 2},
    "environment": {"horizon": 4},
    "budget": {"children": 6, "steps": 80},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 8, "layers": [16]},
    "selection": {"top": 2, "seeds": 2},
}
SEEDS: JsonDict = {"name": "seeds", "search": "tiny.yaml", "grid": {"seed": [0, 1]}}
# A run of the command in another process, in which Ctrl-C works even where who runs the tests ignores it.
COMMAND = [
    sys.executable,
    "-c",
    """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from aen_agents.cli import main
raise SystemExit(main())
""",
    "sweep",
]


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


def leases(store: Path) -> int:
    with sqlite3.connect(store) as connection:
        return int(connection.execute("select count(*) from leases").fetchone()[0])


def evaluations(store: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(store) as connection:
        return connection.execute(
            "select key, validation_accuracy, train_loss from evaluations order by key"
        ).fetchall()


# --- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PRESETS, ids=lambda p: p.stem)
def test_every_preset_is_valid(path: Path) -> None:
    sweep = load_sweep(path)
    trials = make_trials(sweep, find_search(sweep, path.parent))
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len({trial.folder_name for trial in trials}) == len(trials) > 1


def test_a_grid_is_every_combination_and_reaches_the_search(tmp_path: Path) -> None:
    grid = {"seed": [0, 1, 2], "agent": ["dqn", "dqn_paper"], "child.hidden": [[8], [8, 4]]}
    _, trials = plan(tmp_path, SEEDS | {"grid": grid, "overrides": ["training.epochs=7"]})
    assert len(trials) == 12
    wanted = {(s, a, tuple(h)) for s in grid["seed"] for a in grid["agent"] for h in grid["child.hidden"]}  # type: ignore[attr-defined]
    assert {(t.values["seed"], t.values["agent"], tuple(t.values["child.hidden"])) for t in trials} == wanted
    for trial in trials:
        search = trial.config
        assert search.seed == trial.values["seed"]
        assert search.child.hidden == tuple(trial.values["child.hidden"])  # type: ignore[union-attr]
        assert (search.agent.layers == (400, 400, 400)) == (trial.values["agent"] == "dqn_paper")  # type: ignore[union-attr]
        assert search.training.epochs == 7
        assert search.evaluator.workers == 1
    assert trials[0].label == "seed=0, agent=dqn, hidden=[8]"
    assert trials[0].folder_name == "000-seed-0-agent-dqn-hidden-8"


def test_a_trial_is_the_search_that_its_overrides_describe(tmp_path: Path) -> None:
    _, (trial, *_) = plan(tmp_path, SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-7, 1e-6]}}})
    overrides = [*trial.to_json()["overrides"], "evaluator.workers=1", "name=seeds-000"]
    assert load_config(tmp_path / "tiny.yaml", overrides) == trial.config


RANDOM: JsonDict = {
    "training.learning_rate": {"log_uniform": [1e-4, 1e-1]},
    "agent.batch_size": {"integers": [4, 6]},
    "agent.discount": {"uniform": [0.25, 0.75]},
    "child.hidden": {"choice": [[8], [4]]},
}


def test_draws_follow_their_distributions_and_their_seed(tmp_path: Path) -> None:
    sweep = {"name": "r", "search": "tiny.yaml", "random": RANDOM, "samples": 150}
    _, trials = plan(tmp_path, sweep)
    assert len(trials) == 150
    rates = [math.log10(trial.values["training.learning_rate"]) for trial in trials]
    assert stats.kstest(rates, "uniform", args=(-4, 3)).pvalue > 0.01
    discounts = [trial.values["agent.discount"] for trial in trials]
    assert stats.kstest(discounts, "uniform", args=(0.25, 0.5)).pvalue > 0.01
    assert {trial.values["agent.batch_size"] for trial in trials} == {4, 5, 6}
    assert {tuple(trial.values["child.hidden"]) for trial in trials} == {(8,), (4,)}
    few = sweep | {"samples": 5}
    assert [t.values for t in plan(tmp_path, few)[1]] == [t.values for t in trials[:5]], "draws depend on their number"
    assert [t.values for t in plan(tmp_path, few | {"sweep_seed": 1})[1]] != [t.values for t in trials[:5]]
    alone = plan(tmp_path, few | {"random": {"agent.discount": RANDOM["agent.discount"]}})[1]
    assert [t.values["agent.discount"] for t in alone] == discounts[:5], "draws of a key depend on others"


def test_every_draw_meets_the_whole_grid(tmp_path: Path) -> None:
    sweep = SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-4, 1e-1]}}, "samples": 3}
    _, trials = plan(tmp_path, sweep)
    by_rate: dict[float, set[int]] = {}
    for trial in trials:
        by_rate.setdefault(trial.values["training.learning_rate"], set()).add(trial.values["seed"])
    assert list(by_rate.values()) == [{0, 1}] * 3


def test_what_is_drawn_twice_is_run_once(tmp_path: Path) -> None:
    sweep = {"name": "r", "search": "tiny.yaml", "random": {"child.hidden": {"choice": [[8], [4]]}}, "samples": 20}
    assert len(plan(tmp_path, sweep)[1]) == 2


BAD: dict[str, tuple[JsonDict, str]] = {
    "unknown key": ({"overides": []}, "unknown key 'overides' (did you mean 'overrides'?)"),
    "unknown key of stop": ({"stop": {"rule": "asha", "gracee": 3}}, "unknown key 'gracee' (did you mean 'grace'?)"),
    "unknown rule": ({"stop": {"rule": "asher"}}, "rule is 'asher' (did you mean 'asha'?)"),
    "stop is no section": ({"stop": "asha"}, "stop is 'asha'; it is a section with the keys rule, metric, grace"),
    "unknown distribution": ({"random": {"seed": {"log_unifrm": [1, 2]}}}, "did you mean 'log_uniform'?"),
    "two distributions": ({"random": {"training.epochs": {"uniform": [1, 2], "choice": [1]}}}, "give exactly one"),
    "log of zero": ({"random": {"training.epochs": {"log_uniform": [0, 1]}}}, "its lower end must be above 0"),
    "backwards": ({"random": {"training.epochs": {"integers": [3, 1]}}}, "the smaller one first"),
    "a key that no search has": ({"grid": {"training.learning_rat": [1]}}, "did you mean 'learning_rate'?"),
    "a value that does not fit": ({"grid": {"training.epochs": [1, -1]}}, "trial 1 (epochs=-1)"),
    "an unknown agent": ({"grid": {"agent": ["dqm"]}}, "did you mean 'dqn'?"),
    "an empty list": ({"grid": {"seed": []}}, "grid.seed is empty"),
    "no list": ({"grid": {"seed": 3}}, "give a list in brackets, such as [3]"),
    "nothing to sweep": ({"grid": {}}, "there is nothing to sweep"),
    "a value twice": ({"grid": {"seed": [1, 1]}}, "grid.seed has 1 twice"),
    "a date": ({"grid": {"seed": [yaml.safe_load("2026-01-01")]}}, "give numbers, words, lists or mappings"),
    "the same search twice": ({"grid": {"training.epochs": [2, 2.0]}}, "are the same search"),
    "a key twice": ({"overrides": ["seed=1"]}, "seed and seed are both given"),
    "a section and its key": ({"grid": {"child": [{"hidden": [8]}], "child.head": ["free"]}}, "child and child.head"),
    "samples of nothing": ({"samples": 3}, "random is empty"),
    "the sweep's own store": ({"grid": {"store": ["a", "b"]}}, "for it there is store"),
    "workers": ({"overrides": ["evaluator.workers=4"]}, "evaluator.workers is 4; a trial has one"),
    "ray": ({"overrides": ["evaluator=ray"]}, "evaluator.kind is ray; each trial"),
    "no GPU": ({"overrides": ["evaluator.device=cuda"]}, "gpus_per_trial is 0"),
    "a store in the search": ({"overrides": ["store=x.sqlite"]}, "store is given"),
    "no such search": ({"search": "tin.yaml"}, "(did you mean 'tiny.yaml'?)"),
    "asha without a budget": (
        {"overrides": ["agent=exhaustive"], "stop": {"rule": "asha", "grace": 2}},
        "which counts the children of a budget, but agent exhaustive of trial 0 (seed=0) has none",
    ),
    "asha that never stops": ({"stop": {"rule": "asha", "grace": 6}}, "stop.grace is 6, but no trial visits more"),
    "too many": ({"grid": {"seed": list(range(200)), "training.epochs": list(range(1, 90))}}, "17,800 trials"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_bad_sweeps_are_refused_before_anything_starts(
    change: JsonDict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SEEDS | change)
    out = tmp_path / "out"
    assert main(["sweep", str(path), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: ")
    assert message in error
    assert not out.exists()


def test_data_that_is_not_there_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, SEEDS | {"overrides": ["data.name=digitz"]})
    assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "did you mean 'digits'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--restore", "nowhere"], "nowhere is not a sweep's folder: there is no such folder"),
        (["--restore", "."], "is not a sweep's folder: it has no sweep.yaml"),
        (["--restore", ".", "--out", "x"], "give neither a config nor --out with it"),
        ([], "there is no config"),
        (["nowhere.yaml"], "config nowhere.yaml does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_that_name_nothing(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *words]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_address_nobody_listens_on_is_said_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = write(tmp_path, SEEDS | {"cluster": {"address": address}})
        started = time.monotonic()
        assert main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    assert time.monotonic() - started < 10
    assert f"cluster.address is '{address}', but nobody can be reached there" in capsys.readouterr().err


# --- the folder ------------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_was_asked_for(tmp_path: Path) -> None:
    sweep = SEEDS | {"random": {"training.learning_rate": {"log_uniform": [1e-3, 1e-1]}}, "samples": 2}
    config, trials = plan(tmp_path, sweep | {"stop": {"rule": "asha", "grace": 2}})
    folder = SweepFolder.create(config, trials, tmp_path / "out")
    assert folder.load() == (config, trials)
    rows = json.loads(folder.trials_file.read_text())
    assert [row["overrides"][0] for row in rows] == [f"seed={trial.config.seed}" for trial in trials]
    SweepFolder.create(config, trials, tmp_path / "out")  # the same again
    more = config.model_copy(update={"concurrent": 7})
    assert SweepFolder.create(more, trials, tmp_path / "out").load()[0].concurrent == 7


@pytest.mark.parametrize(
    "change", [{"grid": {"seed": [0, 2]}}, {"name": "other"}, {"overrides": ["training.epochs=3"]}], ids=str
)
def test_a_folder_of_another_sweep_is_refused(change: JsonDict, tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    before = {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()}
    with pytest.raises(RunFolderError, match="belongs to another sweep"):
        make(tmp_path, SEEDS | change)
    assert {file: file.read_bytes() for file in folder.path.iterdir() if file.is_file()} == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("do not touch")
    with pytest.raises(RunFolderError, match="is no sweep's folder"):
        make(tmp_path, SEEDS, "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_damaged_folder_is_said(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    whole = folder.trials_file.read_text()
    for text in (whole[:100], "[{}]", "7"):
        folder.trials_file.write_text(text)
        with pytest.raises(RunFolderError, match=r"trials\.json is damaged"):
            folder.load()


def test_two_drivers_do_not_share_a_folder(tmp_path: Path) -> None:
    folder, _ = make(tmp_path, SEEDS)
    with folder.locked(), pytest.raises(RunFolderError, match="is running already"), folder.locked():
        pass


def test_torn_reports_are_mended(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    files = folder.files(trial)
    files.path.mkdir()
    for children in (1, 2):
        files.add_report(Report(children, 0.5))
    with files.reports_file.open("a") as file:
        file.write('{"children": 3, "best_val')
    assert files.mend_reports() == [Report(1, 0.5), Report(2, 0.5)]
    files.add_report(Report(3, 0.75))
    assert files.reports() == [Report(1, 0.5), Report(2, 0.5), Report(3, 0.75)]


# --- one trial -------------------------------------------------------------------------------------------------------


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


def test_a_trial_is_the_plain_search(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    told: list[JsonDict] = []
    run_here(folder, trial, told)
    summary = folder.files(trial).summary()
    assert summary is not None
    plain = Search(trial.config, lambda _: None).run(RunFolder.create(trial.config, tmp_path / "plain"))
    for name in ("winner", "selection", "baseline", "steps"):
        assert summary[name] == plain[name]
    reports = folder.files(trial).reports()
    assert [report.children for report in reports] == [1, 2, 3, 4, 5, 6]
    history = folder.files(trial).run.history()
    assert [r.best_validation_accuracy for r in reports] == [visit["best"] for visit in history if visit["first"]]
    assert [report["stage"] for report in told][-1] != "explore"


def test_a_stopped_trial_ends_in_order_and_can_be_taken_up(tmp_path: Path) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    files = folder.files(trial)
    with pytest.raises(TrialStopped):
        run_here(folder, trial, [], stop_at=3)
    assert files.status() == "stopped"
    assert [report.children for report in files.reports()] == [1, 2, 3]
    assert leases(folder.store_file) == 0
    assert files.run.summary()["status"] == "interrupted"  # type: ignore[index]
    with pytest.raises(TrialStopped):  # it stays stopped
        run_here(folder, trial, [])
    files.stopped_file.unlink()
    told: list[JsonDict] = []
    run_here(folder, trial, told)
    assert files.status() == "complete"
    assert [report.children for report in files.reports()] == [1, 2, 3, 4, 5, 6]
    assert [r["children"] for r in told if r["stage"] == "explore"] == [4, 5, 6], "a child was reported twice"
    whole, _ = make(tmp_path, SEEDS, "whole")
    run_here(whole, trial, [])
    assert evaluations(whole.store_file) == evaluations(folder.store_file)


def test_trials_train_nothing_twice(tmp_path: Path) -> None:
    # The agents walk differently and share seeds: what one trained, selection too, the other looks up.
    sweep = SEEDS | {"grid": {"agent.discount": [0.5, 0.9]}, "overrides": ["budget.children=16", "selection.top=16"]}
    folder, trials = make(tmp_path, sweep)
    trained = []
    for trial in trials:
        run_here(folder, trial, [])
        trained.append(folder.files(trial).summary()["children_trained"])  # type: ignore[index]
    assert sum(trained) == len(evaluations(folder.store_file))
    assert trained[1] < trained[0] // 4
    for trial in trials:
        assert (folder.files(trial).path / "best" / "weights.safetensors").is_file()


def test_a_trial_waits_for_the_process_of_a_killed_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, (trial, _) = make(tmp_path, SEEDS)
    monkeypatch.setattr("aen_agents.sweep.trial.LOCK_SECONDS", 0.5)
    run = RunFolder.create(
        trial.config.model_copy(update={"store": folder.store(folder.load()[0])}), folder.files(trial).path
    )
    with run.locked(), pytest.raises(RunFolderError, match="another search is running"):
        run_here(folder, trial, [])
    run_here(folder, trial, [])


# --- the rule --------------------------------------------------------------------------------------------------------


class FakeTrial:
    """What Tune calls a trial, as far as a scheduler looks at it."""

    def __init__(self, number: int) -> None:
        self.trial_id = f"random-{number}-{os.urandom(2).hex()}"
        self.config = {"number": number}


def curve(number: int, to: int) -> list[Report]:
    return [Report(children, 0.1 * number + 0.001 * children) for children in range(1, to + 1)]


def test_asha_stops_the_weak_and_remembers() -> None:
    from ray.tune.schedulers import ASHAScheduler, TrialScheduler

    from aen_agents.sweep.asha import GentleASHA

    rule = AshaConfig(rule="asha", grace=3, reduction=2)
    stopped: list[tuple[int, int]] = []

    def feed(scheduler: Any, number: int, reports: list[Report]) -> list[str]:
        trial = FakeTrial(number)
        scheduler.on_trial_add(None, trial)
        results = [{"children": r.children, "best_validation_accuracy": r.best_validation_accuracy} for r in reports]
        return [scheduler.on_trial_result(None, trial, result) for result in results]

    plain = ASHAScheduler("children", "best_validation_accuracy", "max", 12, 3, 2, stop_last_trials=False)
    ours = GentleASHA(rule, 12, lambda number, report: stopped.append((number, report.children)))
    expected = []
    for number in (3, 1, 4, 0, 5):
        said = feed(plain, number, curve(number, 12))
        expected += [(number, place + 1) for place, action in enumerate(said) if action == TrialScheduler.STOP]
        assert set(feed(ours, number, curve(number, 12))) == {TrialScheduler.CONTINUE}
    assert stopped == expected
    assert (1, 3) in stopped
    assert {number for number, _ in stopped} <= {0, 1}

    # Interrupted in between: what was reported counts, also that of a trial that goes on, and is decided once.
    again = GentleASHA(rule, 12, lambda number, report: stopped.append((number, report.children)))
    stopped.clear()
    for number, to in ((3, 12), (1, 3), (4, 5)):
        again.remember(number, curve(number, to))
    assert stopped == []
    feed(again, 4, curve(4, 12)[5:])
    assert stopped == []
    feed(again, 0, curve(0, 12))
    assert stopped[0] == (0, 3)


@pytest.mark.parametrize(
    ("settings", "nodes", "expected"),
    [
        ({}, [(2, 0)], (1, 2)),
        ({"concurrent": 1}, [(2, 0)], (1, 1)),
        ({}, [(2, 0), (4, 0)], (1, 4)),
        ({"concurrent": 4}, [(2, 0)], (0.5, 4)),
        ({"gpus_per_trial": 0.5, "overrides": ["evaluator.device=cuda"]}, [(16, 1)], (1, 2)),
    ],
    ids=str,
)
def test_room_for_trials(
    settings: JsonDict, nodes: list[tuple[float, float]], expected: tuple[float, int], tmp_path: Path
) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"grid": {"seed": [0, 1, 2, 3]}} | settings)
    assert share(sweep, trials, Room(tuple(nodes))) == expected


def test_no_room_is_said_at_once(tmp_path: Path) -> None:
    sweep, trials = plan(tmp_path, SEEDS | {"overrides": ["evaluator.device=cuda"], "gpus_per_trial": 1})
    with pytest.raises(ClusterError, match=r"a trial needs 1 cores and 1 GPUs .* the cluster has 2 cores and 0 GPUs"):
        share(sweep, trials, Room(((2, 0),)))


# --- what it came to -------------------------------------------------------------------------------------------------


def pretend(folder: SweepFolder, trial: Trial, validation: float, test: float, group: str = "D4") -> None:
    """Write the summary that a complete search would."""
    files = folder.files(trial)
    files.path.mkdir(parents=True, exist_ok=True)
    winner = {"decomposition": "d", "group": group, "class_key": "k", "parameters": 1}
    winner |= {"validation_accuracy_mean": validation, "test_accuracy_mean": test}
    keys = ("name", "selection_seeds", "states", "classes", "provenance", "notices", "baseline", "selection")
    summary = dict.fromkeys((*keys, "winner_minus_baseline", "states_visited"))
    summary |= {"status": "complete", "seed": trial.config.seed, "winner": winner, "children_trained": 3}
    files.run.summary_file.write_text(json.dumps(summary | {"seconds": {"total": 2.0}}))


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


# --- the real thing: Ray, several processes --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_sweep_from_start_to_table(tmp_path: Path) -> None:
    path = write(tmp_path, SEEDS | {"grid": {"seed": [0, 1], "budget.children": [6, 5]}})
    out = tmp_path / "out"
    done = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Ray's own talk"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["counts"] == {"complete": 4, "stopped": 0, "failed": 0, "unfinished": 0}
    assert "best on validation: children=" in done.stdout
    assert summary["children_trained"] == len(evaluations(out / "results.sqlite")), "a child was trained twice"
    assert leases(out / "results.sqlite") == 0
    assert not (out / ".tune").exists()
    before = (out / "summary.json").read_bytes()
    again = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=100, check=False)
    assert again.returncode == 0
    assert "4 of them ended before" in again.stdout
    assert (out / "summary.json").read_bytes() == before


@pytest.mark.slow
def test_weak_trials_are_stopped_and_failures_do_not_end_a_sweep(tmp_path: Path) -> None:
    # At a rate of 1e-7 nothing is learnt: such a trial is behind at the first rung. The folder of another is in use.
    rates = [0.01, 1e-7, 0.02]
    sweep = SEEDS | {
        "grid": {"training.learning_rate": rates},
        "overrides": ["training.epochs=10", "budget.children=8"],
        "stop": {"rule": "asha", "grace": 3, "reduction": 2},
        "concurrent": 1,
    }
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    folder, trials = make(tmp_path, sweep, "out")
    blocked = folder.files(trials[2])
    blocked.path.mkdir(parents=True)
    (blocked.path / "thesis.txt").write_text("do not touch")
    done = subprocess.run([*COMMAND, path, "--out", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert [row["status"] for row in summary["trials"]] == ["complete", "stopped", "failed"]
    assert summary["trials"][1]["children_visited"] == 3
    assert "is no run folder" in summary["trials"][2]["message"]
    assert leases(folder.store_file) == 0
    # The failed one is tried again, the stopped one is not.
    (blocked.path / "thesis.txt").unlink()
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert [row["status"] for row in summary["trials"]][:2] == ["complete", "stopped"]
    assert summary["trials"][2]["status"] != "failed"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_a_broken_sweep_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    sweep = SEEDS | {"overrides": ["training.epochs=60", "budget.children=8"], "concurrent": 2}
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, path, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200

    def reports() -> int:
        return sum(file.read_text().count("\n") for file in (out / "trials").glob("*/reports.jsonl"))

    while time.monotonic() < deadline and process.poll() is None and reports() < 4:
        time.sleep(0.02)
    process.send_signal(how)
    said, error = process.communicate(timeout=100)
    assert process.returncode == (130 if how is signal.SIGINT else -9), error
    assert "Traceback" not in error
    if how is signal.SIGINT:
        assert f"To go on: aen sweep --restore {out}" in said
    reported = reports()
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported < reports() == 16
    folder = SweepFolder.open(out)
    _, trials = folder.load()
    whole, _ = make(tmp_path, sweep, "whole")
    for trial in trials:
        run_here(whole, trial, [])
        ours, theirs = folder.files(trial).summary(), whole.files(trial).summary()
        assert ours is not None
        assert theirs is not None
        assert ours["winner"] == theirs["winner"]
    assert evaluations(folder.store_file) == evaluations(whole.store_file)
    assert leases(folder.store_file) == 0


@pytest.mark.slow
def test_a_trial_whose_process_is_killed_does_not_end_a_sweep(tmp_path: Path) -> None:
    sweep = SEEDS | {"overrides": ["training.epochs=60", "budget.children=8"], "concurrent": 1}
    path = write(tmp_path, sweep)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, path, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    reports = out / "trials" / "000-seed-0" / "reports.jsonl"
    while time.monotonic() < deadline and process.poll() is None and not reports.is_file():
        time.sleep(0.02)
    at_work = [pid for pid, command in descendants(process.pid).items() if command.startswith("ray::ImplicitFunc")]
    for pid in at_work:
        os.kill(pid, signal.SIGKILL)
    said, error = process.communicate(timeout=300)
    assert len(at_work) == 1
    assert process.returncode == 1, error
    assert "Traceback" not in said + error
    rows = json.loads((out / "summary.json").read_text())["trials"]
    assert [row["status"] for row in rows] == ["failed", "complete"]
    assert rows[0]["message"].startswith("its process ended before it did: ")
    done = subprocess.run([*COMMAND, "--restore", out], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((out / "summary.json").read_text())["trials"]
    assert [row["status"] for row in rows] == ["complete", "complete"]
    assert leases(out / "results.sqlite") == 0


def descendants(pid: int) -> dict[int, str]:
    """Return the command of each process below one."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:  # it has just ended
            continue
    found = {pid}
    for _ in range(10):
        found |= {child for child, parent in parents.items() if parent in found}
    return {child: commands[child] for child in found - {pid} if child in commands}


def test_errors_of_sweeps_are_the_users() -> None:
    assert issubclass(ClusterError, AenError)
    assert issubclass(ConfigError, AenError)
