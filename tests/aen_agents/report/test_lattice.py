import itertools
import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aen._typing import JsonDict
from aen.groups import Alphabet, enumerate_classes
from aen.groups.inclusion import covers
from aen_agents.report import build_report
from aen_agents.report.drawing import NARROW, WIDE
from aen_agents.report.lattice import LatticeClass, lattice
from aen_agents.runs.folder import RunFolder

SVG = "{http://www.w3.org/2000/svg}"


def covers_by_definition(sets: list[frozenset[int]]) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a, b in itertools.permutations(range(len(sets)), 2)
        if sets[a] < sets[b] and not any(sets[a] < c < sets[b] for c in sets)
    }


@given(st.sets(st.integers(0, 255), min_size=1, max_size=40))
def test_lines_are_those_of_the_definition(masks: set[int]) -> None:
    closed = sorted(masks)
    sets = [frozenset(i for i in range(8) if mask >> i & 1) for mask in closed]
    found = covers(closed)
    assert len(found) == len(set(found))
    assert set(found) == covers_by_definition(sets)


def test_lines_of_a_real_space_say_which_orbits_contain_which() -> None:
    table = enumerate_classes(Alphabet.of(["rot90", "hflip", "vflip", "swap_lr", "swap_tb"]), (4, 4))
    closed = [table.closed_set(c) for c in table.classes]
    orbits = [c.orbits for c in table.classes]
    for a, b in covers(closed):
        assert orbits[a] > orbits[b]
    untied = closed.index(0)
    below_all = {untied}
    for a, b in sorted(covers(closed), key=lambda edge: closed[edge[0]].bit_count()):
        if a in below_all:
            below_all.add(b)
    assert below_all == set(range(len(closed)))


def drawn(classes: list[LatticeClass]) -> ET.Element:
    return ET.fromstring(lattice(classes))  # noqa: S314 - made just now


def test_every_class_is_a_circle_that_says_what_it_is() -> None:
    classes = [
        LatticeClass(0, "none", 0.5, "untied"),
        LatticeClass(1, "<rot90>", 0.9, "winner"),
        LatticeClass(2, "hflip", None),
        LatticeClass(3, "rot90 + hflip", 0.7, "hidden group"),
    ]
    page = drawn(classes)
    titles = {title.text for circle in page.iter(f"{SVG}circle") for title in circle.iter(f"{SVG}title")}
    assert titles == {"none: 50.0%", "<rot90>: 90.0%", "hflip: not visited", "rot90 + hflip: 70.0%"}
    texts = {text.text for text in page.iter(f"{SVG}text")}
    assert {"untied: none", "winner: <rot90>", "hidden group: rot90 + hflip", "not visited", "50.0%", "90.0%"} <= texts
    (lines,) = page.iter(f"{SVG}path")
    assert lines.attrib["d"].count("M") == 4


def test_equal_accuracies_can_be_drawn() -> None:
    page = drawn([LatticeClass(0, "none", 0.5), LatticeClass(1, "rot90", 0.5)])
    assert len([c for c in page.iter(f"{SVG}circle") if len(c)]) == 2


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("count", [32, 216])
def test_circles_stay_apart_and_the_file_small(count: int, width: float) -> None:
    classes = [LatticeClass(mask, f"factors {mask}", mask / count) for mask in range(count)]
    text = lattice(classes, width)
    assert len(text) < 400_000
    places: dict[str, list[float]] = {}
    for circle in ET.fromstring(text).iter(f"{SVG}circle"):  # noqa: S314
        if len(circle):
            places.setdefault(circle.attrib["cy"], []).append(float(circle.attrib["cx"]))
            radius = float(circle.attrib["r"])
    for row in places.values():  # places are rounded to whole pixels
        assert all(b - a + 1 >= 2 * radius for a, b in itertools.pairwise(sorted(row)))


@pytest.mark.usefixtures("pictures")
def test_the_report_of_a_whole_space(exhausted: tuple[RunFolder, JsonDict]) -> None:
    folder, summary = exhausted
    text = folder.report_file.read_text()
    assert "The best of all 12 networks" in text
    assert f"{summary['space']['not_separated_from_best']} of 12 are not worse than it" in text
    assert "mean over 3 seeds" in text
    assert "not visited" not in text
    shown = [row for row in summary["space"]["classes"] if row["rank"] <= 10]
    for row in shown:
        assert f"{100 * row['best_minus_it']['validation_accuracy_mean']:+.1f}" in text
    build_report(folder)
    assert folder.report_file.read_text() == text


def test_the_report_of_a_walk_shows_what_it_did_not_meet(finished: tuple[RunFolder, JsonDict]) -> None:
    text = finished[0].report_file.read_text()
    missing = finished[1]["classes"] - finished[1]["classes_visited"]
    assert text.count(": not visited</title>") == 2 * missing  # for wide and for narrow screens
    assert text.count(">not visited</td>") == missing
    assert "The best of all" not in text


def test_an_interrupted_space_is_drawn_as_far_as_it_is_known(
    exhausted: tuple[RunFolder, JsonDict], tmp_path: Path
) -> None:
    shutil.copytree(exhausted[0].path, tmp_path / "copy")
    folder = RunFolder(tmp_path / "copy")
    kept = set(folder.summary() or {}) - {"winner", "baseline", "selection", "hidden_group", "space"}
    summary = {name: (folder.summary() or {})[name] for name in kept} | {"status": "interrupted"}
    folder.summary_file.write_text(json.dumps(summary))
    build_report(folder)
    text = folder.report_file.read_text()
    assert "36 children are trained" in text
    assert "The whole space" in text
