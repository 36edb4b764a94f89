"""Pages of a service in Chromium, by Playwright: every message of the console and every blocked request is an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import find_chromium

_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
_AXE = Path(__file__).parent / "axe" / "axe.min.js"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 860}


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium, or skip the test."""
    path = find_chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


class Site:
    """The page of a service, in a window of its own.

    Args:
        browser: Chromium.
        address: of the service.
        words: of the window: ``viewport``, ``color_scheme``, ...

    Attributes:
        page: Playwright's page.
        errors: what the console said, apart from `expected`.
        expected: parts of messages that the test brings about.
    """

    def __init__(self, browser: Any, address: str, **words: Any) -> None:
        self.context = browser.new_context(base_url=address, **{"viewport": DESKTOP, **words})
        self.context.set_default_timeout(120_000)  # a busy machine
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.expected: list[str] = []
        self.page.on("console", lambda message: self._said(message.text, message.type))
        self.page.on("pageerror", lambda error: self._said(str(error), "error"))

    def _said(self, text: str, kind: str) -> None:
        if kind in {"error", "warning"} and not any(part in text for part in self.expected):
            self.errors.append(text)

    def log_in(self, secret: str, path: str = "/searches") -> None:
        """Log in by a link such as `aen serve` prints, and go to a page."""
        self.page.goto(f"/login#{secret}")
        self.page.wait_for_url("**/searches")
        if path != "/searches":
            self.page.goto(path)

    def findings(self) -> list[str]:
        """Return what axe-core finds on the page, the serious and critical ones."""
        session = self.context.new_cdp_session(self.page)  # past the policy that forbids scripts from elsewhere
        session.send("Runtime.evaluate", {"expression": _AXE.read_text(encoding="utf-8")})
        found = self.page.evaluate("axe.run({resultTypes: ['violations']}).then((r) => r.violations)")
        session.detach()
        return [
            f"{one['impact']} {one['id']}: {node['html'][:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    def is_wider_than_screen(self) -> bool:
        """Return whether the page must be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


OpenSite = Callable[..., Site]
