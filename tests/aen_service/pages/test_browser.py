"""The page in Chromium. No message of the console and no blocked request is allowed (see the fixture)."""

import io
import re
from typing import Any

import httpx
import numpy as np
import pytest
from helpers.services import SMALL, wait_for
from helpers.site import PHONE, OpenSite

from aen_service.service import Service

from .conftest import secret_of, submit

Finished = tuple[Service, httpx.Client, list[str]]
Served = tuple[Service, httpx.Client]


def expect(locator: Any) -> Any:
    from playwright.sync_api import expect as expected  # after the fixture that skips

    expected.set_options(timeout=120_000)
    return expected(locator)


@pytest.mark.slow  # test_forms.py submits one by the form, and the next tests watch and stop one
def test_a_search_is_submitted_and_watched_to_its_end(open_site: OpenSite, served: Served) -> None:
    _, client = served
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client), "/")
    assert "#" not in page.url
    page.get_by_role("link", name="New search").first.click()
    page.get_by_label("Name", exact=True).fill("from-the-page")
    for key, value in SMALL.items():
        field = page.locator(f'[name="{key}"]')
        section = page.locator("details", has=field)
        if not section.evaluate("box => box.open"):
            section.locator("summary").click()
        field.fill(str(value).replace("'", ""))
    # What is chosen is in the address, and its cost is said before it starts.
    page.wait_for_url(re.compile(r"budget\.children=4"))
    expect(page.get_by_text("Networks to train")).to_be_visible()
    page.get_by_role("button", name="Start the search").click()
    page.wait_for_url(re.compile(r"/searches/[0-9a-f]{24}$"))
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator(".badge.complete")).to_be_visible()
    expect(page.locator("#curve canvas")).to_be_visible()
    expect(page.locator("#lattice [data-class]").first).to_be_attached()
    expect(page.locator("#lattice .role-mark")).to_have_text("winner")
    assert page.evaluate("window.isTheSamePage") is True


def test_the_list_shows_what_changes_elsewhere(open_site: OpenSite, served: Served) -> None:
    service, client = served
    site = open_site(client)
    site.log_in(secret_of(client))
    service.searches.add(path="elsewhere", name="elsewhere", state="failed", request={"preset": "digits"})
    expect(site.page.get_by_role("link", name="elsewhere")).to_be_visible()


def test_a_class_is_chosen_by_click_by_keyboard_and_by_link(open_site: OpenSite, finished: Finished) -> None:
    _, client, ids = finished
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client), f"/searches/{ids[0]}")
    lattice = page.locator("#lattice")
    expect(lattice.locator("[tabindex='0']")).to_have_count(1)
    lattice.locator("[data-class]:not(.none)").first.locator("circle").click()
    expect(page.locator("#panel")).to_contain_text("Parameters")
    chosen = re.search(r"class=(\w+)", page.url)
    assert chosen is not None
    entry = lattice.locator("[tabindex='0']")
    entry.focus()
    before = entry.get_attribute("data-class")
    for key in ("ArrowUp", "ArrowDown", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowUp")
    focused = page.evaluate("document.activeElement.dataset.class")
    assert focused
    page.keyboard.press("Enter")
    expect(lattice.locator("[aria-pressed=true]")).to_have_attribute("data-class", focused)
    assert focused in page.url
    assert before
    page.goto(f"/searches/{ids[0]}?class={chosen[1]}")
    expect(page.locator("#panel h3")).to_be_visible()
    expect(lattice.locator(f"[data-class='{chosen[1]}'][aria-pressed=true]")).to_be_attached()


def test_a_search_is_stopped_and_resumed(open_site: OpenSite, served: Served) -> None:
    _, client = served
    search = submit(client, "to-stop", **{"budget.children": 60, "training.epochs": 40, "seed": 5})
    wait_for(client, search, {"running"})
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client), f"/searches/{search}")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".badge.stopped")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".badge.running, .badge.queued")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".badge.stopped")).to_be_visible()
    # Clone brings its settings into the form; delete asks first.
    page.get_by_role("link", name="Clone").click()
    expect(page.locator('[name="budget.children"]')).to_have_value("60")
    page.go_back()
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete this search").click()
    page.wait_for_url("**/searches")
    assert client.get(f"/api/v1/searches/{search}").status_code == 404


def test_a_page_asks_for_nothing_after_its_search_was_deleted(open_site: OpenSite, served: Served) -> None:
    service, client = served
    record = service.searches.add(path="slow", name="slow", state="failed", request={"preset": "digits"})
    site = open_site(client)
    page = site.page
    asked: list[str] = []

    def delete_slowly(route: Any) -> None:
        assert client.delete(f"/api/v1/searches/{record.id}").status_code == 204
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(2500)  # the stream tells the page that the search was removed
        route.fulfill(status=303, headers={"location": "/searches"})

    page.route("**/delete", delete_slowly)
    with page.expect_response(re.compile(rf"{record.id}/events")):
        site.log_in(secret_of(client), f"/searches/{record.id}")
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete this search").click()
    page.wait_for_url("**/searches")
    assert not [address for address in asked if record.id in address]


def test_a_page_says_that_its_search_was_deleted(open_site: OpenSite, served: Served) -> None:
    service, client = served
    record = service.searches.add(path="gone", name="gone", state="failed", request={"preset": "digits"})
    site = open_site(client)
    site.expected.append("404")  # Chromium says so
    with site.page.expect_response(re.compile(rf"{record.id}/events")):
        site.log_in(secret_of(client), f"/searches/{record.id}")
    assert client.delete(f"/api/v1/searches/{record.id}").status_code == 204
    expect(site.page.locator("#connection")).to_have_text("This is not there any more: it was deleted.")
    asked: list[str] = []
    site.page.on("request", lambda request: asked.append(request.url))
    site.page.wait_for_timeout(4000)  # longer than a page without a stream waits until it asks again
    assert asked == []
    site.context.set_offline(True)
    site.context.set_offline(False)
    assert site.page.locator("#connection").inner_text() == "This is not there any more: it was deleted."


def test_an_address_that_is_not_there_does_not_end_the_page_that_asked_for_it(
    open_site: OpenSite, served: Served
) -> None:
    site = open_site(served[1])
    site.expected.append("404")  # Chromium says so
    site.log_in(secret_of(served[1]))
    asked = """async () => {
        const page = await import(document.querySelector("script[src*='live.js']").src.replace("live.js", "page.js"));
        return [await page.refresh("/searches/none"), await page.getJson("/api/v1/searches")];
    }"""
    nothing, searches = site.page.evaluate(asked)
    assert nothing is None
    assert "items" in searches


def test_two_searches_are_compared(open_site: OpenSite, finished: Finished) -> None:
    _, client, ids = finished
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client))
    button = page.locator("#compare")
    expect(button).to_be_disabled()
    for box in page.get_by_role("checkbox").all():
        box.check()
    expect(button).to_have_text("Compare 2")
    button.click()
    page.wait_for_url("**/compare?**")
    expect(page.locator("#curves-chart canvas")).to_be_visible()
    expect(page.get_by_role("region", name="Table of verdicts").get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("region", name="Table of differences")).to_contain_text("digits-1")
    assert all(search in page.url for search in ids)


def test_images_are_uploaded_looked_at_and_deleted(open_site: OpenSite, served: Served) -> None:
    _, client = served
    generator = np.random.default_rng(0)
    content = io.BytesIO()
    images = generator.integers(0, 255, (120, 8, 8), dtype=np.uint8)
    np.savez(content, images=images, labels=np.arange(120) % 3)
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client), "/datasets")
    site.expected.append("422")  # Chromium reports the answer to nonsense
    page.locator("#file").set_input_files({"name": "bad.npz", "mimeType": "application/zip", "buffer": b"nonsense"})
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#upload-problem")).not_to_be_empty()
    page.locator("#data-name").fill("")
    page.locator("#file").set_input_files({"name": "leaves.npz", "mimeType": "", "buffer": content.getvalue()})
    expect(page.locator("#data-name")).to_have_value("leaves")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/datasets/*")
    expect(page.locator("#sample-images canvas").first).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_role("link", name="Search with it").click()
    expect(page.locator("#dataset option:checked")).to_have_text("leaves")
    page.go_back()
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete this data set").click()
    page.wait_for_url("**/datasets")
    expect(page.get_by_text("No data sets yet")).to_be_visible()


def test_groups_are_drawn_as_generators_are_clicked(open_site: OpenSite, finished: Finished) -> None:
    _, client, _ = finished
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client), "/groups")
    for name in ("rot90", "hflip"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    expect(page.locator(".verdict")).to_contain_text("D4")
    expect(page.locator(".verdict")).to_contain_text("order 8")
    assert "factor=rot90&factor=hflip" in page.url
    # The orbits of D4 on 6x6: 6 colours, drawn in the server's picture, and as many kinds of weights as said.
    colours = page.locator(".cells rect").evaluate_all(
        "boxes => new Set(boxes.map((b) => b.getAttribute('fill'))).size"
    )
    assert colours == 6
    page.wait_for_selector("canvas.tied[data-painted]")
    page.reload()
    expect(page.locator(".verdict")).to_contain_text("D4")


def test_a_viewer_sees_no_buttons(open_site: OpenSite, finished: Finished) -> None:
    service, client, ids = finished
    site = open_site(client)
    page = site.page
    site.log_in(service.tokens.add("looker", "viewer")[1], f"/searches/{ids[0]}")
    expect(page.locator("#curve canvas")).to_be_visible()
    for name in ("Stop", "Resume", "Clone", "Delete", "New search", "Failures"):
        assert page.get_by_role("button", name=name).count() + page.get_by_role("link", name=name).count() == 0, name
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")


def test_offline_is_said_and_recovered_from(open_site: OpenSite, served: Served) -> None:
    service, client = served
    site = open_site(client)
    page = site.page
    site.log_in(secret_of(client))
    site.expected += ["ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    site.context.set_offline(True)
    expect(page.locator("#connection")).to_contain_text("offline")
    service.searches.add(path="meanwhile", name="meanwhile", state="failed", request={"preset": "digits"})
    site.context.set_offline(False)
    expect(page.get_by_role("link", name="meanwhile")).to_be_visible()
    expect(page.locator("#connection")).to_be_hidden()


def test_a_link_is_followed_after_logging_in(open_site: OpenSite, finished: Finished) -> None:
    _, client, ids = finished
    site = open_site(client)
    page = site.page
    site.expected.append("401")  # the wrong token below
    page.goto(f"/searches/{ids[1]}?view=children")
    page.get_by_label("Token").fill("aen_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    page.get_by_label("Token").fill(secret_of(client))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**/searches/{ids[1]}?view=children")
    expect(page.get_by_role("row")).not_to_have_count(1)
    # A link from elsewhere comes without the cookie; the page finds out that someone is logged in.
    page.goto("/login?next=/groups")
    page.wait_for_url("**/groups")


def test_what_is_typed_filters_the_children(open_site: OpenSite, finished: Finished) -> None:
    _, client, ids = finished
    site = open_site(client, viewport=PHONE)
    page = site.page
    site.log_in(secret_of(client), f"/searches/{ids[0]}?view=children")
    page.get_by_label("Factors contain").fill("nothing has this name")
    expect(page.get_by_text("No child fits")).to_be_visible()
    assert "name=nothing" in page.url
    page.reload()
    expect(page.get_by_text("No child fits")).to_be_visible()
