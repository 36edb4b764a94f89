"""Adds overrides from the command line to those of a sweep's file, which they replace if both give a key."""

from collections.abc import Sequence
from pathlib import Path

from aen.errors import ConfigError
from aen_agents.config.overrides import parse_overrides
from aen_agents.sweep.config import SweepConfig, covers


def add_overrides(sweep: SweepConfig, overrides: Sequence[str], path: Path) -> SweepConfig:
    """Return the sweep with more overrides for its searches. Their values are checked with the trials.

    Args:
        sweep: the sweep.
        overrides: ``key=value`` of its searches; they replace those of the file.
        path: of the sweep's file, for messages.

    Raises:
        ConfigError: one cannot be read, two set the same key, or one names a key of the sweep itself, or one whose
            values the sweep gives.
    """
    parse_overrides(overrides)
    kept = list(sweep.overrides)
    for override in overrides:
        key, equals, _ = override.partition("=")
        if equals:
            _check(sweep, override, key, path)
        kept = [other for other in kept if not covers(key, other.partition("=")[0])]
        kept.append(override)
    return sweep.model_copy(update={"overrides": tuple(kept)})


def _check(sweep: SweepConfig, override: str, key: str, path: Path) -> None:
    top = key.partition(".")[0]
    if top in SweepConfig.model_fields:
        raise ConfigError(
            f"override {override!r}: {top} is a key of the sweep, and overrides are for its searches; set it in {path}."
        )
    for section in ("grid", "random"):
        for other in getattr(sweep, section):
            if covers(key, other) or covers(other, key):
                raise ConfigError(
                    f"override {override!r}: the sweep gives the values of {other} itself, in {section}; leave the "
                    f"override out, or change {path}."
                )
