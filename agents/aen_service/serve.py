"""`aen serve`: opens the port, says where the page is, and serves until it is stopped."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import uvicorn

from aen._files import new_file
from aen._secrets import remember_secret
from aen_service.app import create_app
from aen_service.errors import ServiceStartError
from aen_service.protocol import guarded
from aen_service.secret_text import SafeFormatter
from aen_service.service import Service
from aen_service.settings import Settings

_PORTS = 50  # that are tried after one that is in use
_BACKLOG = 512
_KEEP_ALIVE_SECONDS = 15
_END_SECONDS = 3  # in which requests end when the service does
_SWITCH_SECONDS = (
    0.001  # for which a thread that reads a large run may keep the others waiting; Python's default is 0.005
)
_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Server(uvicorn.Server):
    """uvicorn's server, which ends with exit status 0 on Ctrl-C, SIGTERM and SIGHUP, however often they come."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals inside the block; uvicorn would raise them again after it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            handled.append(signal.SIGHUP)
        for number in handled:
            signal.signal(number, self.handle_exit)
        yield  # and until the process ends: a second Ctrl-C must not interrupt what closes the database

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End soon, and at once the second time."""
        if self.should_exit:
            self.force_exit = True
        super().handle_exit(sig, frame)


def serve(settings: Settings, *, any_port: bool) -> int:
    """Serve until Ctrl-C or SIGTERM; searches go on. Return the exit status.

    Args:
        settings: of the service.
        any_port: whether the next free port is taken if that of the settings is in use.

    Raises:
        ServiceStartError: the root, the database or the port cannot be used.
    """
    listener, port = open_port(settings.host, settings.port, any_port=any_port)
    wanted, settings = settings.port, replace(settings, port=port)
    with listener, Service(settings) as service:
        server = make_server(service)
        with server.capture_signals():  # from before the address is said: whoever reads it may end the service
            if port != wanted and wanted:
                _say(f"aen: port {wanted} is in use; taking {port}")
            if not settings.is_local:
                _say(
                    f"aen: WARNING: {settings.host} can be reached from other machines, and this service speaks HTTP "
                    "without encryption: tokens can be read on the way. Put a proxy with TLS in front of it "
                    "(docs/service.md), or listen on 127.0.0.1."
                )
            _first_token(service)
            where = address(settings.host, port)
            _say(f"aen: serving {settings.root} at {where} (Ctrl-C stops the service, no search)")
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(SafeFormatter(_LOG_FORMAT))
            logging.basicConfig(level=logging.INFO, handlers=[handler])
            logging.getLogger("uvicorn").setLevel(logging.WARNING)
            service.helpers.start(
                "aen_service.computing.checking"
            )  # the first check of a search need not wait for torch
            sys.setswitchinterval(_SWITCH_SECONDS)
            server.run(sockets=[listener])
        _say("aen: the service has ended; searches that run go on")
    return 0


def make_server(service: Service) -> Server:
    """Return the web server of a service, which it starts and closes with itself."""
    app = create_app(service)
    config = uvicorn.Config(
        app,
        http=guarded(service.settings.limits),
        ws="none",
        log_config=None,
        access_log=False,  # it would log query strings
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_END_SECONDS,
    )
    server = Server(config)
    app.state.is_ending = lambda: server.should_exit  # event streams end then, for which the server would wait
    return server


def open_port(host: str, port: int, *, any_port: bool) -> tuple[socket.socket, int]:
    """Return a socket that listens, and its port.

    Raises:
        ServiceStartError: there is no such address, or it cannot be used.
    """
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name"
        raise ServiceStartError(
            f"--host is {host!r}, which is no address of this machine ({why}); give 127.0.0.1, 0.0.0.0 or a name."
        ) from error
    for number in range(port, min(port + _PORTS, 65_535) + 1) if any_port else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((found[0], number, *found[2:]))
            listener.listen(_BACKLOG)  # only now is it certain that nobody else has the port
        except OSError as error:
            listener.close()
            failed = error
            if error.errno != errno.EADDRINUSE:
                break
        else:
            return listener, int(listener.getsockname()[1])
    remedies = {
        errno.EADDRINUSE: "end what listens there, or give another --port (without --port the next free one is taken)",
        errno.EACCES: "ports below 1024 are for root; give a higher --port",
    }
    remedy = remedies.get(failed.errno or 0, "give another --host, an address of this machine")
    raise ServiceStartError(f"cannot listen on {address(host, port)}: {failed.strerror or failed}; {remedy}.")


def address(host: str, port: int) -> str:
    """Return the address of the page."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _first_token(service: Service) -> None:
    """Make an operator's token at the first start, and show it as a link.

    Where the output is no terminal it may be a log, which others read: the link is then in a file of this user's.
    """
    if service.tokens.list():
        return
    _, secret = service.tokens.add("first", "operator")
    remember_secret(secret)
    settings = service.settings
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    # Behind the # a browser sends nothing to the server, so that no log has it.
    link = f"{address(host, settings.port)}/login#{secret}"
    if sys.stdout.isatty():
        sys.stdout.write(f"Open {link}\nThis link holds a token and is shown only now.\n")
        sys.stdout.flush()
        return
    try:
        with new_file(service.first_link, durable=True) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(f"{link}\n".encode())
    except OSError as error:
        raise ServiceStartError(
            f"{service.first_link} cannot be written: {error.strerror}; make room, then `aen tokens add NAME`."
        ) from error
    _say(f"aen: the link to log in, with an operator's token, is in {service.first_link}, which only you can read")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
