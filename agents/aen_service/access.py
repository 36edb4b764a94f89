"""Access control: no request passes without a valid token, and none that another site has a browser send."""

from http.cookies import CookieError, SimpleCookie
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from aen_service.errors import ForbiddenError, ServiceError, UnauthenticatedError
from aen_service.problems import problem_response
from aen_service.service import Service
from aen_service.tokens import Token

COOKIE = "aen_session"
_SAFE = {"GET", "HEAD", "OPTIONS"}
# What needs no token: whether the server lives, the page on which a token is typed, and the page's own files.
_OPEN = ("/healthz", "/login", "/api/v1/session")
_OPEN_FOLDER = "/static/"
# What a viewer may ask although it is no GET: it changes nothing.
_HARMLESS = ("/api/v1/groups/", "/api/v1/session", "/api/v1/searches/check")


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
            token = await self._token(scope, headers)
        except ServiceError as error:
            await problem_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = token
        await self._app(scope, receive, send)

    async def _token(self, scope: Scope, headers: Headers) -> Token | None:
        path, method, tokens = scope["path"], scope["method"], self._service.tokens
        is_open = path in _OPEN or path.startswith(_OPEN_FOLDER)
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        token = None
        if scheme.lower() == "bearer" and secret:
            token = await run_in_threadpool(tokens.of_secret, secret.strip())
        elif (session := session_of(headers)) is not None:
            if method not in _SAFE:
                check_same_site(headers)
            token = await run_in_threadpool(tokens.of_session, session)
        if is_open:
            return token
        if token is None:
            raise UnauthenticatedError(
                "a valid token is needed: send it as 'Authorization: Bearer TOKEN'; `aen tokens add NAME` makes one.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if method not in _SAFE and not token.may_change and not path.startswith(_HARMLESS):
            raise ForbiddenError(f"the token {token.name!r} is a viewer's; this needs an operator's.")
        return token


def check_host(headers: Headers, service: Service) -> None:
    """Check that a request names this server: a page of another site may have its name stand for this address.

    Raises:
        ForbiddenError: it does not.
    """
    given = headers.get("host", "")
    try:
        name = urlsplit(f"//{given}").hostname or ""
    except ValueError:
        name = ""
    if name not in service.settings.allowed_hosts:
        raise ForbiddenError(f"the header Host is {given[:100]!r}, which is not a name of this server (--allow-host).")


def check_same_site(headers: Headers) -> None:
    """Check that a request which a browser sent with its cookie comes from a page of this server.

    Raises:
        ForbiddenError: it does not, or it is not known.
    """
    origin = headers.get("origin")
    if origin is None or urlsplit(origin).netloc != headers.get("host"):
        raise ForbiddenError("the request does not come from a page of this server.")


def session_of(headers: Headers) -> str | None:
    """Return the secret of the browser's session, or None."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


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
