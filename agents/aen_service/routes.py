"""The paths of an application, with their methods."""

from typing import Any

from fastapi import APIRouter
from starlette.routing import compile_path


class RouteTable:
    """The paths that routers have; FastAPI's own routes do not know the prefix with which they were included.

    Attributes:
        methods: the methods of each path; paths have their parameters in braces.
    """

    def __init__(self) -> None:
        self.methods: dict[str, set[str]] = {}
        self._paths: dict[int, str] = {}

    def add(self, router: APIRouter, prefix: str) -> None:
        """Add the routes of a router."""
        for route in router.routes:
            path = prefix + str(getattr(route, "path", ""))
            self._paths[id(route)] = path
            self.methods.setdefault(path, set()).update(getattr(route, "methods", None) or {"GET"})

    def template(self, route: Any) -> str:  # noqa: ANN401 - of any kind
        """Return the path of the route that answered a request, with its parameters in braces."""
        return self._paths.get(id(route)) or str(getattr(route, "path", None) or "unmatched")

    def methods_of(self, path: str) -> set[str]:
        """Return the methods that a path takes."""
        found: set[str] = set()
        for template, methods in self.methods.items():
            if compile_path(template)[0].match(path):
                found |= methods
        return found | ({"HEAD"} if "GET" in found else set())
