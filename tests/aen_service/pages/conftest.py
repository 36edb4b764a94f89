"""Chromium, and services that it shows."""

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from helpers.services import SMALL, serving, wait_for
from helpers.site import OpenSite, Site, chromium

from aen_service.database import SEARCHES
from aen_service.service import Service


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, httpx.Client, list[str]]]:
    """A service with a search that is complete, and a copy of it; tests only look at them."""
    with serving(tmp_path_factory.mktemp("finished") / "runs") as (service, client):
        search = submit(client, "digits-1", seed=1)
        wait_for(client, search, {"complete"})
        root = service.settings.root
        (record,) = service.searches.where()
        shutil.copytree(root / record.path, root / "copy")
        service.index.step(find=True)
        (copy,) = {found.id for found in service.searches.where()} - {search}
        yield service, client, [search, copy]


@pytest.fixture
def open_site(browser: Any) -> Iterator[OpenSite]:
    """Open a window on a service; at the end no page may have complained."""
    opened: list[Site] = []

    def open_one(client: httpx.Client, **words: Any) -> Site:
        opened.append(Site(browser, str(client.base_url), **words))
        return opened[-1]

    yield open_one
    complaints = [error for site in opened for error in site.errors]
    for site in opened:
        site.context.close()
    assert complaints == []


def secret_of(client: httpx.Client) -> str:
    return client.headers["authorization"].split()[1]


def submit(client: httpx.Client, name: str, **overrides: Any) -> str:
    body = {"preset": "digits", "name": name, "overrides": SMALL | overrides}
    answer = client.post("/api/v1/searches", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, httpx.Client]]:
    """One service for the tests of a module."""
    with serving(tmp_path_factory.mktemp("served") / "runs") as found:
        yield found


@pytest.fixture
def html(served: tuple[Service, httpx.Client]) -> Iterator[httpx.Client]:
    """A client that asks for pages as a browser does; the service has no searches."""
    service, client = served
    with service.database.begin() as connection:
        connection.execute(SEARCHES.delete())
    headers = dict(client.headers) | {"accept": "text/html,application/xhtml+xml"}
    with httpx.Client(base_url=client.base_url, headers=headers, timeout=60) as browser:
        yield browser
