"""Pages opened in headless Chromium, without any other package: what a script measures in them, and how they look."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from html import escape, unescape
from pathlib import Path

import pytest

from aen._typing import JsonDict

# Nothing but the page itself: no network, no profile, no dialogs.
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
_SCHEMES = {"dark": 0, "light": 1}
_HEIGHT = 900
_WAIT = 120


def find_chromium() -> str:
    """Return Chromium's command, or skip the test; with ``AEN_TEST_CHROMIUM=required``, fail it instead."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing = "Chromium is not installed; on Debian: apt-get install chromium"
        assert os.environ.get("AEN_TEST_CHROMIUM") != "required", missing
        pytest.skip(missing)
    return found


def measure(page: Path, script: str, *, width: int, scheme: str = "light") -> JsonDict:
    """Return what a function body returns in a page; the page itself is not changed.

    The page is opened in a frame, since a headless window has a least width above that of a phone.

    Args:
        page: an HTML file.
        script: the body of a function of ``window`` and ``document``, the page's own; it returns JSON values.
        width: of the screen, in pixels.
        scheme: ``light`` or ``dark``.
    """
    with tempfile.TemporaryDirectory(prefix="aen-chromium-") as scratch:
        frame = Path(scratch) / "frame.html"
        inner = escape(page.read_text(encoding="utf-8"), quote=True)
        frame.write_text(
            '<!doctype html><meta charset="utf-8"><body style="margin:0">'
            f'<iframe style="width:{width}px;height:{_HEIGHT}px;border:0" srcdoc="{inner}"></iframe>'
            '<pre id="answer"></pre>'
            "<script>onload = () => { const frame = document.querySelector('iframe');"
            f"const read = (window, document) => {{{script}}};"
            "let answer; try { answer = read(frame.contentWindow, frame.contentDocument) }"
            "catch (error) { answer = {error: String(error)} }"
            "document.querySelector('#answer').textContent = JSON.stringify(answer); frame.remove() }</script>",
            encoding="utf-8",
        )
        command = [
            find_chromium(),
            *_OPTIONS,
            f"--user-data-dir={scratch}/profile",
            f"--blink-settings=preferredColorScheme={_SCHEMES[scheme]}",
            f"--window-size={max(width, 500)},{_HEIGHT}",
            "--dump-dom",
            frame.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=False)
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, f"no answer from Chromium: {done.stderr[-2000:]}"
    found: JsonDict = json.loads(unescape(answer[1]))
    assert "error" not in found, found
    return found
