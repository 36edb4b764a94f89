"""The commands `aen status RUN` and `aen list [FOLDER]`: the state of searches, from another terminal."""

import argparse
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from aen_agents.monitoring import RunView

DEFAULT_FOLDER = Path("runs")
FOLLOW_SECONDS = 1.0
EXIT_UNREADABLE = 2
PIPE_WIDTH = 200  # used where the output is not a terminal


def add_status_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen status` and `aen list` to the command line."""
    status = commands.add_parser(
        "status", help="show the state of a search", description="Show the state of a search, from another terminal."
    )
    status.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, finished or not")
    status.add_argument("--json", action="store_true", help="as JSON; with --follow one line per update")
    status.add_argument(
        "--follow", action="store_true", help="update until the run ends; Ctrl-C stops following, not the run"
    )
    status.set_defaults(run=_status)

    listing = commands.add_parser("list", help="list the runs in a folder, the newest first")
    listing.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help=f"folder of the runs (default: {DEFAULT_FOLDER})"
    )
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=_list)


def _status(options: argparse.Namespace) -> int:
    from aen_agents.monitoring import view_run, view_table

    view = view_run(options.run_folder)
    if options.follow:
        try:
            view = _follow(options.run_folder, as_json=options.json)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    elif options.json:
        sys.stdout.write(f"{json.dumps(view.to_json(), indent=2)}\n")
    else:
        _console().print(view_table(view))
    return 0 if view.readable else EXIT_UNREADABLE


def _follow(path: Path, *, as_json: bool) -> "RunView":
    """Show a run until it ends: a live table in a terminal, otherwise a line for each change.

    Returns:
        The last view of the run.
    """
    from rich.live import Live

    from aen_agents.monitoring import view_line, view_run, view_table

    console = _console()
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not as_json else None
    shown = ""
    with live or nullcontext():
        while True:
            view = view_run(path)
            if live is not None:
                live.update(view_table(view), refresh=True)
            elif as_json:
                sys.stdout.write(f"{json.dumps(view.to_json())}\n")
            elif (line := view_line(view)) != shown:
                shown = line
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            if not view.going:
                return view
            time.sleep(FOLLOW_SECONDS)


def _list(options: argparse.Namespace) -> int:
    from aen_agents.monitoring import find_runs, runs_table, unread_lines
    from aen_agents.text import command

    folder = options.folder or DEFAULT_FOLDER
    views = find_runs(folder) if options.folder is not None or folder.is_dir() else []
    if options.json:
        sys.stdout.write(f"{json.dumps([view.to_json() for view in views], indent=2)}\n")
    elif views:
        _console().print(runs_table(views, folder))
        for line in unread_lines(views):
            _console().print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        sys.stdout.write(f"no runs in {folder}; `{command()} search CONFIG` starts one\n")
    return 0


def _console() -> "Console":
    from aen_agents.cli.safe_console import output_console

    return output_console(width=PIPE_WIDTH)
