"""The page: what a browser shows of the service, as HTML that is useful before any script has run."""

from fastapi import FastAPI

from aen_service.pages import actions, groups, new_search, router
from aen_service.pages.html import compile_templates


def add_pages(app: FastAPI) -> None:
    """Add the page to an application."""
    compile_templates()
    for module in (new_search, groups, router, actions):
        app.include_router(module.router)
