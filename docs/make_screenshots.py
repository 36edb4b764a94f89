"""Draws docs/images/service-*.png: the page of a service with real searches, in Chromium.

    python docs/make_screenshots.py

It needs Debian's chromium, playwright and pillow, and takes a few minutes: two searches of the digits run to their
end, and a third one is shown while it runs.
"""

import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from sklearn.datasets import load_digits

from aen_service.serve import make_server, open_port
from aen_service.service import Service
from aen_service.settings import Settings

IMAGES = Path(__file__).parent / "images"
_DESKTOP, _PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 800}
_SETTINGS: dict[str, object] = {"training.epochs": 8, "budget.children": 40, "selection.top": 3}
_LONG: dict[str, object] = {"training.epochs": 200, "budget.children": 148}  # runs until it is stopped
_FIRST_CHILDREN = 25  # of the search that runs, before it is shown
_COLOURS = 128  # of a palette: screenshots of text and curves lose nothing that is seen
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Draw all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        listener, port = open_port("127.0.0.1", 0, any_port=False)
        with listener, Service(Settings(root=Path(folder) / "runs", port=port)) as service:
            secret = service.tokens.add("ada", "operator")[1]
            server = make_server(service)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            headers = {"Authorization": f"Bearer {secret}"}
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_OPTIONS)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                _draw(browser, client, secret, Path(folder))
            browser.close()
            server.should_exit = True
            thread.join()


def _draw(browser: Browser, client: httpx.Client, secret: str, folder: Path) -> None:
    while not _answers(client):
        time.sleep(0.2)
    done = [_submit(client, f"rotated-digits-{seed}", seed) for seed in (1, 2)]
    data = _upload(client, folder)
    _wait(client, done[1], "complete")
    going = _submit(client, "rotated-digits-3", 3, **_LONG)
    _wait(client, going, "running")
    while _goes_on(client, going) and not _is_worth_a_picture(client, going):
        time.sleep(0.5)
    shoot(browser, client, secret, done=done, going=going, data=data)
    client.post(f"/api/v1/searches/{going}/stop")
    _wait(client, going, "stopped")


def shoot(browser: Browser, client: httpx.Client, secret: str, *, done: list[str], going: str, data: str) -> None:
    """Draw the pictures of a service with two searches that are complete, one that runs, and a data set."""
    best = client.get(f"/api/v1/searches/{done[0]}/classes?size=1").json()["items"][0]["class_key"]
    shots: list[tuple[str, str, str, dict[str, int]]] = [
        ("service-search", f"/searches/{done[0]}?class={best}", "light", {"width": 1200, "height": 1640}),
        ("service-search-dark", f"/searches/{going}", "dark", _DESKTOP),
        ("service-phone", f"/searches/{done[0]}", "light", _PHONE),
        ("service-searches", "/searches", "light", {"width": 1200, "height": 480}),
        ("service-new", "/searches/new?budget.children=40", "light", _DESKTOP),
        ("service-agent", f"/searches/{going}?view=agent", "dark", {"width": 1200, "height": 900}),
        ("service-compare", f"/compare?search={done[0]}&search={done[1]}", "light", {"width": 1200, "height": 900}),
        ("service-data", f"/datasets/{data}", "light", _DESKTOP),
        ("service-groups", "/groups?factor=rot90&factor=hflip", "dark", {"width": 1200, "height": 1050}),
    ]
    for name, path, scheme, size in shots:
        context: Any = browser.new_context(
            base_url=str(client.base_url), viewport=size, color_scheme=scheme, device_scale_factor=1
        )
        page = context.new_page()
        page.goto(f"/login#{secret}")
        page.wait_for_url("**/searches")
        page.goto(path)
        page.wait_for_selector("[data-pending]", state="detached", timeout=60_000)
        page.wait_for_timeout(1500)
        file = IMAGES / f"{name}.png"
        page.screenshot(path=file)
        if going in path:
            _goes_on(client, going)
        Image.open(file).convert("RGB").quantize(_COLOURS).save(file, optimize=True)
        sys.stdout.write(f"{file.name}: {file.stat().st_size / 1000:.0f} kB\n")
        context.close()


def _goes_on(client: httpx.Client, search: str) -> bool:
    """Check that a search runs: its pictures show one that does."""
    state = client.get(f"/api/v1/searches/{search}").json()["state"]
    if state != "running":
        raise SystemExit(f"the search that is shown while it runs is {state}; give it more to do")
    return True


def _is_worth_a_picture(client: httpx.Client, search: str) -> bool:
    found = client.get(f"/api/v1/searches/{search}").json()
    return (
        found["children"] >= _FIRST_CHILDREN
        and client.get(f"/api/v1/searches/{search}/agent").json()["loss"] is not None
    )


def _submit(client: httpx.Client, name: str, seed: int, **overrides: object) -> str:
    body = {"preset": "digits", "name": name, "overrides": _SETTINGS | {"seed": seed} | overrides}
    return str(client.post("/api/v1/searches", json=body).raise_for_status().json()["id"])


def _upload(client: httpx.Client, folder: Path) -> str:
    digits = load_digits()
    file = folder / "digits.npz"
    np.savez(file, images=(digits.images * 15).astype(np.uint8), labels=digits.target)
    with file.open("rb") as content:
        answer = client.post("/api/v1/datasets", files={"file": content}, data={"name": "my digits"})
    return str(answer.raise_for_status().json()["id"])


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def _wait(client: httpx.Client, search: str, state: str) -> None:
    while (found := client.get(f"/api/v1/searches/{search}").json())["state"] != state:
        if found["state"] in {"failed", "lost"}:
            raise SystemExit(f"the search {found['state']}: {found['message']}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
