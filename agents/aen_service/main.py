"""The `aen` command with the commands of the service."""

from collections.abc import Sequence

from aen_agents.cli.main import main as run
from aen_service.commands import add_service_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run(arguments, extensions=(add_service_commands,))
