"""Whether the service lives and is ready."""

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel

from aen_service.access import TheService

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The state of the service."""

    status: str


@router.get("/healthz")
def healthz() -> Health:
    """Say that the server answers; needs no token."""
    return Health(status="ok")


@router.get("/readyz")
def readyz(service: TheService) -> Health:
    """Say whether the database can be used."""
    service.database.rows(sa.select(sa.literal(1)))
    return Health(status="ready")
