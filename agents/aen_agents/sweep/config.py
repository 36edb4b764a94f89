"""The configuration of a sweep: its searches, how many run at a time, and when weak ones are stopped."""

import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel, Field

from aen._text import shortened
from aen._typing import JsonDict
from aen.errors import ConfigError
from aen_agents.config import ClusterConfig, SearchConfig, find_config
from aen_agents.config.base import Merging, Tag, read_config
from aen_agents.config.errors import explain
from aen_agents.config.section import Section
from aen_agents.config.written import show
from aen_agents.config.yaml_file import dump_yaml
from aen_agents.text import command

SAMPLES = 10  # the value of `samples: null` if there are random keys
# Keys of a search that the sweep sets itself, with the remedy.
OWN_KEYS: Mapping[str, str] = {
    "name": "use its key name",
    "store": "use its key store",
    "cluster": "use its section cluster",
    "evaluator.kind": "each trial trains its own children",
    "evaluator.workers": "use its key concurrent",
}


class Distribution(Section):
    """Distribution of the values of a key; exactly one of the four is given."""

    uniform: tuple[float, float] | None = Field(None, description="[low, high]")
    log_uniform: tuple[float, float] | None = Field(None, description="[low, high], low above 0")
    integers: tuple[int, int] | None = Field(None, description="[low, high], both inclusive")
    choice: tuple[Any, ...] | None = Field(None, min_length=1, description="a list of values")

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> "Distribution":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}; there are {len(given)}")
        for name in ("uniform", "log_uniform", "integers"):
            ends = getattr(self, name)
            if ends is None:
                continue
            low, high = ends
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"{name} is [{low}, {high}]; give two finite numbers, the smaller one first")
            if name == "log_uniform" and low <= 0:
                raise ValueError(f"log_uniform is [{low}, {high}]; its lower end must be above 0")
        return self


class AshaConfig(Section):
    """Asynchronous successive halving: at each rung only the best continue; see docs/sweeps.md."""

    rule: Literal["asha"] = Field(description="the stopping rule")
    metric: Literal["best_validation_accuracy"] = Field(
        "best_validation_accuracy", description="metric that trials are compared by: that of the best child so far"
    )
    grace: int = Field(20, gt=0, description="children that every trial visits at least; the first rung")
    reduction: float = Field(
        3.0,
        gt=1,
        allow_inf_nan=False,
        description="one trial in this many continues; also the ratio between rungs",
    )


class SweepConfig(Section):
    """The configuration of a sweep."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="prefix of the sweep folder's name: letters, digits, dots and dashes",
    )
    search: str = Field(
        min_length=1,
        description="a search's YAML file, relative to the sweep's file or to the working directory; or a preset",
    )
    overrides: tuple[str, ...] = Field((), description="key=value, for all trials")
    grid: dict[str, tuple[Any, ...]] = Field({}, description="values of each key; all combinations are run")
    random: dict[str, Distribution] = Field({}, description="the distribution of each key")
    samples: int | None = Field(
        None, gt=0, le=10_000, description="number of draws of all random keys; each is combined with the whole grid"
    )
    sweep_seed: int = Field(0, ge=0, description="seed of the draws")
    stop: AshaConfig | None = Field(None, description="rule that stops weak trials; null: none")
    concurrent: int | None = Field(None, gt=0, le=10_000, description="trials at a time; null: one for each core")
    gpus_per_trial: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="GPUs, or a fraction of one, for evaluator.device=cuda"
    )
    store: str | None = Field(
        None, min_length=1, description="file or SQLAlchemy URL of all results; null: results.sqlite in the folder"
    )
    cluster: ClusterConfig = ClusterConfig()

    @property
    def draws(self) -> int:
        """Number of draws of the random keys; 1 if there are none."""
        return (self.samples or SAMPLES) if self.random else 1

    def to_yaml(self) -> str:
        """Return all values, including defaults, as YAML."""
        content = self.model_dump(mode="json")
        content["random"] = {
            key: {name: value for name, value in spread.items() if value is not None}
            for key, spread in content["random"].items()
        }
        return dump_yaml(content)


_MERGING = Merging("sweep", tags={"stop": Tag("rule", "asha")}, replaced=frozenset({"random"}))


def load_sweep(path: str | Path) -> SweepConfig:
    """Read the configuration of a sweep.

    Args:
        path: a YAML file, or the name of a preset such as ``digits_seeds``.

    Raises:
        ConfigError: no such file or preset, not YAML, an unknown key, or a value that does not fit.
    """
    path = find_config(path, "sweep")
    config = read_config(path, _MERGING)
    content = config.content
    _refuse_a_search(path, content)
    # The inner sections first, so that messages name their own keys.
    _check_grid(path, content)
    for key, spread in _mapping(path, content, "random").items():
        _validate(Distribution, spread, f"{path}: random.{key}")
    if content.get("stop") is not None:
        _validate(AshaConfig, content["stop"], f"{path}: stop")
    sweep = _validate(SweepConfig, content, config.where)
    _check_whole(path, sweep)
    return sweep


def _refuse_a_search(path: Path, content: JsonDict) -> None:
    """Refuse the config of a search with a hint."""
    its_own = [key for key in content if key in SearchConfig.model_fields.keys() - SweepConfig.model_fields.keys()]
    if "search" not in content and its_own:
        raise ConfigError(
            f"{path} is the config of a search: it has {its_own[0]}, and no search. Run it with {command()} search "
            f"{shlex.quote(str(path))}, or sweep over it with a file such as "
            f"{{name: seeds, search: {path}, grid: {{seed: [0, 1, 2]}}}}; see docs/sweeps.md."
        )


_Model = TypeVar("_Model", bound=BaseModel)


def _validate(model: type[_Model], value: object, where: str) -> _Model:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {show(value)}; it is a section with the keys {', '.join(model.model_fields)}.")
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(explain(error, model, {}).values())}") from error


def _mapping(path: Path, content: JsonDict, name: str) -> dict[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path}: {name} is {show(section)}; give a mapping of keys, such as training.epochs, to values."
        )
    for key in section:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: {name} has the key {show(key)}, which is not a string such as training.epochs.")
        for own, instead in OWN_KEYS.items():
            if key == own or key.startswith(f"{own}."):
                raise ConfigError(f"{path}: {name}.{key} is set by the sweep; {instead}.")
    return section


def _check_grid(path: Path, content: JsonDict) -> None:
    for key, values in _mapping(path, content, "grid").items():
        if not isinstance(values, list):
            raise ConfigError(
                f"{path}: grid.{key} is {show(values)}; give a list in brackets, such as [{shortened(str(values))}]."
            )
        if not values:
            raise ConfigError(f"{path}: grid.{key} is empty; give at least one value, or leave it out.")
        _check_plain(path, f"grid.{key}", values)
    for key, spread in _mapping(path, content, "random").items():
        if isinstance(spread, dict) and isinstance(spread.get("choice"), list):
            _check_plain(path, f"random.{key}.choice", spread["choice"])


def _check_plain(path: Path, name: str, values: list[Any]) -> None:
    """Check that values are JSON values, without duplicates, which would run a trial twice."""
    try:
        texts = [json.dumps(value, allow_nan=False, sort_keys=True) for value in values]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: {name} is {show(values)}; give numbers, strings, lists or mappings ({error})."
        ) from error
    twice = [text for place, text in enumerate(texts) if text in texts[:place]]
    if twice:
        raise ConfigError(f"{path}: {name} has {shortened(twice[0])} twice; leave one out.")


def _check_whole(path: Path, sweep: SweepConfig) -> None:
    """Refuse a sweep without values, and keys that are given twice."""
    if not sweep.grid and not sweep.random:
        raise ConfigError(
            f"{path}: grid and random are both empty, so there is nothing to sweep; give for instance "
            "grid: {seed: [0, 1, 2]}."
        )
    if sweep.samples is not None and not sweep.random:
        raise ConfigError(
            f"{path}: samples is {sweep.samples}, but random is empty; leave samples out, or fill random."
        )
    overridden = [override.partition("=")[0] for override in sweep.overrides]
    for key in overridden:
        if key.partition(".")[0] in {"name", "cluster"}:  # the sweep sets them: an override would have no effect
            own = key.partition(".")[0]
            raise ConfigError(f"{path}: {key} among overrides is set by the sweep; use its key {own}.")
    given = [*sweep.grid, *sweep.random, *overridden]
    for key in dict.fromkeys(given):
        if given.count(key) > 1:
            raise ConfigError(f"{path}: {key} is given twice, in overrides, grid or random; keep one.")
        for other in given:
            if other != key and covers(key, other):
                raise ConfigError(f"{path}: {key} and {other} are both given, in overrides, grid or random; keep one.")


def covers(key: str, other: str) -> bool:
    """Return whether setting a key sets another key too: the same one, or one in its section.

    The keys `agent` and `evaluator` choose among sections and can be given beside keys in them.
    """
    return other == key or (other.startswith(f"{key}.") and key not in {"agent", "evaluator"})


def find_search(sweep: SweepConfig, folder: Path) -> Path:
    """Return the path of a sweep's search.

    Args:
        sweep: the sweep.
        folder: of the sweep's file.

    Raises:
        ConfigError: the file does not exist.
    """
    try:
        for candidate in (folder / sweep.search, Path(sweep.search)):
            if candidate.is_file():
                return candidate
    except OSError as error:  # no permission, or the name is too long
        raise ConfigError(f"search is {show(sweep.search)}: {error.strerror}.") from error
    try:
        return find_config(sweep.search, "search", folder)
    except ConfigError as error:
        raise ConfigError(f"search is {show(sweep.search)}: {error}") from error
