import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aen._typing import JsonDict
from aen.errors import RunFolderError, StoreError
from aen_agents.report import build_report
from aen_agents.run_folder import RunFolder


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in ("h1", "h2") and data.strip():
            self.titles.append(data.strip())


def copy_of(run: RunFolder, to: Path) -> RunFolder:
    shutil.copytree(run.path, to)
    return RunFolder(to)


def test_the_page_needs_nothing_from_elsewhere(finished: tuple[RunFolder, JsonDict]) -> None:
    page = Page(finished[0].report_file.read_text())
    assert page.addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert 'name="viewport"' in finished[0].report_file.read_text()


def test_the_page_shows_every_picture_and_the_verdict(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    text = folder.report_file.read_text()
    page = Page(text)
    for title in (
        "What the winner ties together",
        "The best classes on fresh seeds",
        "The search",
        "Accuracy by class",
        "Accuracy against parameters",
        "Some of the images it saw",
    ):
        assert title in page.titles
    assert page.tags.count("svg") == 6
    for role in ("winner", "baseline"):
        assert f"{100 * summary[role]['test_accuracy_mean']:.1f} %" in text
        assert f"{summary[role]['parameters']:,}" in text
    assert summary["winner"]["decomposition"] in page.titles[0] or summary["winner"]["decomposition"] == "none"


def test_building_it_again_gives_the_same_page(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    before = folder.report_file.read_text()
    build_report(folder)
    assert folder.report_file.read_text() == before


def test_without_a_summary_the_store_still_shows(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.summary_file.unlink()
    build_report(folder)
    page = Page(folder.report_file.read_text())
    assert page.titles[0] == "This search was interrupted"
    assert "Accuracy by class" in page.titles
    best = max(visit["accuracy"] for visit in folder.history())
    assert re.search(rf"best reached {100 * best:.1f} %", folder.report_file.read_text())


def test_a_torn_history_is_read_up_to_the_tear(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    whole = folder.history()
    folder.history_file.write_text(folder.history_file.read_text()[:-20])
    assert folder.history() == whole[:-1]
    build_report(folder)


def test_a_damaged_summary_is_named(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.summary_file.write_text('{"status": "comp')
    with pytest.raises(RunFolderError, match=r"summary.json is damaged"):
        build_report(folder)


def test_a_missing_store_is_named(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.store_file.unlink()
    with pytest.raises(StoreError, match="does not exist"):
        build_report(folder)
    assert not folder.store_file.exists()
