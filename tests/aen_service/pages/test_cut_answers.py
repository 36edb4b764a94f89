"""A page whose form is sent while an answer has begun, and an answer that breaks off; a server of ours sends them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers.site import Site

import aen_service.pages

_STATIC = Path(aen_service.pages.__file__).parent / "static"
_PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<p id="connection" hidden></p><p id="given"></p>
<form method="post" action="/sent"><button>Send</button></form>
<script type="module">
import {{ getJson }} from "/page.js";
document.querySelector("#given").textContent = "asking";
getJson("/{part}").then((given) => {{ document.querySelector("#given").textContent = JSON.stringify(given); }});
</script>"""


class _Cut(BaseHTTPRequestHandler):
    """Send half of an answer, then wait for `end`, or break off."""

    begun = threading.Event()
    end = threading.Event()

    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        if path in {"half", "broken"}:
            self._send(b'{"half', "application/json", length=100)
            self.begun.set()
            if path == "half":
                self.end.wait(60)
            self.close_connection = True
        elif path == "page.js":
            self._send((_STATIC / "page.js").read_bytes(), "text/javascript")
        else:
            self._send(_PAGE.format(part=path.removeprefix("for-")).encode(), "text/html")

    def do_POST(self) -> None:
        self.end.wait(1)  # the page that sent its form stays for a while
        self._send(b'<!doctype html><link rel="icon" href="data:,"><p id="sent">sent</p>', "text/html")

    def _send(self, body: bytes, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    _Cut.begun.clear()
    _Cut.end.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cut) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        _Cut.end.set()
        server.shutdown()


def test_an_answer_that_has_begun_is_given_up_quietly_when_a_form_is_sent(browser: Any, address: str) -> None:
    site = Site(browser, address)
    site.page.goto("/for-half")
    assert _Cut.begun.wait(60)
    site.page.wait_for_timeout(500)  # its head is there
    site.page.get_by_role("button").click()
    site.page.wait_for_selector("#sent")
    site.context.close()
    assert site.errors == []


def test_an_answer_that_breaks_off_is_a_lost_connection(browser: Any, address: str) -> None:
    site = Site(browser, address)
    site.expected.append("ERR_CONTENT_LENGTH_MISMATCH")  # Chromium says so
    site.page.goto("/for-broken")
    site.page.wait_for_function("document.querySelector('#given').textContent === 'null'")
    assert "does not answer" in site.page.inner_text("#connection")
    site.context.close()
    assert site.errors == []
