"""The commands about runs that are there already: `aen resume`."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add_run_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", search: Callable[[argparse.Namespace], int]
) -> None:
    """Add the commands about runs to the parser's.

    Args:
        commands: of the parser.
        search: runs `aen search` with its options.
    """
    resume = commands.add_parser(
        "resume",
        help="go on with a run that was interrupted",
        description="Go on with a run where it was when it was interrupted, killed or cut off: nothing is trained "
        "again, and it comes to what an unbroken run comes to.",
    )
    resume.add_argument("run_folder", type=Path, metavar="RUN", help="its run folder")
    resume.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="key=value",
        help="what does not change results: cluster.address=host:port, evaluator.workers=4, ...; for this start alone",
    )
    resume.set_defaults(run=_resume, search=search)


def _resume(options: argparse.Namespace) -> int:
    from aen_agents.runs.folder import RunFolder

    folder = RunFolder.open(options.run_folder)
    of_search = argparse.Namespace(config=folder.config_file, overrides=options.overrides, out=folder.path)
    status: int = options.search(of_search)
    return status
