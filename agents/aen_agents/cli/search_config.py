"""The config of `aen search`: a file or a preset with overrides, or one that is chosen for your own data."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import ConfigError
from aen_agents.text import command

if TYPE_CHECKING:
    from aen_agents.config import SearchConfig


def config_of(options: argparse.Namespace) -> "tuple[SearchConfig, list[str]]":
    """Return the config that the command line names, and the reasons for what was chosen where it names none.

    Raises:
        AenError: there is no such config, a value does not fit, or the data cannot be used.
    """
    from aen_agents.config import load_config  # pydantic takes a part of a second

    path, minutes = getattr(options, "data", None), getattr(options, "minutes", None)  # `aen resume` has none
    data = own_data_overrides(options)
    if data and options.config is not None and "=" in options.config and not Path(options.config).exists():
        options.overrides = [options.config, *options.overrides]
        options.config = None
    overrides = [*options.overrides, *data]
    if options.config is not None:
        time = [] if minutes is None else [f"budget.minutes={minutes!r}"]
        return load_config(options.config, [*overrides, *time]), []
    if path is None:
        raise ConfigError(
            f"no config is given; give a YAML file or the name of a preset, such as {command()} search digits, or your "
            f"own images: {command()} search --data PATH. {command()} configs lists the presets."
        )
    from aen_agents.config.default import default_config  # it reads the images

    return default_config(overrides, minutes=minutes)


def own_data_overrides(options: argparse.Namespace) -> list[str]:
    """Return what the options for own data stand for, as overrides; `aen resume` has none."""
    path, skip_broken = getattr(options, "data", None), getattr(options, "skip_broken", False)
    found = [] if path is None else [f"data.path={json.dumps(path, ensure_ascii=False)}"]
    return [*found, "data.skip_broken=true"] if skip_broken else found
