"""Run folders with what a search writes, made without training."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from helpers.watched_runs import a_status

from aen.children import DenseSpec
from aen.groups import Decomposition
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen_agents.config import load_config

FACTORS = ("none", "rot90", "hflip", "vflip")


def make_run(folder: Path, *, children: int = 8, state: str = "complete", **config: object) -> list[str]:
    """Write a run with its own store; return the keys of its children, in their order.

    Child number ``n`` has accuracy ``n / 100`` and the factors ``FACTORS[n % 4]``, on seed ``n // 4``.
    """
    folder.mkdir(parents=True)
    words = [f"{name}={json.dumps(value)}" for name, value in config.items()]
    (folder / "config.yaml").write_text(load_config("digits", words).to_yaml())
    (folder / "run.json").write_text(json.dumps({"version": 1, "aen": "0"}) + "\n")
    keys = []
    with (
        ResultStore(folder / "results.sqlite") as store,
        (folder / "history.jsonl").open("w") as history,
        (folder / "log.jsonl").open("w") as log,
    ):
        for number in range(children):
            spec, line = _child(number)
            keys.append(spec.key)
            store.commit(_evaluation(spec, number / 100), spec)
            history.write(json.dumps(line) + "\n")
            event = {"time": "2026-01-01T00:00:00.000Z", "run": folder.name, "event": "visited"}
            log.write(json.dumps(event | line, separators=(",", ":")) + "\n")
    a_status(folder, state=state, name="made").write(folder)
    return keys


def a_summary(by_seed: Sequence[float]) -> dict[str, object]:
    """Return the least content of ``summary.json`` of a complete search, whose winner has two seeds."""
    row = {
        "decomposition": "rot90",
        "group": "C4",
        "class_key": "c",
        "parameters": 5,
        "spec": {"kind": "dense"},
        "validation_accuracy_mean": 0.5,
        "validation_accuracy_interval": [-math.inf, math.inf],
        "validation_accuracies": by_seed,
    }
    keys = (
        "name",
        "seed",
        "states",
        "classes",
        "provenance",
        "seconds",
        "notices",
        "baseline",
        "winner_minus_baseline",
    )
    head = {"status": "complete", "selection_seeds": [1, 2], "winner": row, "selection": [], "states_visited": 1}
    return dict.fromkeys(keys) | head | {"verdict": {"kind": "symmetry", "text": "Turns."}}


def append_event(folder: Path, event: str, **fields: object) -> None:
    """Append a line to the log of a run."""
    line = {"time": "2026-01-01T00:00:01.000Z", "run": folder.name, "event": event, **fields}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(line, separators=(",", ":")) + "\n")


def _child(number: int) -> tuple[DenseSpec, dict[str, object]]:
    factors = FACTORS[number % 4]
    names = [] if factors == "none" else [factors]
    spec = DenseSpec(grids=(8, 4), seed=number // 4, decomposition=Decomposition.of(names))
    return spec, {
        "step": number,
        "visits": number + 1,
        "first": True,
        "state": number,
        "factors": factors,
        "group": spec.group,
        "class_key": spec.class_key,
        "accuracy": number / 100,
        "reward": 0.0,
        "epsilon": 1 - number / 100,
        "best": number / 100,
        "parameters": 100 - number,
        "status": "ok",
        "key": spec.key,
    }


def _evaluation(spec: DenseSpec, accuracy: float) -> Evaluation:
    return Evaluation(
        key=spec.key,
        class_key=spec.class_key,
        seed=spec.seed,
        status="ok",
        train_loss=1.0,
        train_accuracy=accuracy,
        validation_loss=1.0 - accuracy,
        validation_accuracy=accuracy,
        parameters=100,
        epochs=1.0,
        seconds=0.1,
        device="cpu",
        threads=1,
        population=1,
    )
