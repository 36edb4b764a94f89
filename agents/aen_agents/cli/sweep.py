"""The command `aen sweep`: many searches over seeds, agents and any config key."""

import argparse
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import AenError, ConfigError
from aen_agents.text import command, counted

if TYPE_CHECKING:
    from rich.console import Console

    from aen_agents.sweep.folder import SweepFolder

EXIT_SOME_FAILED = 1


def add_sweep_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen sweep` to the command line."""
    sweep = commands.add_parser(
        "sweep",
        help="run many searches: over seeds, agents, any config key",
        description="Run the searches that a sweep's config describes, or resume those of an earlier sweep. "
        "`aen configs` lists the sweeps that aen ships.",
    )
    sweep.add_argument("config", nargs="?", help="a YAML file, or the name of a preset, such as digits_seeds")
    sweep.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="values of config keys for all searches, such as budget.children=20",
    )
    sweep.add_argument(
        "--out", type=Path, metavar="SWEEP", help="the sweep's folder (default: runs/<name>-<time>-<id>)"
    )
    sweep.add_argument("--restore", type=Path, metavar="SWEEP", help="resume the sweep in this folder")
    sweep.set_defaults(run=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    from aen_agents.cli.safe_console import output_console

    console = output_console(unfailing=True)
    # SIGTERM, which stops services and batch jobs, ends a sweep like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = _folder(options, console)

    from aen_agents.sweep.report import build_sweep_report
    from aen_agents.sweep.run import run_sweep
    from aen_agents.sweep.summary import summarise
    from aen_agents.sweep.table import failed, print_table

    with folder.locked():
        try:
            run_sweep(folder, console)
        except KeyboardInterrupt:
            build_sweep_report(folder, summarise(folder))
            console.print(
                f"interrupted; all results so far are kept. To resume: {command()} sweep --restore "
                f"{shlex.quote(str(folder.path))}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise
        except AenError:
            if not folder.discard():
                build_sweep_report(folder, summarise(folder))
            raise
        summary = summarise(folder)
        build_sweep_report(folder, summary)
    print_table(console, summary, folder)
    return EXIT_SOME_FAILED if failed(summary) else 0


def _folder(options: argparse.Namespace, console: "Console") -> "SweepFolder":
    """Return the folder that the command names, made or found; everything is validated before it is made."""
    from aen_agents.config import find_config
    from aen_agents.sweep.config import find_search, load_sweep
    from aen_agents.sweep.folder import SweepFolder
    from aen_agents.sweep.overrides import add_overrides
    from aen_agents.sweep.plan import make_trials

    if options.restore is not None:
        if options.config is not None or options.out is not None:
            raise ConfigError(
                "--restore resumes a sweep with its own config; give no config, no key=value and no --out with it."
            )
        return SweepFolder.open(options.restore)
    if options.config is None:
        raise ConfigError(
            f"no config is given; give a YAML file, the name of a preset, such as digits_seeds, or --restore SWEEP. "
            f"{command()} configs lists the presets."
        )
    path = find_config(options.config, "sweep")
    sweep = add_overrides(load_sweep(path), options.overrides, path)
    trials = make_trials(sweep, find_search(sweep, path.parent))

    from aen_agents.sweep.run import check_trials

    console.print(f"aen: checking {counted(len(trials), 'trial')} for {sweep.name!r}", highlight=False)
    check_trials(trials)
    return SweepFolder.create(sweep, trials, options.out)
