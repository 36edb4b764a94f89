"""Small searches for the torture tests, each with another agent, and what a resumed one must equal.

Their reports are written as all reports are, but have no pictures: drawing takes four fifths of the time of such a
search.
"""

import contextlib
import io
import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aen_agents.report
from aen._typing import JsonDict
from aen_agents.agents.dqn.explorer import DQNExplorer
from aen_agents.cli.main import main as aen
from aen_agents.config import SearchConfig, load_config
from aen_agents.events import Event, SliceTrained, Trained, Visited
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search
from aen_agents.sweep.config import SweepConfig
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial
from aen_agents.sweep.summary import summarise
from aen_agents.sweep.trial import search_trial


def _short_report(folder: RunFolder, out: Path | None = None) -> Path:
    file = out or folder.report_file
    write_file(file, json.dumps(folder.summary()))
    return file


@contextlib.contextmanager
def _quick() -> Iterator[None]:
    """Inside the block reports have no pictures, and DQN writes a checkpoint after every step, not every second."""
    report, seconds = aen_agents.report.build_report, DQNExplorer.checkpoint_seconds
    aen_agents.report.build_report, DQNExplorer.checkpoint_seconds = _short_report, 0.0
    try:
        yield
    finally:
        aen_agents.report.build_report, DQNExplorer.checkpoint_seconds = report, seconds


SEARCHES = ("exhaustive", "dqn", "equinas")
KINDS = (*SEARCHES, "sweep")
_BASE: JsonDict = {
    "name": "tortured",
    "data": {"train": 80, "validation": 80, "test": 80, "moves": ["rot90", "hflip"]},
    "alphabet": ["rot90", "hflip", "vflip"],
    "child": {"hidden": [4]},
    "training": {"epochs": 1},
    "evaluator": {"workers": 1, "threads": 1, "device": "cpu"},
    "selection": {"top": 1, "seeds": 2},
}
_CONFIGS: dict[str, JsonDict] = {
    "exhaustive": _BASE | {"agent": {"name": "exhaustive", "seeds": 1}},
    "dqn": _BASE
    | {
        "agent": {"name": "dqn", "learn_after": 4, "batch_size": 4, "layers": [8]},
        "environment": {"horizon": 4},
        "budget": {"children": 5, "steps": 24},
    },
}
_EQUINAS = (
    *("data.train=40", "data.validation=40", "data.test=40", "child.width=1", "child.dense=4", "training.epochs=1"),
    *("evaluator.workers=1", "agent.generations=1", "agent.population=2", "agent.seeds=1"),
    *("agent.subgroups=[D4, C1]", "agent.baselines=[static_c1]"),
)
# What depends on the time and on how often a run was resumed.
_OF_THIS_START = ("seconds", "children_trained", "children_trained_in_all", "run_id", "sha256")


def config_of(kind: str) -> SearchConfig:
    """Return the config of one of `SEARCHES`."""
    if kind == "equinas":
        return load_config("equinas/digits_e", _EQUINAS)
    return SearchConfig.model_validate(_CONFIGS[kind])


def told_of(event: Event) -> JsonDict | None:
    """Return which result an event tells of, or None: its class, and its seed where the event has it."""
    if isinstance(event, Trained):
        return {"class_key": event.class_key, "seed": event.seed}
    if isinstance(event, SliceTrained):
        return {"key": event.key}
    return {"class_key": event.class_key} if isinstance(event, Visited) else None


def run(kind: str, folder: Path, told: Path) -> None:
    """Run or resume one of `KINDS`; each result it tells of is a line of a file."""
    if kind == "sweep":
        run_sweep(folder)
        return
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def listener(event: Event) -> None:
        result = told_of(event)
        if result is not None:
            os.write(file, json.dumps(result).encode() + b"\n")

    config = config_of(kind)
    run_folder = RunFolder.create(config, folder)
    with _quick():
        Search(config, listener).run(run_folder)
    _short_report(run_folder)


def run_sweep(folder: Path) -> None:
    """Run or resume a sweep of two trials, one after the other in this process: Ray is not what is tested."""
    config = SweepConfig.model_validate({"name": "tortured", "search": "a.yaml", "grid": {"seed": [0, 1]}})
    trials = [Trial(seed, {"seed": seed}, config_of("exhaustive").model_copy(update={"seed": seed})) for seed in (0, 1)]
    sweep = SweepFolder.create(config, trials, folder)
    with sweep.locked():
        for trial in trials:
            files = sweep.files(trial)
            if files.status() in ("unfinished", "failed"):
                search = trial.config.model_copy(update={"store": sweep.store(config)})
                search_trial(search, files, sweep.weights, lambda _: None)
        summarise(sweep)


@dataclass(frozen=True)
class Answer:
    """What a command answered: its exit status, or None after an exception, and what it printed."""

    status: int | None
    out: str
    err: str

    @property
    def crashed(self) -> bool:
        """Whether the user saw a traceback."""
        return self.status is None or "Traceback (most recent" in self.out + self.err


def call_aen(*words: str) -> Answer:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    status: int | None = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _quick():
        try:
            status = aen(list(words))
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - whatever reaches the user as a traceback
            traceback.print_exc()
    return Answer(status, out.getvalue(), err.getvalue())


def start(kind: str, folder: Path) -> Answer:
    """Start a search as its user would, in this process; its config is written beside the run folder."""
    file = folder.with_name(f"{folder.name}.yaml")
    file.write_text(config_of(kind).to_yaml())
    return call_aen("search", str(file), "--out", str(folder))


def resume(kind: str, folder: Path) -> list[str]:
    """Resume one of `KINDS` as its user would, in this process; return what is wrong."""
    if kind == "sweep":
        try:
            run_sweep(folder)
        except Exception as error:  # noqa: BLE001 - a failure of the test
            return [f"resuming the sweep {folder} failed: {type(error).__name__}: {error}"]
        return []
    answer = call_aen("resume", str(folder)) if (folder / "config.yaml").is_file() else start(kind, folder)
    if answer.status == 0 and not answer.crashed:
        return []
    return [f"resuming {folder} ended with {answer.status}: {(answer.err or answer.out).strip()[-800:]}"]


def rows(store: Path) -> list[JsonDict]:
    """Return the results of a store, by key, without their times."""
    if not store.is_file():
        return []
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute("select * from evaluations order by key").fetchall()
        except sqlite3.OperationalError:  # the table was not made yet
            return []
        finally:
            connection.commit()
    connection.close()
    return [{k: row[k] for k in row.keys() if k not in ("seconds", "finished_at")} for row in found]  # noqa: SIM118


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a finished run or sweep holds, without what depends on the time and on how often it was resumed."""
    if (folder / "sweep.yaml").is_file():
        trials = {trial.name: outcome(trial) for trial in sorted((folder / "trials").iterdir())}
        return {"rows": rows(folder / "results.sqlite"), **trials, "sweep": (folder / "trials.json").read_text()}
    summary = json.loads((folder / "summary.json").read_text())
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix == ".safetensors"]
    return {
        "summary": {name: value for name, value in summary.items() if name not in _OF_THIS_START},
        "rows": rows(folder / "results.sqlite"),
        "history": (folder / "history.jsonl").read_text(),
        "spec": (folder / "best" / "spec.json").read_text(),
        "weights": {str(p.relative_to(folder)): _tensors(p) for p in files},
    }


def _tensors(file: Path) -> tuple[JsonDict, bytes]:
    """Return the header and the data of a safetensors file; the order in its header varies from process to process."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
