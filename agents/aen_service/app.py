"""The web application: its routes, and what every request passes through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from aen_service.access import AccessControl
from aen_service.api import catalogue, datasets, evaluations, groups, health, searches, session
from aen_service.problems import add_problem_handlers
from aen_service.service import Service

PREFIX = "/api/v1"


def create_app(service: Service) -> FastAPI:
    """Return the application of a service, which is started and closed with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="aen",
        summary="Finds which symmetries a neural network should have for a data set.",
        version=version("aen"),
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    add_problem_handlers(app)
    app.include_router(health.router)
    for module in (session, catalogue, searches, evaluations, datasets, groups):
        app.include_router(module.router, prefix=PREFIX)
    app.add_middleware(AccessControl, service=service)
    return app
