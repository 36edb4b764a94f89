"""A service for the attacks of a file; no search of it ever starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from helpers.services import bearer, serving

from aen_service.app import create_app
from aen_service.service import Service

_FILLED = {"{action}": "stop", "{name:path}": "report.html"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@dataclass(frozen=True)
class Target:
    """A service and what is in it."""

    service: Service
    client: httpx.Client
    operator: str
    search: str

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.service.settings.port

    def headers(self, role: str) -> dict[str, str]:
        return bearer(self.service.tokens.add(f"a {role}", role)[1])

    def paths(self) -> dict[str, set[str]]:
        """Return the methods of every path of the application, with identifiers in place of the parameters."""
        found = {}
        for path, methods in create_app(self.service).table.methods.items():
            parts = [_FILLED.get(part, part) for part in path.split("/")]
            parts = [self.search if part == "{search}" else part for part in parts]
            found["/".join("0" * 24 if part.startswith("{") else part for part in parts)] = methods
        return {"/api/v1/openapi.json": {"GET"}, "/nothing": set(), **found}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root: Path = tmp_path_factory.mktemp("safety") / "runs"
    with serving(root, parallel=0) as (service, client):
        answer = client.post("/api/v1/searches", json={"preset": "digits", "name": "victim"})
        assert answer.status_code == 201, answer.text
        operator = client.headers.pop("Authorization").removeprefix("Bearer ")
        yield Target(service, client, operator, answer.json()["id"])
