"""`aen presets`: lists the configs that aen ships."""

import argparse
import sys


def add_preset_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen presets` to the command line."""
    presets = commands.add_parser(
        "presets",
        help="list the presets: searches, sweeps and agents that aen ships",
        description="List the presets: searches, sweeps and agents that aen ships. A preset is used by its name, such "
        "as `aen search gcnn/digits`.",
    )
    presets.set_defaults(run=_presets)


def _presets(_options: argparse.Namespace) -> int:
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
