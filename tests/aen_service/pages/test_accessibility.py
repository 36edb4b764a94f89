"""axe-core over every page, light and dark, on a desktop and on a phone: no serious and no critical finding."""

import httpx
import pytest
from helpers.site import DESKTOP, PHONE, OpenSite

from aen_service.service import Service

from .conftest import secret_of

Finished = tuple[Service, httpx.Client, list[str]]
VIEWS = ["overview", "classes", "children", "agent", "workers", "log", "failures", "files"]


def pages_of(ids: list[str]) -> list[str]:
    """Return the addresses of all pages."""
    return [
        *("/searches", "/searches?name=nothing", "/searches/new", "/searches/new?budget.children=0"),
        *(f"/searches/{ids[0]}?view={view}" for view in VIEWS),
        *("/compare", f"/compare?search={ids[0]}&search={ids[1]}"),
        *("/datasets", "/groups?factor=rot90&factor=hflip", "/searches/nothing"),
    ]


def check(open_site: OpenSite, finished: Finished, paths: list[str], **window: object) -> None:
    service, client, _ = finished
    site = open_site(client, **window)
    site.expected.append("404")  # of the page that does not exist
    site.page.goto("/login")
    findings = {"/login": site.findings()}
    site.log_in(secret_of(client))
    for path in paths:
        site.page.goto(path)
        site.page.wait_for_load_state("load")
        if "overview" in path:
            site.page.wait_for_selector("#lattice svg")
        findings[path] = site.findings()
        if site.is_wider_than_screen():
            findings[path].append("the page is wider than the screen")
    assert {path: found for path, found in findings.items() if found} == {}
    assert service


def test_pages_have_no_serious_finding(open_site: OpenSite, finished: Finished) -> None:
    ids = finished[2]
    check(open_site, finished, ["/searches", f"/searches/{ids[0]}?view=overview", "/searches/new"])


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_has_a_serious_finding(
    open_site: OpenSite, finished: Finished, scheme: str, window: dict[str, int]
) -> None:
    check(open_site, finished, pages_of(finished[2]), color_scheme=scheme, viewport=window)
