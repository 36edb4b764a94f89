"""Measures when Chromium shows the page of a search, and how much is sent for it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000"
_ANSWERED = "performance.getEntriesByType('navigation')[0].responseStart / 1000"
_VERDICT = "[data-part=sentence] .lead"
_CLASSES = "[data-part=leading] table"


@dataclass(frozen=True)
class Paint:
    """How a page was shown, in seconds since it was asked for.

    Attributes:
        answered: when its first byte came.
        painted: when the browser first painted something, which has the best class or the verdict.
        complete: when the table of the leading classes was there, too.
        sent: bytes that were received by then, as they were sent.
    """

    answered: float
    painted: float
    complete: float
    sent: int


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium inside the block; None: there is none, or no Playwright."""
    command = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        command = None
    if command is None:
        yield None
        return
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=command, args=[*_OPTIONS])
        try:
            yield browser
        finally:
            browser.close()


def first_paints(browser: Any, address: str, path: str, token: str, *, count: int) -> list[Paint]:  # noqa: ANN401 - as below
    """Open a page several times in one new window, whose first time nothing is cached.

    Args:
        browser: Chromium.
        address: of the service.
        path: of the page of a search.
        token: of a client.
        count: how often.
    """
    context = browser.new_context(base_url=address, extra_http_headers={"Authorization": f"Bearer {token}"})
    page = context.new_page()
    page.set_default_timeout(120_000)
    found = [_open(context, page, path) for _ in range(count)]
    context.close()
    return found


def _open(context: Any, page: Any, path: str) -> Paint:  # noqa: ANN401 - of Playwright, which may not be installed
    page.goto("about:blank")
    session, sent = context.new_cdp_session(page), 0

    def add(event: dict[str, Any]) -> None:
        nonlocal sent
        sent += int(event["encodedDataLength"])

    session.send("Network.enable")
    session.on("Network.loadingFinished", add)
    page.goto(path, wait_until="commit")
    page.wait_for_selector(_VERDICT)
    page.wait_for_selector(_CLASSES)
    complete = page.evaluate("performance.now() / 1000")
    page.wait_for_load_state("load")
    page.wait_for_function(_PAINTED)
    found = Paint(page.evaluate(_ANSWERED), page.evaluate(_PAINTED), complete, sent)
    session.detach()
    return found
