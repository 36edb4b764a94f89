"""Whether the service lives and is ready, and its figures for Prometheus."""

import tempfile

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from aen_service.access import AnyToken, TheService
from aen_service.database import INFO
from aen_service.errors import UnavailableError
from aen_service.limits import RequestLimits
from aen_service.metrics import Metrics

router = APIRouter(tags=["health"])
_PROBE = b"." * 4096  # a block of most file systems


class Health(BaseModel):
    """The state of the service."""

    status: str


@router.get("/healthz")
def healthz() -> Health:
    """Say that the server answers; needs no token."""
    return Health(status="ok")


@router.get("/readyz")
def readyz(service: TheService, _token: AnyToken) -> Health:
    """Say whether the database can be used and the root can be written."""
    service.database.rows(sa.select(INFO.c.value))
    try:
        with tempfile.TemporaryFile(dir=service.settings.folder) as file:
            file.write(_PROBE)
            file.flush()
    except OSError as error:
        raise UnavailableError(f"the root cannot be written: {error.strerror}; make room or repair it.") from error
    return Health(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text"}},
)
def read_metrics(request: Request, _token: AnyToken) -> Response:
    """Return the figures of the service in Prometheus' text format; any valid token may read them."""
    metrics: Metrics = request.app.state.metrics
    limits: RequestLimits = request.app.state.request_limits
    return Response(metrics.text(watchers=limits.watchers, uploads=limits.uploads), media_type=Metrics.media)
