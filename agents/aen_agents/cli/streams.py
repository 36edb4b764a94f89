"""Standard streams of the command that are closed, full, or no longer read."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from types import TracebackType
from typing import NoReturn, TextIO, cast

from aen._secrets import hide_secrets
from aen._text import shortened
from aen_agents.text import printable

_LONGEST = 1000  # characters of a message about the command line
EXIT_ERROR = 2
EXIT_BROKEN_PIPE = 141  # that of a shell's command that ends by SIGPIPE


def prepare_streams() -> None:
    """Prepare the standard streams so that writing to them neither raises nor damages other files.

    Streams that are closed (`aen list >&-`) become ``/dev/null``: otherwise the next file that is opened gets the
    number of standard output, and whatever is printed is written into it. Characters that the console cannot show are
    replaced.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class EscapedStream:
    """A text stream that escapes control characters other than line ends and tabs in what is written to it.

    Args:
        raw: the stream to write to.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        """Write the text, escaped."""
        self.raw.write(printable(text, keep="\n\t"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines, escaped."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.raw, name)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Escape what is written to the standard output and error inside the block, which may hold names of others.

    Rich's consoles write to the streams below, `EscapedStream.raw`, and escape by themselves.
    """
    output, errors = EscapedStream(sys.stdout), EscapedStream(sys.stderr)
    with redirect_stdout(cast("TextIO", output)), redirect_stderr(cast("TextIO", errors)):
        yield


def say_error(text: str) -> None:
    """Write a line on standard error, without passwords, if that can be written."""
    try:
        sys.stderr.write(f"{hide_secrets(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser whose errors, which repeat what was typed, are one line without passwords; so are its subparsers'."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and an error, and exit."""
        super().error(shortened(printable(hide_secrets(message)), _LONGEST))


def print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody caught, without passwords; for `sys.excepthook`."""
    say_error("".join(traceback.format_exception(kind, error, trace)).rstrip())


def finish_output(status: int) -> int:
    """Write what is left of the output, and return the exit status: `status`, or that of output that was lost."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)
    try:
        sys.stdout.flush()
    except OSError as error:
        return lost_output(error)
    except ValueError:  # closed meanwhile
        return status
    return status


def lost_output(error: OSError) -> int:
    """Return the exit status after an error of standard output, and say why unless its reader has closed a pipe."""
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    say_error(f"aen: error: standard output cannot be written: {error.strerror or error}")
    return EXIT_ERROR


def _discard(stream: TextIO) -> None:
    """Send what is left in a stream to ``/dev/null``; otherwise Python reports the error again at exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
