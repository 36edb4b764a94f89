"""The process of a search: the `aen` command, which says in its process file who it is and how it has ended."""

import os
import signal
import sys
import traceback
from dataclasses import replace
from typing import NoReturn

from aen._processes import Process
from aen_service.searches.process_file import BYTES, Attempt

_INTERRUPTED = 130
_BUG = 1


def run(where: str, arguments: list[str]) -> NoReturn:
    """Run the `aen` command and end this process.

    Args:
        where: the process file: a descriptor that this process has inherited, or a path.
        arguments: of the command.
    """
    number = int(where) if where.isdecimal() else os.open(where, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(number, False)  # a process that this one starts may outlive it
    attempt = replace(Attempt.parse(os.pread(number, BYTES, 0)) or Attempt(0), process=Process.this(), code=None)
    attempt.write(number)
    code = _code(arguments)
    replace(attempt, code=code).write(number)
    sys.exit(code)


def _code(arguments: list[str]) -> int:
    try:
        from aen_agents.cli.main import main  # takes a moment, before which the file says who this process is

        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the service has blocked it until here
        return main(arguments)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else _BUG
    except BaseException:  # noqa: BLE001 - it is printed, and the exit status says it
        traceback.print_exc()
        return _BUG


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
