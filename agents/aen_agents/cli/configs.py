"""`aen configs`: lists and copies the configs that aen ships, and lists the keys of configs."""

import argparse
import sys
from pathlib import Path


def add_config_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen configs` to the command line; `aen config` and `aen presets` are the same."""
    configs = commands.add_parser(
        "configs",
        aliases=["config", "presets"],
        help="list and copy the presets (searches, sweeps and agents that aen ships); list the keys of configs",
        description="List the presets: searches, sweeps and agents that aen ships. A preset is used by its name, such "
        "as `aen search gcnn/digits`.",
    )
    configs.set_defaults(run=_list)
    actions = configs.add_subparsers(title="actions", metavar="ACTION")

    listing = actions.add_parser("list", help="list the presets; the default", description="List the presets.")
    listing.set_defaults(run=_list)

    copy = actions.add_parser(
        "copy",
        help="copy a preset to a file of your own",
        description="Copy a preset to a file of your own, to be edited. An existing file is not overwritten.",
    )
    copy.add_argument(
        "name", metavar="NAME", help="such as digits, gcnn/digits, sweeps/digits_seeds or agents/dqn_paper"
    )
    copy.add_argument("to", nargs="?", type=Path, metavar="TO", help="the file, or its folder (default: ./NAME.yaml)")
    copy.set_defaults(run=_copy)

    keys = actions.add_parser(
        "keys",
        help="list the keys of configs",
        description="List the keys of configs, with type, default, allowed values and description.",
    )
    keys.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="only of these sections, kinds or keys, such as training, child.kind=gcnn or agent.discount",
    )
    keys.set_defaults(run=_keys)


def _list(_options: argparse.Namespace) -> int:
    from aen_agents.config.presets import PROJECT_CONFIGS, Kind, headline, list_presets

    sections: dict[Kind, str] = {
        "search": "searches (aen search NAME)",
        "sweep": "sweeps (aen sweep NAME)",
        "agent": "agents (aen search ... agent=NAME)",
    }
    width = max(len(name) for kind in sections for name in list_presets(kind))
    for kind, title in sections.items():
        sys.stdout.write(f"{title}\n")
        for name, path in list_presets(kind).items():
            sys.stdout.write(f"  {name:{width}}  {headline(path)}\n")
    sys.stdout.write(f"files: {PROJECT_CONFIGS}\n")
    return 0


def _copy(options: argparse.Namespace) -> int:
    from aen_agents.config.presets import copy_preset

    sys.stdout.write(f"{copy_preset(options.name, options.to)}\n")
    return 0


def _keys(options: argparse.Namespace) -> int:
    from aen_agents.cli.keys import as_text, chosen_groups

    sys.stdout.write(as_text(chosen_groups(options.parts)))
    return 0
