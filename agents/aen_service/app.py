"""The web application: its routes, and what every request passes through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from aen_service.access import AccessControl
from aen_service.api import (
    catalogue,
    children,
    compare,
    datasets,
    evaluations,
    events,
    files,
    groups,
    health,
    progress,
    searches,
    session,
)
from aen_service.compression import Compression
from aen_service.guard import Guard
from aen_service.limits import RequestLimits
from aen_service.metrics import Metrics
from aen_service.openapi import with_errors
from aen_service.pages import add_pages
from aen_service.pages.html_errors import HtmlErrors
from aen_service.problems import add_problem_handlers
from aen_service.routes import RouteTable
from aen_service.service import Service

PREFIX = "/api/v1"


class Application(FastAPI):
    """The application of a service. A request passes the guard, the access control and the limits, in this order.

    Attributes:
        table: its paths.
    """

    def __init__(self, service: Service, **words: Any) -> None:  # noqa: ANN401 - of FastAPI
        super().__init__(**words)
        self.table = RouteTable()
        self.state.service = service
        self.state.metrics = Metrics(service.database)

    def include_router(self, router: APIRouter, *, prefix: str = "", **words: Any) -> None:  # noqa: ANN401 - of FastAPI
        """Include a router, and keep its paths."""
        super().include_router(router, prefix=prefix, **words)
        self.table.add(router, prefix)

    def build_middleware_stack(self) -> ASGIApp:
        """Return all layers; the guard is outside of the one that answers errors of the service itself."""
        service: Service = self.state.service
        return Guard(super().build_middleware_stack(), service.settings.limits, self.state.metrics, self.table.template)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            with_errors(super().openapi())
        assert self.openapi_schema is not None  # noqa: S101 - FastAPI keeps what it returned
        return self.openapi_schema


def create_app(service: Service) -> Application:
    """Return the application of a service, which is started and closed with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.close()

    app = Application(
        service,
        title="aen",
        summary="Finds which symmetries a neural network should have for a data set.",
        version=version("aen"),
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.streams = events.make_streams(service, lambda: bool(getattr(app.state, "is_ending", bool)()))
    add_problem_handlers(app, app.table)
    app.include_router(health.router)
    for module in (
        session,
        catalogue,
        searches,
        children,
        progress,
        events,
        files,
        compare,
        evaluations,
        datasets,
        groups,
    ):
        app.include_router(module.router, prefix=PREFIX)
    add_pages(app)
    app.add_middleware(_limits_of(app, service))
    app.add_middleware(AccessControl, service=service)
    app.add_middleware(HtmlErrors)
    app.add_middleware(Compression)
    return app


def _limits_of(app: FastAPI, service: Service) -> Any:  # noqa: ANN401 - what Starlette takes as a middleware
    def limited(inner: ASGIApp) -> RequestLimits:
        limits = app.state.request_limits = RequestLimits(inner, service.settings.limits)
        return limits

    return limited
