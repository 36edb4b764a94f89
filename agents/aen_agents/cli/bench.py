"""The command `aen bench`: builds, lists and checks benchmark tables."""

import argparse
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from aen._secrets import hide_secrets, remember_address
from aen.errors import ConfigError, TableError
from aen_agents.cli.bench_minari import add_minari_command
from aen_agents.cli.bench_transfer import add_transfer_command
from aen_agents.cli.numbers import whole_number
from aen_agents.text import command, command_line, counted

if TYPE_CHECKING:
    from rich.console import Console

    from aen.bench import TableDefinition
    from aen.evaluators import Evaluator
    from aen_agents.config import SearchConfig

DEFAULT_OUT = Path("tables")


def add_bench_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen bench` to the command line."""
    bench = commands.add_parser(
        "bench",
        help="build, list and check benchmark tables",
        description="Benchmark tables hold the results of every class of a space, so that agents can be compared "
        "without training anything.",
    )
    bench.set_defaults(help_of=bench)
    actions = bench.add_subparsers(title="actions", metavar="ACTION")
    add_minari_command(actions)
    add_transfer_command(actions)

    build = actions.add_parser(
        "build",
        help="train every child of tables and write them",
        description="Train every child of some tables, and write the tables and their manifest. The same command "
        "resumes a build that was interrupted: what is trained is looked up.",
    )
    build.add_argument("names", nargs="+", metavar="NAME", help="suites such as digits, or tables such as digits-07")
    build.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="values of the config keys evaluator and cluster, such as evaluator=ray evaluator.workers=16",
    )
    build.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="FOLDER", help=f"where tables go (default: {DEFAULT_OUT})"
    )
    build.add_argument(
        "--workers", type=whole_number, metavar="N", help="processes that train (default: as many as cores allow)"
    )
    build.add_argument("--store", metavar="URL", help="the store of results (default: results.sqlite in the folder)")
    build.add_argument(
        "--ray", metavar="ADDRESS", help="train on the Ray cluster at this address: host:port, ray://host:port or auto"
    )
    build.add_argument("--weights", type=Path, metavar="FOLDER", help="keep the final weights of every child here")
    build.set_defaults(run=_build)

    for name, run, about in (
        ("list", _list, "show all tables, their cost, and whether they are built"),
        ("check", _check, "read every table of a folder and compare its checksums"),
    ):
        action = actions.add_parser(name, help=about, description=f"{about.capitalize()}.")
        action.add_argument(
            "folder", nargs="?", type=Path, metavar="FOLDER", help="of tables (default: those of the package)"
        )
        action.set_defaults(run=run)


def _build(options: argparse.Namespace) -> int:
    from aen_agents.cli.safe_console import output_console

    console = output_console(unfailing=True)
    # SIGTERM, which stops services and batch jobs, ends a build like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = [name for name in options.names if "=" not in name]
    overrides = [*(name for name in options.names if "=" in name), *options.overrides]
    if not names:
        raise ConfigError(f"no table is named; {command()} bench list shows suites and tables.")

    from aen.bench import definitions

    tables = list(dict.fromkeys(table for name in names for table in definitions(name)))
    for address in (options.store, options.ray):
        if address is not None:
            remember_address(address)
    config = _evaluator_config(options, overrides)
    try:
        _build_tables(options, tables, config, console)
    except KeyboardInterrupt:
        words = sys.argv[1:] or ["bench", "build"]
        console.print(
            f"interrupted; all results so far are kept in {options.out}. To resume: {command_line(*words)}",
            highlight=False,
            soft_wrap=True,
        )
        raise
    return 0


def _evaluator_config(options: argparse.Namespace, overrides: list[str]) -> "SearchConfig":
    """Return a config whose evaluator is the one that the options name; the rest of it is not used."""
    from aen_agents.config import load_config  # pydantic takes a part of a second

    wrong = [each for each in overrides if each.partition("=")[0].partition(".")[0] not in ("evaluator", "cluster")]
    if wrong:
        raise ConfigError(
            f"{wrong[0]}: a table's definition is fixed; only keys of evaluator and cluster can be set here."
        )
    given = ["agent=exhaustive", *overrides]
    if options.ray is not None:
        given += ["evaluator=ray", f"cluster.address={options.ray}"]
    if options.workers is not None:
        given.append(f"evaluator.workers={options.workers}")
    config = load_config("digits", given)
    from aen_agents.evaluators.factory import with_evaluator  # imports torch

    if config.evaluator.population is None:  # only children that are trained one by one have a curve
        names = {"population", "population_per_worker"} & set(type(config.evaluator).model_fields)
        config = with_evaluator(config, **dict.fromkeys(names, 1))
    if config.evaluator.population != 1:
        raise ConfigError(
            f"the evaluator's population is {config.evaluator.population}; children of tables are measured after every "
            "epoch, for which they are trained one by one: leave it out."
        )
    return config


def _build_tables(
    options: argparse.Namespace, tables: "list[TableDefinition]", config: "SearchConfig", console: "Console"
) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from aen._files import make_folder
    from aen._locks import lock_file
    from aen.bench.building import build_table
    from aen.bench.manifest import check_folder

    check_folder(options.out)
    make_folder(options.out)
    hours = sum(table.estimated_seconds for table in tables) / 3600
    console.print(
        f"aen: building {counted(len(tables), 'table')} in {options.out}, about {hours:.2g} hours on one core",
        highlight=False,
        soft_wrap=True,
    )
    with (
        (options.out / "build.lock").open("w") as lock,
        closing(_evaluator(options, config, tables[0], console)) as evaluator,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as bar,
    ):
        if not lock_file(lock):
            raise TableError(f"{options.out} is in use by another `aen bench build`; wait, or choose another --out.")
        for table in tables:
            task = bar.add_task(table.name, total=len(table.classes) * len(table.seeds))

            def progress(name: str, done: int, total: int, task=task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
                del name, total
                bar.update(task, completed=done)

            built = build_table(table, evaluator, options.out, progress, archive=options.weights)
            seconds = built.results["seconds"][:, :, -1].sum()
            console.print(
                f"{table.name}: {len(table.classes):,} classes x {len(table.seeds)} seeds, {seconds:,.0f} seconds of "
                f"training; best class {built.accuracy.mean(axis=1).max():.4f}",
                highlight=False,
                soft_wrap=True,
            )


def _evaluator(
    options: argparse.Namespace, config: "SearchConfig", table: "TableDefinition", console: "Console"
) -> "Evaluator":
    from aen.results.store import ResultStore
    from aen_agents.evaluators.factory import check_evaluator, make_evaluator, resolve_evaluator
    from aen_agents.events import Event, Notice

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            console.print(hide_secrets(event.text), highlight=False, soft_wrap=True)

    check_evaluator(config)
    config, said = resolve_evaluator(config, table.child)
    for line in said:
        console.print(hide_secrets(line), highlight=False, soft_wrap=True)
    store = ResultStore(options.store or options.out / "results.sqlite")
    return make_evaluator(config, store, options.out / "weights", tell)


def _list(options: argparse.Namespace) -> int:
    from aen.bench import SUITES, suite
    from aen.bench.loading import SHIPPED
    from aen.bench.manifest import read_manifest

    built = read_manifest(options.folder or SHIPPED)
    rows = [("table", "part", "hidden group", "classes", "seeds", "epochs", "core seconds", "built")]
    total = 0.0
    for name in SUITES:
        for table in suite(name):
            about = built.get(table.name)
            seconds = table.estimated_seconds if about is None else float(about["seconds"])
            total += seconds
            moved = table.child.data.moved
            hidden = ", ".join(table.hidden) or "none"
            rows.append(
                (
                    table.name,
                    table.part,
                    hidden if moved == 1 else f"{hidden} ({moved:.0%} of the images)",
                    f"{len(table.classes):,}",
                    str(len(table.seeds)),
                    str(table.child.training.epochs),
                    f"{'about ' if about is None else ''}{seconds:,.0f}",
                    "no" if about is None else str(about["built"])[:10],
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.write(f"{len(rows) - 1} tables, {total / 3600:.1f} hours on one core\n")
    return 0


def _check(options: argparse.Namespace) -> int:
    from aen.bench import check_tables

    names = check_tables(options.folder)
    sys.stdout.write(f"{counted(len(names), 'table')}, all as they were built\n")
    return 0
