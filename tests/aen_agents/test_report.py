import json
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
    tied = summary["winner"]["decomposition"] != "none"
    assert ("What the winner ties together" in page.titles) is tied
    for title in (
        "The best classes on fresh seeds",
        "The search",
        "The whole space",
        "Accuracy by class",
        "Accuracy against parameters",
        "Some of the images it saw",
    ):
        assert title in page.titles
    assert page.tags.count("svg") == 6 + tied
    for role in ("winner", "baseline"):
        assert f"{100 * summary[role]['test_accuracy_mean']:.1f} %" in text
        assert f"{summary[role]['parameters']:,}" in text


def verdict(folder: RunFolder, **difference: object) -> tuple[str, str]:
    summary = folder.summary()
    assert summary is not None
    summary["winner"] |= {"decomposition": "rot90", "group": "C4", "class_key": "c4"}
    summary["winner_minus_baseline"] |= difference
    folder.summary_file.write_text(json.dumps(summary))
    build_report(folder)
    text = folder.report_file.read_text()
    return Page(text).titles[0], text


@pytest.mark.parametrize(
    ("mean", "interval", "title", "words"),
    [
        (0.03, [0.01, 0.05], "Build in C4: rot90", "+3.0 points"),
        (0.03, [-0.01, 0.07], "No gain is shown; highest on validation: rot90 (C4)", "the interval holds zero"),
        (-0.03, [-0.05, -0.01], "No gain is shown; highest on validation: rot90 (C4)", "worse, beyond the interval"),
    ],
)
def test_the_verdict_says_what_the_interval_says(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, mean: float, interval: list[float], title: str, words: str
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    difference = {"test_accuracy_mean": mean, "test_accuracy_interval": interval, "better_on_test": interval[0] > 0}
    found, text = verdict(folder, **difference)
    assert found == title
    assert words in text


@pytest.mark.parametrize("content", ["[]", '{"status": "complete"}', '{"status": "odd"}', "5"])
def test_a_summary_that_lacks_something_is_named(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, content: str
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.summary_file.write_text(content)
    with pytest.raises(RunFolderError, match=r"summary.json is damaged"):
        build_report(folder)


@pytest.mark.parametrize("line", ["5", '{"a": 1}', "\udcff"])
def test_a_damaged_history_is_read_up_to_the_damage(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, line: str
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    whole = folder.history()
    with folder.history_file.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{line}\n")
    assert folder.history() == whole
    build_report(folder)


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
