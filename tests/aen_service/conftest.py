"""Fixtures of the service's tests."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from helpers.services import bearer, serving

from aen_service.service import Service


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Service, httpx.Client]]:
    with serving(tmp_path / "runs") as found:
        yield found


@pytest.fixture
def service(served: tuple[Service, httpx.Client]) -> Service:
    return served[0]


@pytest.fixture
def client(served: tuple[Service, httpx.Client]) -> httpx.Client:
    return served[1]


@pytest.fixture
def viewer(service: Service) -> dict[str, str]:
    """The headers of a viewer."""
    return bearer(service.tokens.add("looker", "viewer")[1])
