"""The page: what a browser shows of the service, as HTML that is useful before any script has run."""

from fastapi import FastAPI

from aen_service.pages import actions, groups, new_search, router


def add_pages(app: FastAPI) -> None:
    """Add the page to an application."""
    for module in (new_search, groups, router, actions):
        app.include_router(module.router)
