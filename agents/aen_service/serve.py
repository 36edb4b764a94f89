"""`aen serve`: opens the port, says where the page is, and serves until it is stopped."""

import logging
import socket
import sys

import uvicorn

from aen._secrets import remember_secret
from aen_service.app import create_app
from aen_service.errors import ServiceStartError
from aen_service.service import Service
from aen_service.settings import Settings

_PORTS = 50  # that are tried after one that is in use
_BACKLOG = 512
_KEEP_ALIVE_SECONDS = 15


def serve(settings: Settings, *, any_port: bool) -> int:
    """Serve until Ctrl-C or SIGTERM; searches go on. Return the exit status.

    Args:
        settings: of the service.
        any_port: whether the next free port is taken if that of the settings is in use.

    Raises:
        ServiceStartError: the root, the database or the port cannot be used.
    """
    listener, port = open_port(settings.host, settings.port, any_port=any_port)
    with listener, Service(settings) as service:
        _say(f"aen: serving {settings.root} at {address(settings.host, port)} (Ctrl-C stops the service, no search)")
        if port != settings.port and settings.port:
            _say(f"aen: port {settings.port} is in use")
        if not settings.is_local:
            _say(
                f"aen: WARNING: {settings.host} can be reached from other machines, and this service speaks HTTP "
                "without encryption: tokens can be read on the way. Put a proxy with TLS in front of it "
                "(docs/service.md), or listen on 127.0.0.1."
            )
        _first_token(service, port)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
        make_server(service).run(sockets=[listener])
    return 0


def make_server(service: Service) -> uvicorn.Server:
    """Return the web server of a service, which it starts and closes with itself."""
    app = create_app(service)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # it would log query strings
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    app.state.is_ending = lambda: server.should_exit  # event streams end then, for which the server would wait
    return server


def open_port(host: str, port: int, *, any_port: bool) -> tuple[socket.socket, int]:
    """Return a socket that is bound, and its port.

    Raises:
        ServiceStartError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for number in range(port, min(port + _PORTS, 65_535) + 1) if any_port else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, number))
        except OSError as error:
            listener.close()
            reason = error.strerror or str(error)
            if not any_port:
                break
        else:
            return listener, int(listener.getsockname()[1])
    raise ServiceStartError(
        f"cannot listen on {address(host, port)}: {reason}; give another --port, or another --host."
    )


def address(host: str, port: int) -> str:
    """Return the address of the page."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _first_token(service: Service, port: int) -> None:
    """Make an operator's token at the first start, and print it as a link."""
    if service.tokens.list():
        return
    _, secret = service.tokens.add("first", "operator")
    remember_secret(secret)
    host = service.settings.host if service.settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    # Behind the # a browser sends nothing to the server, so that no log has it.
    sys.stdout.write(f"Open {address(host, port)}/login#{secret}\nThis link holds a token and is shown only now.\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
