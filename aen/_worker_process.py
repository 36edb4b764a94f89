"""WorkerProcess: a process of Python that answers over a connection, and ends with the thread that started it."""

import subprocess
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from aen._subprocesses import import_path, python_command

# How often the end of a worker is looked for that left its connection open, in a process that it started.
POLL_SECONDS = 1.0

# The connection comes from the process that started it; with -P nothing is imported from the working folder.
_PROGRAM = """
from multiprocessing.connection import Connection
from pkgutil import resolve_name
connection, serve = Connection(int(sys.argv.pop(1))), sys.argv.pop(1)
sys.path[:] = connection.recv()
from aen._cache import leave_reports_to_parent
leave_reports_to_parent()
resolve_name(serve)(connection)
"""


class WorkerProcess:
    """A process that answers what it is asked. It is to be used by one thread, and ends with that thread.

    Args:
        serve: the function that it runs with its end of the connection, as ``package.module:function``; it returns when
            the connection ends.
    """

    def __init__(self, serve: str) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            self.process = subprocess.Popen(  # noqa: S603 - Python itself
                python_command(_PROGRAM, [str(number), serve]), pass_fds=[number], stdin=subprocess.DEVNULL
            )
        with suppress(OSError):  # it has ended already, which the first question reports
            self._connection.send(import_path())

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self.process.poll() is None

    def ask(self, content: bytes) -> Any:  # noqa: ANN401 - whatever it answers
        """Send a pickle, and return the object that it answers.

        Raises:
            OSError, EOFError: the process ended before.
        """
        self._connection.send_bytes(content)
        while not self._connection.poll(POLL_SECONDS):
            if not self.is_alive():
                raise EOFError
        return self._connection.recv()

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._connection.close()
