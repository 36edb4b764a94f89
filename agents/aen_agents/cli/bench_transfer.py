"""The command `aen bench transfer`: trains the Q-network of dqn_transfer on benchmark tables."""

import argparse
import time
from pathlib import Path

from aen.errors import ConfigError
from aen_agents.cli.numbers import whole_number
from aen_agents.cli.outputs import refuse_other_kind
from aen_agents.text import command, counted

SUITES = ("digits", "gmnist")  # whose training tables the package has
STEPS = 72_000


def add_transfer_command(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen bench transfer` to the command line."""
    transfer = actions.add_parser(
        "transfer",
        help="train the Q-network of the agent dqn_transfer on tables",
        description="Train the Q-network of the agent dqn_transfer on tables of the training part; those held out are "
        "refused. `aen search agent=dqn_transfer agent.policy=FILE` uses it.",
    )
    transfer.add_argument(
        "names",
        nargs="*",
        default=[],
        metavar="NAME",
        help=f"suites, of which the training tables are used, or tables (default: {' '.join(SUITES)})",
    )
    transfer.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file of the trained network")
    transfer.add_argument("--folder", type=Path, metavar="TABLES", help="of tables (default: those of the package)")
    transfer.add_argument(
        "--steps", type=whole_number, default=STEPS, metavar="N", help=f"children of all episodes (default: {STEPS:,})"
    )
    transfer.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")
    transfer.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from aen_agents.cli.safe_console import output_console

    console = output_console(unfailing=True)
    if options.seed < 0:
        raise ConfigError(f"--seed is {options.seed}; give a number from 0 on.")
    if options.steps < 1:
        raise ConfigError(f"--steps is {options.steps}; give a number from 1 on.")
    if not options.out.parent.is_dir():
        raise ConfigError(f"--out is {options.out}, but there is no such folder; name a file in one that is there.")
    refuse_other_kind("--out", options.out, ".safetensors")

    from aen.bench import load, training_tables

    names = [table.name for name in options.names or SUITES for table in training_tables(name)]
    tables = [load(name, options.folder) for name in dict.fromkeys(names)]

    # SB3 takes seconds to import.
    from aen_agents.agents.transfer.policy_file import save_policy
    from aen_agents.agents.transfer.training import train_policy

    console.print(
        f"aen: training dqn_transfer on {counted(len(tables), 'table')}, {options.steps:,} steps", highlight=False
    )
    started = time.perf_counter()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=options.steps)

        def progress(steps: int, children: float) -> None:
            text = f"{children:.1f} children an episode"
            if (
                not console.is_terminal
                and 10 * steps // options.steps > 10 * bar.tasks[task].completed // options.steps
            ):
                console.print(f"{steps:,} steps: {text}", highlight=False)
            bar.update(task, completed=steps, description=text)

        policy = train_policy(tables, steps=options.steps, seed=options.seed, progress=progress)
    save_policy(policy.network, options.out, policy.about)
    console.print(
        f"{options.out}: {policy.children:.1f} children an episode at the end; "
        f"{(time.perf_counter() - started) / 60:.1f} minutes",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"use it: {command()} search agent=dqn_transfer agent.policy={options.out}", highlight=False, soft_wrap=True
    )
    return 0
