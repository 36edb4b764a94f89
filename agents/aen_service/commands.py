"""The commands `aen serve` and `aen tokens`. Nothing heavy is imported before a command runs."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aen.errors import AenError
from aen_service.remote import add_server_option

if TYPE_CHECKING:
    from aen_service.settings import Settings
    from aen_service.tokens import Tokens

DEFAULT_ROOT = Path("runs")
DEFAULT_PORT = 8700
_HIGHEST_PORT = 65_535


class MissingExtraError(AenError):
    """The packages of the extra ``service`` are not installed."""


def add_service_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aen serve` and `aen tokens` to the command line, and ``--server`` to `aen search`."""
    add_server_option(commands.choices["search"])
    serve = commands.add_parser(
        "serve",
        help="serve searches over HTTP, with a page",
        description="Serve searches over HTTP: submit, watch and compare them in a browser or by a program.",
    )
    _add_place(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address on which to listen (default: %(default)s)")
    serve.add_argument(
        "--port",
        type=_port,
        help=f"port on which to listen (default: {DEFAULT_PORT}, or the next free one)",
    )
    serve.add_argument(
        "--parallel", type=_positive, default=1, metavar="N", help="searches that run at a time (default: %(default)s)"
    )
    serve.add_argument("--ray", metavar="ADDRESS", help="submit searches as jobs to this Ray cluster, http://HEAD:8265")
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name under which clients reach the service, such as that of the proxy in front; may be repeated",
    )
    serve.set_defaults(run=_serve)

    tokens = commands.add_parser("tokens", help="make, list and revoke the tokens of a service")
    tokens.set_defaults(help_of=tokens)
    verbs = tokens.add_subparsers(title="commands", metavar="COMMAND")
    add = verbs.add_parser("add", help="make a token and print it, once")
    add.add_argument("name", help="whose it is")
    add.add_argument("--role", default="operator", help="operator, or viewer, who changes nothing (default: operator)")
    add.set_defaults(run=_add_token)
    listing = verbs.add_parser("list", help="list the tokens, without their secrets")
    listing.set_defaults(run=_list_tokens)
    revoke = verbs.add_parser("revoke", help="revoke a token")
    revoke.add_argument("token", help="its identifier or name")
    revoke.set_defaults(run=_revoke_token)
    for verb in (add, listing, revoke):
        _add_place(verb)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="folder of the runs (default: %(default)s)", metavar="FOLDER"
    )
    parser.add_argument(
        "--database", metavar="URL", help="SQLAlchemy URL of the service's database (default: a file below the root)"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number up to {_HIGHEST_PORT}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def _settings(options: argparse.Namespace, **more: object) -> "Settings":
    from aen_service.settings import Settings

    return Settings(root=options.root, database=options.database, **more)  # type: ignore[arg-type]


def _serve(options: argparse.Namespace) -> int:
    try:
        from aen_service.serve import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("aen"):
            raise
        raise MissingExtraError(
            f"`aen serve` needs {error.name}, which is not installed: pip install 'aen[service]'."
        ) from error
    settings = _settings(
        options,
        host=options.host,
        port=DEFAULT_PORT if options.port is None else options.port,
        parallel=options.parallel,
        ray=options.ray,
        hosts=tuple(options.allow_host),
    )
    return serve(settings, any_port=options.port is None)


def _add_token(options: argparse.Namespace) -> int:
    with _tokens(options) as tokens:
        token, secret = tokens.add(options.name, options.role)
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"token {token.id} of {token.name!r}, {token.role}; it is shown only now.\n")
    return 0


def _list_tokens(options: argparse.Namespace) -> int:
    with _tokens(options) as tokens:
        for token in tokens.list():
            made = time.strftime("%Y-%m-%d", time.localtime(token.created))
            end = "" if token.revoked is None else "  revoked"
            sys.stdout.write(f"{token.id}  {token.role:8}  {made}  {token.name}{end}\n")
    return 0


def _revoke_token(options: argparse.Namespace) -> int:
    with _tokens(options) as tokens:
        token = tokens.revoke(options.token)
    sys.stdout.write(f"token {token.id} of {token.name!r} is revoked.\n")
    return 0


@contextmanager
def _tokens(options: argparse.Namespace) -> "Iterator[Tokens]":
    from aen_service.database import Database
    from aen_service.service import prepare_folder
    from aen_service.tokens import Tokens

    settings = _settings(options)
    prepare_folder(settings)
    database = Database(settings.database_url)
    try:
        yield Tokens(database)
    finally:
        database.close()
