"""`aen search CONFIG --server URL`: the search runs on a service, and is watched from here."""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aen_service.errors import TOKEN_VARIABLE as TOKEN
from aen_service.errors import RemoteSearchError

Run = Callable[[argparse.Namespace], int]


def add_server_option(search: argparse.ArgumentParser) -> None:
    """Add the options of a service to `aen search`.

    Args:
        search: its parser.
    """
    remote = search.add_argument_group(
        "on a service", f"The search runs there, and goes on if this command ends. Its token is ${TOKEN}."
    )
    remote.add_argument("--server", metavar="URL", help="address of the service, such as http://127.0.0.1:8700")
    remote.add_argument("--token-file", type=Path, metavar="FILE", help=f"a file with the token, in place of ${TOKEN}")
    search.set_defaults(run=partial(_search, search.get_default("run")))


def _search(here: Run, options: argparse.Namespace) -> int:
    if options.server is None:
        if options.token_file is not None:
            raise RemoteSearchError("--token-file is for a search on a service; name it by --server URL.")
        return here(options)
    for given, name in (
        (options.out, "--out"),
        (options.data, "--data"),
        (options.skip_broken or None, "--skip-broken"),
    ):
        if given is not None:
            remedy = "upload the images on its page" if name != "--out" else "the service chooses the run folder"
            raise RemoteSearchError(f"{name} cannot be used with --server; {remedy}.")
    token = _token(options.token_file)
    try:
        from aen_service.watching import search_on_server  # imports httpx and rich
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("aen"):
            raise
        raise RemoteSearchError(
            f"`aen search --server` needs {error.name}, which is not installed: pip install 'aen[service]'."
        ) from error
    return search_on_server(options.server, token, options.config, options.overrides, options.minutes)


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get(TOKEN, "")
        if not token.strip():
            raise RemoteSearchError(
                f"no token is given; set ${TOKEN}, or name a file that contains it (--token-file). On the machine of "
                "the service `aen tokens add NAME` makes one."
            )
        return token
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not a token"
        raise RemoteSearchError(f"--token-file is {str(file)!r}, which cannot be read: {why}.") from error
