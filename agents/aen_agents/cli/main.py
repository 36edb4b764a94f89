"""The `aen` command: parses the command line and runs a subcommand.

Heavy libraries are imported inside the functions that need them, so that `aen --help` starts fast.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aen._text import shortened
from aen.errors import AenError
from aen_agents.cli.bench import add_bench_commands
from aen_agents.cli.compare import add_compare_command
from aen_agents.cli.configs import add_config_commands
from aen_agents.cli.data import add_data_commands
from aen_agents.cli.export import add_export_command
from aen_agents.cli.network import add_network_commands
from aen_agents.cli.numbers import grid, positive_number
from aen_agents.cli.run import add_run_commands
from aen_agents.cli.search_config import config_of
from aen_agents.cli.status import add_status_commands
from aen_agents.cli.streams import (
    EXIT_ERROR,
    Parser,
    escaped_streams,
    finish_output,
    lost_output,
    prepare_streams,
    print_exception,
    say_error,
)
from aen_agents.cli.sweep import add_sweep_commands
from aen_agents.cli.working_folder import check_working_folder
from aen_agents.text import command_line, printable

if TYPE_CHECKING:
    from aen_agents.config import SearchConfig
    from aen_agents.events import Listener
    from aen_agents.runs.folder import RunFolder
    from aen_agents.search import Search

EXIT_INTERRUPTED = 130
Extension = Callable[["argparse._SubParsersAction[argparse.ArgumentParser]"], None]  # noqa: SLF001 - the only name of the type


def main(arguments: Sequence[str] | None = None, *, extensions: Sequence[Extension] = ()) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: the words after the command; None: those of this process.
        extensions: functions of packages above this one that add subcommands, given the subcommands of the parser.
    """
    prepare_streams()
    if arguments is None:
        sys.excepthook = print_exception
    with escaped_streams():
        try:
            status = _main(arguments, extensions)
        except SystemExit:  # of argparse, which has printed the help or an error
            status = finish_output(0)
            if not status:
                raise
            return status
        except (MemoryError, RuntimeError) as error:
            status = _out_of_memory(error)
        return finish_output(status)


def _out_of_memory(error: MemoryError | RuntimeError) -> int:
    """Say that there is too little memory, if the error means that, and return the exit status."""
    from aen.training.memory import is_out_of_memory  # imports torch

    if not is_out_of_memory(error):
        raise error
    why = shortened(printable(str(error)), 200)
    say_error(f"aen: error: there is too little memory{f' ({why})' if why else ''}; make the networks smaller.")
    return EXIT_ERROR


def _main(arguments: Sequence[str] | None, extensions: Sequence[Extension]) -> int:
    parser = _parser(extensions)
    options, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(options, "overrides") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    elif rest:  # argparse does not collect positional arguments that follow an option
        options.overrides = [*options.overrides, *rest]
    if options.run is None:
        options.help_of.print_help()
        return EXIT_ERROR
    try:
        check_working_folder()
        status: int = options.run(options)
    except AenError as error:
        say_error(f"aen: error: {printable(str(error))}")
        return EXIT_ERROR
    except BrokenPipeError as error:  # the reader of the output closed it, such as `head`
        return lost_output(error)
    except OSError as error:
        if finish_output(0) == 0:
            say_error(f"aen: error: {printable(str(error.filename or 'input or output'))}: {error.strerror or error}")
        return EXIT_ERROR
    except KeyboardInterrupt:
        say_error("aen: interrupted")
        return EXIT_INTERRUPTED
    return status


def _parser(extensions: Sequence[Extension]) -> argparse.ArgumentParser:
    # The type is that which the functions that add commands take.
    parser = cast(
        "argparse.ArgumentParser",
        Parser(prog="aen", description="Find which symmetries a network should have for a data set."),
    )
    parser.set_defaults(run=None, help_of=parser)
    parser.add_argument("--version", action="version", version=f"aen {version('aen')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    search = commands.add_parser(
        "search",
        help="run a search",
        description="Run the search that a config describes. `aen configs` lists the configs that aen ships.",
    )
    search.add_argument("config", nargs="?", help="a YAML file, or the name of a preset, such as digits")
    search.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="values of config keys, such as seed=1 budget.children=20",
    )
    search.add_argument(
        "--data",
        metavar="PATH",
        help="your own data: a folder of class folders, or an npz, csv, IDX, Parquet or Arrow file (data.path)",
    )
    search.add_argument(
        "--skip-broken", action="store_true", help="leave out images that cannot be read (data.skip_broken=true)"
    )
    search.add_argument(
        "--minutes",
        type=positive_number,
        metavar="M",
        help="time of the whole search, kept; the best answer so far is the result (budget.minutes; default with "
        "--data and no config: 10)",
    )
    search.add_argument("--out", type=Path, help="the run folder (default: runs/<name>-<time>-<id>)")
    search.set_defaults(run=_search)

    report = commands.add_parser(
        "report", help="rebuild a run's report.html", description="Rebuild a run's report.html."
    )
    report.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, finished or not")
    report.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write the report, a file or a folder, if the run folder is read-only (default: RUN/report.html)",
    )
    report.set_defaults(run=_report)

    groups = commands.add_parser("groups", help="answer questions about groups on grids")
    groups.set_defaults(help_of=groups)
    questions = groups.add_subparsers(title="questions", metavar="QUESTION")
    describe = questions.add_parser("describe", help="say which group some factors generate")
    describe.add_argument("factors", nargs="+", help="such as rot90 hflip 'hflip x vflip' 'vshift(4)'")
    describe.add_argument(
        "--grid",
        type=grid,
        nargs="+",
        required=True,
        help="side length of the grid, or rows and columns: 20x30; several: the factors act on all of them at once",
    )
    describe.set_defaults(run=_describe)
    classes = questions.add_parser("classes", help="count the different networks of an alphabet")
    classes.add_argument("--grid", type=grid, required=True, help="input grid: side length, or 20x30")
    classes.add_argument(
        "--hidden", type=grid, nargs="+", required=True, help="hidden grids, each a side length or 8x12"
    )
    classes.add_argument(
        "--alphabet", nargs="+", default=["published"], help="published, quarter, signal, or a list of factors"
    )
    classes.add_argument("--list", action="store_true", help="list every class")
    classes.set_defaults(run=_classes)

    add_run_commands(commands, _search)
    add_network_commands(commands)
    add_sweep_commands(commands)
    add_compare_command(commands)
    add_config_commands(commands)
    add_data_commands(commands)
    add_status_commands(commands)
    add_export_command(commands)
    add_bench_commands(commands)
    for extend in extensions:
        extend(commands)
    return parser


def _search(options: argparse.Namespace) -> int:
    from aen_agents.cli.console import print_verdict
    from aen_agents.cli.progress import ConsoleProgress
    from aen_agents.cli.safe_console import output_console
    from aen_agents.errors import FullDiskError
    from aen_agents.runs.folder import RunFolder
    from aen_agents.runs.lost import LostRunError

    console = output_console(unfailing=True)
    config, reasons = config_of(options)
    if reasons:
        console.print("aen: no config is named; chosen for these images (key=value sets another value):")
    for reason in reasons:
        console.print(f"  {reason}", markup=False, highlight=False, soft_wrap=True)
    if options.out is not None:
        RunFolder(options.out).check(config)  # refuse early, before the slow imports
    # SIGTERM, which stops services and batch jobs, ends a search like Ctrl-C: with a summary and a report.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console.print(f"aen: loading for {config.name!r}", highlight=False)

    from aen_agents.report import build_report

    with ConsoleProgress(console) as progress:
        search = _search_of(config, progress, options.out)
        progress.activity = search.monitor.activity
        folder = RunFolder.create(config, options.out)
        result = folder.result()
        lost = search.what_is_lost(folder, result) if result is not None and result.status == "complete" else None
        if lost is not None:
            console.print(f"{folder.path} is complete, but {lost}: resuming it.", highlight=False, soft_wrap=True)
        if result is not None and result.status == "complete" and lost is None:
            console.print(f"{folder.path} holds this search already, complete; nothing was run.", highlight=False)
            if not folder.report_file.is_file():
                build_report(folder)
        else:
            try:
                result = search.run(folder)
            except KeyboardInterrupt:
                console.print(
                    f"interrupted; all results so far are kept in {folder.path}. "
                    f"To resume: {_resume_command(folder, config)}",
                    highlight=False,
                    soft_wrap=True,
                )
                build_report(folder)
                raise
            except (FullDiskError, LostRunError):
                raise  # its message says how to resume the run
            except AenError:
                folder.discard()
                raise
            build_report(folder)
    print_verdict(console, result, folder.report_file)
    return 0


def _search_of(config: "SearchConfig", listener: "Listener", out: Path | None) -> "Search":
    """Return the search of a config; if it is refused since the data of its run has changed, say that."""
    from aen.data.resolve import pinned_name
    from aen_agents.runs.folder import RunFolder
    from aen_agents.search import Search

    try:
        return Search(config, listener)
    except AenError:
        if out is not None and config.data.own:
            RunFolder(out).check_data(pinned_name(**config.data.model_dump()))
        raise


def _resume_command(folder: "RunFolder", config: "SearchConfig") -> str:
    """Return the command that resumes a run with the present overrides."""
    from aen_agents.config.changes import as_yaml, other_changes

    now = other_changes(folder.config(), config).items()
    words = (str(folder.path), *(f"{key}={as_yaml(ours)}" for key, (_, ours) in now))
    return command_line("resume", *words)


def _report(options: argparse.Namespace) -> int:
    from aen_agents.cli.outputs import refuse_other_kind
    from aen_agents.report import build_report
    from aen_agents.runs.folder import RunFolder

    refuse_other_kind("--out", options.out, ".html", ".htm", folders=True)
    folder = RunFolder.open(options.run_folder)
    sys.stdout.write(f"{build_report(folder, options.out)}\n")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from aen.groups import Decomposition

    decomposition = Decomposition.of(options.factors)
    sys.stdout.write(f"{decomposition.describe(options.grid, thorough=True)}\n")
    return 0


def _classes(options: argparse.Namespace) -> int:
    from aen.groups import ALPHABETS, Alphabet, load_classes

    single = len(options.alphabet) == 1 and options.alphabet[0] in ALPHABETS
    alphabet = Alphabet.of(options.alphabet[0] if single else options.alphabet)
    sides = (options.grid, *options.hidden)
    table = load_classes(alphabet, sides)
    sys.stdout.write(f"{len(table.class_of_state):,} states, {len(table.classes):,} classes\n")
    for mismatch in alphabet.order_mismatches(sides):
        sys.stdout.write(f"note: {mismatch}; the joint action ties more weights than either grid alone\n")
    if options.list:
        for network_class in table.classes:
            orbits = " + ".join(f"{count:,}" for count in network_class.orbits)
            name = table.decomposition(network_class).name
            sys.stdout.write(f"{network_class.key}  {network_class.states:5,} states  {orbits} orbits  {name}\n")
    return 0
