"""Templates, and how values are written in them."""

import math
import time
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import ChainableUndefined, Environment, PackageLoader

from aen._text import printable
from aen_service.pages.static_files import static_url

# Nothing but this server's own files; form-action and frame-ancestors are not covered by default-src.
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_NONE = "\N{EN DASH}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
STATE_WORDS = {
    "queued": "Queued",
    "running": "Running",
    "stopping": "Stopping",
    "complete": "Complete",
    "stopped": "Stopped",
    "failed": "Failed",
    "lost": "Lost",
}


def page(
    request: Request, template: str, values: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """Return a page.

    Args:
        request: which it answers.
        template: the template's name.
        values: what the template shows.
        status: the HTTP status.
    """
    token = getattr(request.state, "token", None)
    known = {
        "token": token,
        "may_change": token is not None and token.may_change,
        "path": request.url.path,
        "address": address_of(request),
        "now": time.time(),
    }
    text = _environment().get_template(template).render(known | dict(values or {}))
    return HTMLResponse(text, status, headers=_HEADERS)


def compile_templates() -> None:
    """Compile all templates, so that the first page does not wait for it."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def address_of(request: Request) -> str:
    """Return path and query of a request."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aen_service.pages", "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=ChainableUndefined,  # a value that the interface leaves out is shown as unknown
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    environment.filters |= {
        "percent": percent,
        "number": number,
        "duration": duration,
        "ago": ago,
        "size": size,
        "clock": clock,
        "points": points,
        "zip": zip,
        "combine": lambda given, more: {**given, **more},
        "segment": lambda value: quote(str(value), safe=""),
    }
    environment.globals |= {"static": static_url, "changed": changed, "state_words": STATE_WORDS}
    return environment


def changed(query: Mapping[str, Any], **values: object) -> str:
    """Return the query of the page's address with some parameters changed; None leaves one out."""
    kept = {name: value for name, value in (dict(query) | values).items() if value not in (None, "")}
    return "?" + urlencode(kept, doseq=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def percent(value: Any, digits: int = 1) -> str:  # noqa: ANN401 - of JSON
    """Write an accuracy, such as ``93.4 %``."""
    return f"{100 * value:.{digits}f}\N{NARROW NO-BREAK SPACE}%" if _is_number(value) else _NONE


def points(value: Any) -> str:  # noqa: ANN401 - of JSON
    """Write a difference of accuracies in points, such as ``+1.5``."""
    return f"{100 * value:+.1f}" if _is_number(value) else _NONE


def number(value: Any, digits: int | None = None) -> str:  # noqa: ANN401 - of JSON
    """Write a number, with commas between thousands."""
    if not _is_number(value):
        return _NONE
    if digits is not None:
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # noqa: PLR2004


def duration(seconds: Any) -> str:  # noqa: ANN401 - of JSON
    """Write a time span, such as ``2 min 5 s``."""
    if not _is_number(seconds):
        return _NONE
    if seconds < 10:  # noqa: PLR2004
        return f"{max(seconds, 0):.1f} s"
    total = round(seconds)
    if total < _MINUTE:
        return f"{total} s"
    if total < _HOUR:
        return f"{total // _MINUTE} min {total % _MINUTE} s"
    if total < _DAY:
        return f"{total // _HOUR} h {total % _HOUR // _MINUTE} min"
    return f"{total // _DAY} d {total % _DAY // _HOUR} h"


def ago(then: Any, now: float | None = None) -> str:  # noqa: ANN401 - of JSON
    """Write how long ago a time was, such as ``3 min ago``."""
    if not _is_number(then):
        return _NONE
    seconds = (time.time() if now is None else now) - then
    if seconds < _MINUTE:
        return "just now"
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return _NONE


def clock(then: Any) -> str:  # noqa: ANN401 - of JSON
    """Write a time in UTC as HTML's ``time`` has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then)) if _is_number(then) else ""


def size(count: Any) -> str:  # noqa: ANN401 - of JSON
    """Write a number of bytes, such as ``1.5 MB``."""
    if not _is_number(count):
        return _NONE
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return _NONE
