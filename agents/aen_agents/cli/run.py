"""The command `aen resume`."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add_run_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", search: Callable[[argparse.Namespace], int]
) -> None:
    """Add `aen resume` to the command line.

    Args:
        commands: the subcommands of the parser.
        search: the function that runs `aen search`, given its options.
    """
    resume = commands.add_parser(
        "resume",
        help="resume a run that was interrupted",
        description="Resume a run where it was interrupted or killed. Nothing is trained again, and the results are "
        "those of an uninterrupted run.",
    )
    resume.add_argument("run_folder", type=Path, metavar="RUN", help="the run folder")
    resume.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="keys that do not change results, such as cluster.address=host:port or evaluator.workers=4; they apply to "
        "this start only",
    )
    resume.set_defaults(run=_resume, search=search)


def _resume(options: argparse.Namespace) -> int:
    from aen_agents.runs.folder import RunFolder

    folder = RunFolder.open(options.run_folder)
    folder.restore_config()
    of_search = argparse.Namespace(config=folder.config_file, overrides=options.overrides, out=folder.path)
    status: int = options.search(of_search)
    return status
