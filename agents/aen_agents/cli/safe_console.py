"""The consoles of the command: text that came from outside cannot act on the terminal."""

import sys
from collections.abc import Iterable
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from aen_agents.cli.progress import UnfailingStream
from aen_agents.cli.streams import EscapedStream
from aen_agents.text import printable


class SafeConsole(Console):
    """A console that escapes control characters in what it prints; its own colours and movements pass.

    Text is not read as Rich's markup, since names may have brackets.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return what is to be written, with its text escaped."""
        for segment in super().render(renderable, options):
            plain = segment.control is not None or segment.text.isprintable()
            yield segment if plain else segment._replace(text=printable(segment.text, keep="\n\t"))


def output_console(*, unfailing: bool = False, width: int | None = None) -> SafeConsole:
    """Return a console on the standard output.

    Args:
        unfailing: whether errors of writing are ignored, since they should not end a search.
        width: in characters, where the output is no terminal; None: that of Rich.
    """
    stream: object = sys.stdout.raw if isinstance(sys.stdout, EscapedStream) else sys.stdout
    file = cast("TextIO", UnfailingStream(cast("TextIO", stream)) if unfailing else stream)
    return SafeConsole(file=file, width=None if file.isatty() else width, markup=False)
