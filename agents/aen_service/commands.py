"""The commands `aen serve` and `aen tokens`. Nothing heavy is imported before a command runs."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aen._secrets import hide_secrets
from aen._text import shortened
from aen.errors import AenError
from aen_service.remote import add_server_option

if TYPE_CHECKING:
    from aen_service.settings import Settings
    from aen_service.tokens import Tokens

DEFAULT_ROOT = Path("runs")
DEFAULT_PORT = 8700
_HIGHEST_PORT = 65_535
_MOST_SEARCHES = 1024
_MOST_WORKERS = 10_000  # of a large cluster
# The packages of the extra and their modules.
_NEEDED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
    "sse-starlette": "sse_starlette",
    "python-multipart": "python_multipart",
    "prometheus-client": "prometheus_client",
}


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
    serve.add_argument(
        "--host", type=_address, default="127.0.0.1", help="address on which to listen (default: %(default)s)"
    )
    serve.add_argument(
        "--port",
        type=_port,
        help=f"port on which to listen (default: {DEFAULT_PORT}, or the next free one)",
    )
    serve.add_argument(
        "--parallel",
        type=_up_to(_MOST_SEARCHES),
        default=1,
        metavar="N",
        help="searches that run at a time (default: %(default)s)",
    )
    serve.add_argument(
        "--ray",
        type=_ray_address,
        metavar="ADDRESS",
        help="submit searches as jobs to this Ray cluster, http://HEAD:8265",
    )
    serve.add_argument(
        "--workers",
        type=_up_to(_MOST_WORKERS),
        metavar="N",
        help="processes that train children for remote clients (default: one for each core)",
    )
    serve.add_argument(
        "--allow-host",
        type=_host_name,
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
    number = _whole(text, _HIGHEST_PORT)
    if number is None:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no port; give a number up to {_HIGHEST_PORT}")
    return number


def _up_to(most: int) -> Callable[[str], int]:
    def positive(text: str) -> int:
        number = _whole(text, most)
        if not number:
            raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no whole number from 1 to {most}; give one")
        return number

    return positive


def _whole(text: str, most: int) -> int | None:
    """Return the whole number that a text holds; None: it holds none, or a larger one."""
    digits = text.lstrip("0") or text[-1:]
    fits = text.isascii() and text.isdecimal() and len(digits) <= len(str(most)) and int(digits) <= most
    return int(digits) if fits else None


def _address(text: str) -> str:
    name = text.strip().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[\w.:%-]+", name) or _has_port(name):  # an empty one would mean every address
        raise argparse.ArgumentTypeError(f"{text!r} is no address; give one without port, such as 127.0.0.1")
    return name


def _host_name(text: str) -> str:
    name = text.strip().removeprefix("[").removesuffix("]").lower()
    if not re.fullmatch(r"[a-z0-9._:-]+", name) or _has_port(name):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a host; give it without scheme, port and path, such as aen.example.org"
        )
    return name


def _has_port(name: str) -> bool:
    return name.count(":") == 1  # IPv6 addresses have several


def _ray_address(text: str) -> str:
    match = re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?/?", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{hide_secrets(text)!r} is no address of Ray's dashboard; give one such as http://HEAD:8265"
        )
    return text.rstrip("/")


def _settings(options: argparse.Namespace, **more: object) -> "Settings":
    from aen_service.settings import Settings

    return Settings(root=options.root, database=options.database, **more)  # type: ignore[arg-type]


def _serve(options: argparse.Namespace) -> int:
    for package, module in _NEEDED.items():
        if find_spec(module) is None:
            raise MissingExtraError(f"`aen serve` needs {package}, which is not installed: pip install 'aen[service]'.")
    try:
        from aen_service.serve import serve
    except ImportError as error:
        if error.name is None or error.name.startswith("aen"):
            raise
        raise MissingExtraError(
            f"`aen serve` cannot use {error.name} ({error.msg}): pip install --upgrade 'aen[service]'."
        ) from error
    settings = _settings(
        options,
        host=options.host,
        port=DEFAULT_PORT if options.port is None else options.port,
        parallel=options.parallel,
        ray=options.ray,
        hosts=tuple(options.allow_host),
        workers=options.workers,
    )
    return serve(settings, any_port=options.port is None)


def _add_token(options: argparse.Namespace) -> int:
    with _tokens(options) as tokens:
        token, secret = tokens.add(options.name, options.role)
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"token {token.id} of {token.name!r}, {token.role}; it is shown only now.\n")
    return 0


def _list_tokens(options: argparse.Namespace) -> int:
    with _tokens(options, create=False) as tokens:
        for token in tokens.list():
            made = time.strftime("%Y-%m-%d", time.localtime(token.created))
            end = "" if token.revoked is None else "  revoked"
            sys.stdout.write(f"{token.id}  {token.role:8}  {made}  {token.name}{end}\n")
    return 0


def _revoke_token(options: argparse.Namespace) -> int:
    with _tokens(options, create=False) as tokens:
        token = tokens.revoke(options.token)
    sys.stdout.write(f"token {token.id} of {token.name!r} is revoked.\n")
    return 0


@contextmanager
def _tokens(options: argparse.Namespace, *, create: bool = True) -> "Iterator[Tokens]":
    from aen_service.database import Database
    from aen_service.errors import ServiceStartError
    from aen_service.folder import prepare_folder
    from aen_service.tokens import Tokens

    settings = _settings(options)
    if create:
        prepare_folder(settings)
    elif settings.database is None and not settings.folder.is_dir():
        raise ServiceStartError(
            f"root {settings.root} has no service, and so no tokens; `aen serve` begins one, or name its --root."
        )
    database = Database(settings.database_url)
    try:
        yield Tokens(database)
    finally:
        database.close()
