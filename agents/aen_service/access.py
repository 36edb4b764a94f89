"""Access control: no request passes without a valid token, and none that another site has a browser send."""

import ipaddress
import re
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from aen_service.errors import ForbiddenError, InvalidRequestError, ServiceError, UnauthenticatedError
from aen_service.problems import problem_response
from aen_service.service import Service
from aen_service.tokens import Token

COOKIE = "aen_session"
_HOST_COOKIE = f"__Host-{COOKIE}"  # browsers take a cookie of this name over TLS only, and from this host alone
_SECRET = re.compile(r"[\w-]{20,100}")
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)
_SAFE = {"GET", "HEAD", "OPTIONS"}
# What needs no token: whether the server lives, the page on which a token is typed, and the page's own files.
_OPEN = ("/healthz", "/login", "/api/v1/session")
_OPEN_FOLDER = "/static/"
# What a viewer may ask although it is no GET: it changes nothing.
_HARMLESS = {"/api/v1/groups/describe", "/api/v1/groups/classes", "/api/v1/session", "/api/v1/searches/check"}
_HARMLESS |= {"/logout"}  # of the page


class AccessControl:
    """Lets requests pass that name this server and have a valid token; the token is then ``request.state.token``.

    Args:
        app: what answers them.
        service: has the tokens.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            if scope["type"] != "http":
                raise ForbiddenError("only HTTP is served here.")
            headers = Headers(scope=scope)
            check_host(headers, self._service)
            check_origin(scope["method"], headers)
            token = await self._token(scope, headers)
        except ServiceError as error:
            await problem_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = token
        await self._app(scope, receive, send)

    async def _token(self, scope: Scope, headers: Headers) -> Token | None:
        path, method, tokens = scope["path"], scope["method"], self._service.tokens
        is_open = path in _OPEN or path.startswith(_OPEN_FOLDER)
        token = None
        given = headers.getlist("authorization")
        if given:
            scheme, _, secret = given[0].partition(" ")
            if len(given) == 1 and scheme.lower() == "bearer" and _SECRET.fullmatch(secret.strip()):
                token = await run_in_threadpool(tokens.of_secret, secret.strip())
        elif (session := session_of(headers, port_of(scope))) is not None:
            if not is_open:
                check_same_site(method, headers)
            token = await run_in_threadpool(tokens.of_session, session)
        if is_open:
            return token
        if token is None:
            raise UnauthenticatedError(
                "a valid token is needed: send it as 'Authorization: Bearer TOKEN'; `aen tokens add NAME` makes one.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if method not in _SAFE and not token.may_change and path not in _HARMLESS:
            raise ForbiddenError(f"the token {token.name!r} is a viewer's; this needs an operator's.")
        return token


def check_host(headers: Headers, service: Service) -> None:
    """Check that a request names this server: a page of another site may have its name stand for this address.

    A service that other machines reach takes every IP address, too: no page of another site has one as its name.

    Raises:
        ForbiddenError: it does not.
        InvalidRequestError: it names none, or several.
    """
    given = headers.getlist("host")
    if len(given) != 1:
        raise InvalidRequestError("give the header Host once.", argument="host", status=400)
    match = _HOST.fullmatch(given[0])
    name = match["name"].lower() if match else ""
    settings = service.settings
    if name not in settings.allowed_hosts and (settings.is_local or not _is_address(name)):
        raise ForbiddenError(
            f"the header Host is {given[0][:100]!r}, which is not a name of this server; `aen serve --allow-host NAME` "
            "allows one.",
            argument="host",
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def check_origin(method: str, headers: Headers) -> None:
    """Check that a request which may change something comes from no page of another site, even without a cookie.

    Raises:
        ForbiddenError: it does.
    """
    origin = headers.get("origin")
    if method not in _SAFE and origin is not None and not _is_own(origin, headers):
        raise ForbiddenError("the request comes from a page of another site.", argument="origin")


def check_same_site(method: str, headers: Headers) -> None:
    """Check that a request which a browser sent with its cookie comes from a page of this server.

    A page of another port of this machine counts as the same site for cookies, but not here.

    Raises:
        ForbiddenError: it does not, or it is not known.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    link = method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
    if (
        (method not in _SAFE and origin is None)
        or (origin is not None and not _is_own(origin, headers))
        or (site not in {"same-origin", "none"} and not link)
    ):
        raise ForbiddenError("the request does not come from a page of this server.", argument="origin")


def _is_own(origin: str, headers: Headers) -> bool:
    scheme, _, netloc = origin.partition("://")
    return scheme in {"http", "https"} and netloc.lower() == headers.get("host", "").lower()


def port_of(scope: Scope) -> int:
    """Return the port on which a request came."""
    return int((scope.get("server") or ("", 0))[1] or 0)


def cookie_of(port: int, headers: Headers) -> tuple[str, bool]:
    """Return the name of the cookie of a browser's session, and whether the browser uses TLS, as far as it says.

    Cookies do not tell the ports of a machine apart, hence the port in the name.
    """
    secure = headers.get("origin", "").startswith("https://")
    return (_HOST_COOKIE if secure else f"{COOKIE}_{port}"), secure


def session_of(headers: Headers, port: int) -> str | None:
    """Return the secret of the browser's session, or None."""
    found: dict[str, str] = {}
    for part in headers.get("cookie", "").split(";"):  # Python's own parser takes a time that grows with the square
        name, _, value = part.strip().partition("=")
        if name in {_HOST_COOKIE, f"{COOKIE}_{port}"} and _SECRET.fullmatch(value):
            found.setdefault(name, value)
    return found.get(_HOST_COOKIE) or found.get(f"{COOKIE}_{port}")


def _token_of(request: Request) -> Token:
    token: Token | None = request.state.token
    if token is None:  # of a path that is open
        raise UnauthenticatedError("a valid token is needed.")
    return token


def _operator(token: Annotated[Token, Depends(_token_of)]) -> Token:
    if not token.may_change:
        raise ForbiddenError(f"the token {token.name!r} is a viewer's; this needs an operator's.")
    return token


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


AnyToken = Annotated[Token, Depends(_token_of)]
OperatorToken = Annotated[Token, Depends(_operator)]
TheService = Annotated[Service, Depends(_service)]
