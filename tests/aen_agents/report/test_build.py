import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aen._typing import JsonDict
from aen.errors import RunFolderError, StoreError
from aen.results.store import ResultStore
from aen_agents.config import load_config
from aen_agents.report import build_report
from aen_agents.report.build import _config_text
from aen_agents.report.failures import MOST_SHOWN
from aen_agents.runs.folder import RunFolder


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
        if self.tags and self.tags[-1] in ("h1", "h2", "h3") and data.strip():
            self.titles.append(data.strip())


def copy_of(run: RunFolder, to: Path) -> RunFolder:
    shutil.copytree(run.path, to)
    return RunFolder(to)


def test_the_page_needs_nothing_from_elsewhere(finished: tuple[RunFolder, JsonDict]) -> None:
    page = Page(finished[0].report_file.read_text())
    assert page.addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert 'name="viewport"' in finished[0].report_file.read_text()


def test_the_page_shows_every_picture_and_the_verdict(finished: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = finished
    text = folder.report_file.read_text()
    page = Page(text)
    tied = summary["winner"]["decomposition"] != "none"
    assert ("What the winner ties together" in page.titles) is tied
    assert ("The winner on your images" in page.titles) is tied
    for title in (
        "What the images say",
        "How it was compared",
        "The best classes on fresh seeds",
        "The search",
        "Learning curve",
        "The networks tried",
        "The whole space",
        "Accuracy by class",
        "Accuracy against parameters",
        "Some of the training images",
        "Run it again",
    ):
        assert title in page.titles
    assert page.tags.count("svg") == 2 * (6 + tied)  # for wide and for narrow screens
    for role in ("winner", "baseline"):
        assert f"{100 * summary[role]['test_accuracy_mean']:.1f} %" in text
        assert f"{summary[role]['parameters']:,}" in text


def verdict(folder: RunFolder, **difference: object) -> tuple[str, str]:
    summary = folder.summary()
    assert summary is not None
    summary.pop("verdict", None)  # as in summaries of earlier versions, which have no sentences
    summary["winner"] |= {"decomposition": "rot90", "group": "C4", "class_key": "c4"}
    summary["winner"].pop("rival", None)
    summary["winner_minus_baseline"] |= difference
    folder.summary_file.write_text(json.dumps(summary))
    build_report(folder)
    text = folder.report_file.read_text()
    return Page(text).titles[0], text


@pytest.mark.parametrize(
    ("mean", "interval", "title", "words"),
    [
        (0.03, [0.01, 0.05], "Build in C4: rot90", "+3.0 points"),
        (0.03, [-0.01, 0.07], "No gain is shown; highest on validation: rot90 (C4)", "the interval contains zero"),
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


@pytest.mark.usefixtures("pictures")
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


def test_a_result_is_its_summary_typed(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    result = finished[0].result()
    assert result is not None
    assert result.to_json() == finished[1] == finished[0].summary()
    assert RunFolder(tmp_path).result() is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"winner": 3}, "its content has the wrong type"),
        ({"selection": [{"decomposition": "d"}]}, "it lacks group"),
        ({"seconds": {}}, "it lacks total"),
    ],
    ids=["winner", "selection", "seconds"],
)
def test_a_summary_with_a_damaged_part_is_named(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, damage: JsonDict, words: str
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.summary_file.write_text(json.dumps(finished[1] | damage))
    with pytest.raises(RunFolderError, match=rf"summary\.json is damaged: {words}"):
        folder.result()


def test_a_missing_store_is_named(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.store_file.unlink()
    with pytest.raises(StoreError, match="does not exist"):
        build_report(folder)
    assert not folder.store_file.exists()


def failing(folder: RunFolder, count: int, traceback: str) -> None:
    """Put children that failed into the store of a run: of a class that it met, on its first seeds."""
    with ResultStore(folder.store_file) as store:
        evaluation, spec = next(store.evaluations())
        for seed in range(5_000, 5_000 + count):
            failed = replace(
                evaluation,
                key=spec.with_seed(seed).key,
                seed=seed,
                status="failed",
                validation_accuracy=0.0,
                parameters=0,
                record={"failure": {"kind": "timeout", "tries": 3, "traceback": traceback}},
            )
            store.commit(failed, spec.with_seed(seed))


def test_without_failures_there_is_no_list_of_them(finished: tuple[RunFolder, JsonDict]) -> None:
    assert "Children that failed" not in finished[0].report_file.read_text()


def test_children_that_failed_are_shown_with_their_traceback_folded(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    failing(folder, 2, "Traceback:\n  <script>alert('x')</script> & more")
    build_report(folder)
    text = folder.report_file.read_text()
    page = Page(text)
    assert "Children that failed" in page.titles
    assert text.count(">traceback</summary>") == 2
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more" in text
    with ResultStore(folder.store_file) as store:
        (evaluation, spec), *_ = [found for found in store.evaluations() if found[0].status == "failed"]
    for words in (spec.name, evaluation.class_key, "it took longer than the limit", "5000", ">3<"):
        assert words in text
    assert "more.</p>" not in text


def test_only_so_many_failures_are_shown(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    failing(folder, MOST_SHOWN + 7, "x" * 30_000 + " the end")
    build_report(folder)
    text = folder.report_file.read_text()
    assert text.count(">traceback</summary>") == MOST_SHOWN
    assert "and 7 more." in text
    assert text.count(" the end</pre>") == MOST_SHOWN
    assert "x" * 15_000 not in text


@pytest.mark.parametrize("record", [None, {}, {"failure": 5}, {"failure": {"kind": None, "tries": [1]}}])
def test_a_failure_that_says_nothing_is_still_shown(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path, record: JsonDict | None
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    with ResultStore(folder.store_file) as store:
        evaluation, spec = next(store.evaluations())
        spec = spec.with_seed(77)
        store.commit(replace(evaluation, key=spec.key, seed=77, status="failed", record=record), spec)
    build_report(folder)
    page = Page(folder.report_file.read_text())
    assert "Children that failed" in page.titles
    assert ">traceback</summary>" not in folder.report_file.read_text()


def test_failures_in_exploring_count_with_accuracy_0_and_do_not_stop_the_report(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    folder.summary_file.unlink()
    with ResultStore(folder.store_file) as store:
        results = [(e, spec) for e, spec in store.evaluations() if e.seed == 0]
    folder.store_file.unlink()
    with ResultStore(folder.store_file) as store:
        store.commit_many(
            [(replace(e, status="failed", validation_accuracy=0.0, parameters=0, weights=None), s) for e, s in results]
        )
    build_report(folder)
    text = folder.report_file.read_text()
    assert "0 children are trained; the best reached 0.0 %" in text
    assert Page(text).titles.count("Children that failed") == 1


def test_a_winner_that_failed_on_a_seed_says_so(finished: tuple[RunFolder, JsonDict], tmp_path: Path) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    summary = folder.summary()
    assert summary is not None
    assert "failed_seeds" not in summary["winner"]
    summary["baseline"]["failed_seeds"] = [1_000_001, 1_000_007]
    summary["winner"]["class_key"] = "other"
    folder.summary_file.write_text(json.dumps(summary))
    build_report(folder)
    assert "failed on seed 1000001, 1000007, which counts as 0" in folder.report_file.read_text()


@pytest.mark.slow
def test_a_store_elsewhere_that_runs_share_shows_what_is_this_run_s(
    finished: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    folder = copy_of(finished[0], tmp_path / "copy")
    build_report(folder)
    expected = Page(folder.report_file.read_text())
    shared = tmp_path / "shared.sqlite"
    folder.store_file.rename(shared)
    config = folder.config().model_copy(update={"store": str(shared)})
    folder.config_file.write_text(config.to_yaml())
    with ResultStore(shared) as store:
        before = list(store.evaluations())
        for evaluation, spec in before:
            # Of another run, with other data: what has its class and seed, and better figures.
            other = replace(spec, data=replace(spec.data, split_seed=99))
            better = replace(evaluation, key=other.key, validation_accuracy=1.0)
            store.commit(better, other)
            longer = replace(spec, training=replace(spec.training, epochs=50))
            store.commit(replace(better, key=longer.key, status="failed"), longer)
    build_report(folder)
    text = folder.report_file.read_text()
    assert Page(text).titles == expected.titles
    folder.summary_file.unlink()
    build_report(folder)
    explored = [e for e, _ in before if e.seed == 0]
    best = max(e.validation_accuracy for e in explored)
    assert (
        f"{len(explored)} children are trained; the best reached {100 * best:.1f} %" in folder.report_file.read_text()
    )
    shared.unlink()
    with pytest.raises(StoreError, match=r"shared\.sqlite does not exist"):
        build_report(folder)


def test_the_config_in_a_report_names_no_folders_of_this_machine() -> None:
    config = load_config("digits", ["store=/home/ann/projects/results.sqlite"])
    text = _config_text(config)
    assert "store: '.../results.sqlite'" in text
    assert "/home" not in text
    assert _config_text(load_config("digits", [])) == load_config("digits", []).to_yaml()
