"""Creates the trials of a sweep: every combination of the grid with every draw of the random keys."""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from aen._typing import JsonDict
from aen.errors import ConfigError, RunFolderError
from aen_agents.config import AUTO, SearchConfig, load_config
from aen_agents.config.former_values import with_former_values
from aen_agents.config.yaml_file import dump_inline
from aen_agents.sweep.config import Distribution, SweepConfig

MOST_TRIALS = 10_000
DIGITS = 6  # significant digits of a drawn number, so that tables show the exact value
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Trial:
    """One search of a sweep.

    Attributes:
        number: index, from 0.
        values: from the grid and the draws, by key.
        config: of the search; the store is the sweep's.
    """

    number: int
    values: Mapping[str, Any]
    config: SearchConfig

    @property
    def label(self) -> str:
        """Its values, for display."""
        return label_of(self.values)

    @property
    def folder_name(self) -> str:
        """Name of its run folder: its number, and its label as far as it fits into a file name."""
        words = re.sub(r"[^A-Za-z0-9_.]+", "-", self.label).strip("-.")[:_LONGEST_NAME]
        return f"{self.number:03d}-{words}".rstrip("-.")

    @property
    def combination(self) -> dict[str, Any]:
        """The values without the seed."""
        return {key: value for key, value in self.values.items() if key != "seed"}

    def to_json(self) -> JsonDict:
        """Return a dictionary of JSON values."""
        return {
            "number": self.number,
            "folder": self.folder_name,
            "overrides": [as_override(key, value) for key, value in self.values.items()],
            "values": dict(self.values),
            "config": self.config.model_dump(mode="json"),
        }

    @classmethod
    def from_json(cls, value: JsonDict) -> "Trial":
        """Read what `to_json` wrote.

        Raises:
            RunFolderError: it is damaged.
        """
        try:
            return cls(
                int(value["number"]),
                dict(value["values"]),
                SearchConfig.model_validate(with_former_values(value["config"])),
            )
        except (KeyError, TypeError, ValueError, pydantic.ValidationError) as error:
            raise RunFolderError(f"trials.json is damaged: {' '.join(str(error).split())}") from error


def label_of(values: Mapping[str, Any]) -> str:
    """Return values for display, with keys without their sections where that is unambiguous."""
    ends = [key.rpartition(".")[2] for key in values]
    names = [end if ends.count(end) == 1 else key for end, key in zip(ends, values, strict=True)]
    return ", ".join(f"{name}={dump_inline(value)}" for name, value in zip(names, values.values(), strict=True))


def as_override(key: str, value: object) -> str:
    """Return ``key=value`` as `load_config` reads it."""
    return f"{key}={dump_inline(value)}"


def make_trials(sweep: SweepConfig, search: Path) -> list[Trial]:
    """Return the trials of a sweep, all validated. The same config gives the same trials in the same order.

    Args:
        sweep: the sweep.
        search: path of the search's config.

    Raises:
        ConfigError: a combination is not a valid search; the message names it.
    """
    draws = _draw(sweep.random, sweep.draws, sweep.sweep_seed)
    count = len(draws) * math.prod(len(values) for values in sweep.grid.values())
    if count > MOST_TRIALS:
        raise ConfigError(f"the sweep has {count:,} trials; at most {MOST_TRIALS:,} are possible. Give fewer values.")
    points = [
        dict(zip(sweep.grid, choice, strict=True)) | draw
        for draw in draws
        for choice in itertools.product(*sweep.grid.values())
    ]
    trials = [_trial(sweep, search, number, values) for number, values in enumerate(points)]
    _check_together(sweep, trials)
    return trials


def _draw(random: Mapping[str, Distribution], samples: int, seed: int) -> list[dict[str, Any]]:
    """Draw all random keys `samples` times. The draws of a key depend neither on other keys nor on their number.

    Equal draws, of keys with few values, are kept once.
    """
    columns = {}
    for key, spread in random.items():
        word = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        generator = np.random.default_rng([seed, word])
        columns[key] = [_draw_one(spread, generator) for _ in range(samples)]
    draws = [{key: column[i] for key, column in columns.items()} for i in range(samples)]
    return [draw for place, draw in enumerate(draws) if draw not in draws[:place]]


def _draw_one(spread: Distribution, generator: np.random.Generator) -> object:
    if spread.choice is not None:
        return spread.choice[int(generator.integers(len(spread.choice)))]
    if spread.integers is not None:
        return int(generator.integers(*spread.integers, endpoint=True))
    if spread.log_uniform is not None:
        lowest, highest = (math.log(end) for end in spread.log_uniform)
        return _rounded(math.exp(generator.uniform(lowest, highest)), spread.log_uniform)
    ends = spread.uniform or (0.0, 1.0)
    return _rounded(float(generator.uniform(*ends)), ends)


def _rounded(value: float, ends: tuple[float, float]) -> float:
    """Round to a few digits, without leaving the interval."""
    return min(max(float(f"{value:.{DIGITS}g}"), ends[0]), ends[1])


def _trial(sweep: SweepConfig, search: Path, number: int, values: Mapping[str, Any]) -> Trial:
    try:
        config = _load(sweep, search, values)
    except ConfigError as error:
        if _concerns_all(error, sweep, search):
            raise
        raise ConfigError(f"trial {number} ({label_of(values)}): {error}") from error
    chosen = {"device": "cuda" if sweep.gpus_per_trial else "cpu"} if config.evaluator.device == AUTO else {}
    evaluator = config.evaluator.model_copy(update={"workers": 1} | chosen)
    config = config.model_copy(update={"name": f"{sweep.name}-{number:03d}", "evaluator": evaluator})
    return Trial(number, values, config)


def _load(sweep: SweepConfig, search: Path, values: Mapping[str, Any]) -> SearchConfig:
    config = load_config(search, [*sweep.overrides, *(as_override(key, value) for key, value in values.items())])
    _check_fits(sweep, config)
    return config


def _concerns_all(error: ConfigError, sweep: SweepConfig, search: Path) -> bool:
    """Return whether the search or its overrides have this error without any values of a trial."""
    try:
        _load(sweep, search, {})
    except ConfigError as without:
        return str(without) == str(error)
    return False


def _check_fits(sweep: SweepConfig, config: SearchConfig) -> None:
    """Refuse settings that a trial of a sweep cannot have."""
    evaluator = config.evaluator
    if not evaluator.in_sweeps:
        raise ConfigError(
            f"evaluator.kind is {evaluator.kind}; each trial of a sweep trains its own children, so leave it out."
        )
    if evaluator.workers not in {None, 1}:
        raise ConfigError(
            f"evaluator.workers is {evaluator.workers}; a trial has one worker. Leave it out, and set the number of "
            "trials at a time with the sweep's key concurrent."
        )
    if config.store is not None:
        raise ConfigError("store is given in the search; all trials share one store, so set the sweep's key store.")
    _check_device(sweep, evaluator.device)


def _check_device(sweep: SweepConfig, device: str) -> None:
    if device.startswith("cuda") and not sweep.gpus_per_trial:
        raise ConfigError(
            f"evaluator.device is {device}, but gpus_per_trial is 0; set it to 1, or to a fraction such as 0.5."
        )
    if ":" in device:
        raise ConfigError(f"evaluator.device is {device}; Ray chooses the GPU of a trial, so write cuda.")
    if device == "cpu" and sweep.gpus_per_trial:
        raise ConfigError(f"gpus_per_trial is {sweep.gpus_per_trial:g}, but evaluator.device is cpu; leave one out.")


def _check_together(sweep: SweepConfig, trials: Sequence[Trial]) -> None:
    """Refuse trials that are the same search, and a stopping rule that has no effect."""
    seen: dict[str, Trial] = {}
    for trial in trials:
        text = json.dumps(trial.config.model_dump(mode="json", exclude={"name"}), sort_keys=True)
        if text in seen:
            first = seen[text]
            raise ConfigError(
                f"trials {first.number} ({first.label}) and {trial.number} ({trial.label}) are the same search; "
                "leave out one of the values."
            )
        seen[text] = trial
    if sweep.stop is None:
        return
    for trial in trials:
        agent = trial.config.agent
        if not agent.has_budget:
            raise ConfigError(
                f"stop.rule is asha, which counts the children of a budget, but agent {agent.name} of trial "
                f"{trial.number} ({trial.label}) has none; leave stop out, or use an agent with a budget, such as dqn."
            )
    most = most_children(trials)
    if sweep.stop.grace >= most:
        raise ConfigError(
            f"stop.grace is {sweep.stop.grace}, but no trial visits more than budget.children={most}; none would be "
            "stopped. Make it smaller, or leave stop out."
        )


def most_children(trials: Iterable[Trial]) -> int:
    """Return the largest budget of children among trials."""
    return max(trial.config.budget.children for trial in trials)
