"""The session of a browser: a token is typed once, and a cookie stands for it."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aen_service.access import AnyToken, TheService, cookie_of, port_of, session_of
from aen_service.errors import UnauthenticatedError
from aen_service.tokens import SESSION_SECONDS, Role

router = APIRouter(prefix="/session", tags=["session"])


class TokenIn(BaseModel):
    """The token of somebody who logs in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=200, examples=["aen_TOKEN"])


class Who(BaseModel):
    """Who is logged in."""

    name: str
    role: Role


@router.post("")
def log_in(given: TokenIn, request: Request, response: Response, service: TheService) -> Who:
    """Begin a session; the answer sets its cookie."""
    token = service.tokens.of_secret(given.token.strip())
    if token is None:
        raise UnauthenticatedError("this token is not valid; `aen tokens add NAME` makes one.", argument="token")
    service.forget_first_link(token)
    cookie, secure = cookie_of(port_of(request.scope), request.headers)
    response.set_cookie(
        cookie,
        service.tokens.begin_session(token),
        max_age=int(SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=secure or request.url.scheme == "https",
        path="/",
    )
    return Who(name=token.name, role=token.role)


@router.get("")
def who(token: AnyToken) -> Who:
    """Return who is logged in."""
    return Who(name=token.name, role=token.role)


@router.delete("")
def log_out(request: Request, response: Response, service: TheService) -> dict[Literal["status"], str]:
    """End the session of the browser."""
    port = port_of(request.scope)
    session = session_of(request.headers, port)
    if session is not None:
        service.tokens.end_session(session)
    cookie, secure = cookie_of(port, request.headers)
    response.delete_cookie(cookie, path="/", secure=secure, httponly=True, samesite="strict")
    return {"status": "logged out"}
