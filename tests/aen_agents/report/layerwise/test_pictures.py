"""The report's pictures of layer-wise methods, from histories that are made up here."""

import itertools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aen._typing import JsonDict
from aen.results.accuracy import TestAccuracy, ValidationAccuracy
from aen.results.result_rows import MethodRow
from aen_agents.events import SliceTrained
from aen_agents.report.layerwise.figures import (
    accuracy_by_method,
    accuracy_over_training,
    distance_over_training,
    groups_over_generations,
    pareto_front,
    shares_over_epochs,
)
from aen_agents.report.layerwise.history import ancestors, front, is_evolutionary, last_selected, leading
from aen_agents.report.layerwise.pictures import layerwise_pictures
from aen_agents.report.picture import Picture

LAYERS = 9
SHRINKING = ("D4", "C4", "C2", "C1")
NAMES = ("D4", "D2", "C4", "D1", "C2", "C1")
MIXED = "EquiNAS_D, mixed"
pytestmark = pytest.mark.usefixtures("pictures")


def entry(method: str, seed: int, slice_number: int, key: str, parent: str | None, **more: object) -> JsonDict:
    """Return a line of the history, as it is read from the file."""
    values = {
        "epochs": float(slice_number),
        "factors": "D4",
        "groups": ("D4",) * LAYERS,
        "class_key": key,
        "accuracy": 0.9,
        "train_loss": 0.3,
        "parameters": 20_000,
        "selected": True,
        "record": {"distance_to_base": [0.0] * LAYERS},
        **more,
    }
    event = SliceTrained(method=method, seed=seed, slice=slice_number, key=key, parent=parent, **values)
    found: JsonDict = json.loads(json.dumps(asdict(event)))
    return found


def chain(
    method: str, seed: int, slices: int, of: Callable[[int], JsonDict], parent: str | None = None
) -> list[JsonDict]:
    """Return a network that trains on, slice by slice."""
    found = []
    for number in range(1, slices + 1):
        key = f"{method}-{seed}-{number}"
        found.append(entry(method, seed, number, key, parent, **of(number)))
        parent = key
    return found


def reached(number: int, source: np.random.Generator) -> float:
    """Return an accuracy after some slices."""
    return 1 - 0.3 / number - 0.01 * source.random()


def static(method: str, slices: int, seeds: Sequence[int] = (0,)) -> list[JsonDict]:
    """Return a baseline whose distances grow."""
    source = np.random.default_rng(1)

    def of(number: int) -> JsonDict:
        distances = [number / slices * (layer + 1) / 12 for layer in range(LAYERS)]
        return {"accuracy": reached(number, source), "record": {"distance_to_base": distances}}

    return [line for seed in seeds for line in chain(method, seed, slices, of)]


def mixed(slices: int, *, skip: bool = True, names: Sequence[str] = NAMES) -> list[JsonDict]:
    """Return a mixed network: its first layer and its dense one have no skip."""
    source = np.random.default_rng(0)
    alphas = [[source.normal(0, 2) for _ in range(len(names) + (skip and 0 < n < 8))] for n in range(LAYERS)]

    def of(number: int) -> JsonDict:
        strengths = [[2 ** (alpha * number / slices) for alpha in layer] for layer in alphas]
        shares = [[value / sum(layer) for value in layer] for layer in strengths]
        record = {"distance_to_base": [0.1 * number / slices] * LAYERS, "temperature": 1.0, "shares": shares}
        return {"accuracy": reached(number, source), "groups": (), "record": record | {"alphas": alphas}}

    return chain("equinas_d", 0, slices, of)


def evolved(generations: int, seeds: Sequence[int] = (0,), children: int = 3, population: int = 2) -> list[JsonDict]:
    """Return an evolutionary search whose layers shrink from behind; in each generation one child diverges."""
    found = []
    for seed in seeds:
        source = np.random.default_rng(seed)
        alive: list[JsonDict] = [{"key": None, "groups": ["D4"] * LAYERS}]
        for number in range(1, generations + 1):
            born = []
            for place, parent in enumerate(alive * children):
                groups = list(parent["groups"])
                if source.random() < 0.3:
                    first = int(source.integers(LAYERS))
                    smaller = SHRINKING[min(SHRINKING.index(groups[first]) + 1, len(SHRINKING) - 1)]
                    groups[first:] = [max(smaller, g, key=SHRINKING.index) for g in groups[first:]]
                lost = place == children - 1
                record = {"distance_to_base": [0.05 * SHRINKING.index(group) for group in groups]}
                born.append(
                    entry(
                        "equinas_e",
                        seed,
                        number,
                        f"e-{seed}-{number}-{place}",
                        parent["key"],
                        groups=tuple(groups),
                        accuracy=0.0 if lost else reached(number, source),
                        parameters=sum(2_000 * 2 ** SHRINKING.index(group) for group in groups),
                        selected=False,
                        record=None if lost else record,
                    )
                )
            alive = sorted(born, key=lambda line: -line["accuracy"])[:population]
            for line in alive:
                line["selected"] = True
            found += born
    return found


def row(method: str, title: str, keys: Sequence[str]) -> MethodRow:
    """Return a method's row of the result."""
    count = len(keys)
    return MethodRow(
        method=method,
        title=title,
        decomposition=title,
        group="D4",
        class_key=method,
        parameters=20_000,
        seeds=tuple(range(count)),
        keys=tuple(keys),
        layer_groups=(None,) * count,
        parameters_of_seeds=(20_000,) * count,
        epochs=(1.0,) * count,
        validation=ValidationAccuracy(0.91, (0.89, 0.93) if count > 1 else (0.0, 1.0), (0.91,) * count),
        test=TestAccuracy(0.87, (0.85, 0.89) if count > 1 else (0.0, 1.0), (0.87,) * count),
    )


def branches_of(key: str) -> Sequence[str]:
    """Return the groups of the branches of a network: all mixed ones are alike here."""
    return NAMES if key.startswith("equinas_d-") else ()


def best_key(history: Sequence[JsonDict]) -> str:
    key: str = leading([line for line in history if line["seed"] == 0])["key"]
    return key


def words(svg: str) -> set[str]:
    """Return what is written in a picture, and its title."""
    (title,) = re.findall(r"<title>(.*?)</title>", svg)
    return {*re.findall(r"<text[^>]*>(.*?)</text>", svg), title}


def check_picture(svg: str) -> set[str]:
    root = ET.fromstring(svg)  # noqa: S314 - made just now
    assert root.tag.endswith("svg")
    assert root.attrib["role"] == "img"
    assert root[0].tag.endswith("title")
    return words(svg)


def shows(picture: Picture, svg: str) -> bool:
    """Return whether a picture of the page is this SVG."""
    return picture.wide == Picture.drawn(picture.title, "", lambda _: svg, picture.table).wide


def test_the_line_of_ancestors_leads_through_all_slices() -> None:
    history = evolved(6, seeds=(0, 1))
    by_key = {line["key"]: line for line in history}
    for last in history:
        line = ancestors(history, last["key"])
        assert line[-1] is last
        assert [line["slice"] for line in line] == list(range(1, last["slice"] + 1))
        assert line[0]["parent"] is None
        assert all(by_key[younger["parent"]] is older for older, younger in itertools.pairwise(line))


def test_a_line_starts_where_the_history_does_and_a_circle_ends() -> None:
    history = static("static_c1", 4)
    assert [line["slice"] for line in ancestors(history[2:], history[3]["key"])] == [3, 4]
    history[0]["parent"] = history[3]["key"]
    assert [line["slice"] for line in ancestors(history, history[3]["key"])] == [1, 2, 3, 4]
    assert ancestors(history, "unknown") == []
    assert ancestors([], "unknown") == []


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8))))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    def beaten(point: tuple[float, float]) -> bool:
        return any(p != point and p[0] <= point[0] and p[1] <= point[1] for p in points)

    assert front(points) == sorted({point for point in points if not beaten(point)})


def test_what_a_search_is_and_what_stands_for_it() -> None:
    history = evolved(4, seeds=(0, 1))
    assert is_evolutionary(history)
    assert {(line["seed"], line["slice"]) for line in last_selected(history)} == {(0, 4), (1, 4)}
    assert len(last_selected(history)) == 4
    selected = [line for line in history if line["selected"]]
    assert leading(history)["accuracy"] == max(line["accuracy"] for line in selected)
    assert leading(history)["selected"]
    baseline = static("static_d4", 4, seeds=(0, 1))
    assert not is_evolutionary(baseline)
    baseline.append(entry("static_d4", 1, 5, "lost", baseline[-1]["key"], selected=False, record=None, accuracy=0.0))
    assert not is_evolutionary(baseline)
    assert leading(baseline)["key"] == "lost"


def test_groups_over_generations_say_layers_and_groups() -> None:
    history = [
        entry("equinas_e", 0, 1, "a", None),
        entry("equinas_e", 0, 2, "b", "a", groups=("D4",) * 5 + ("D2d",) * 4),
        entry("equinas_e", 0, 2, "other", "a", groups=("C1",) * 9),
        entry("equinas_e", 0, 3, "c", "b", groups=("D2d",) * 5 + ("D1a",) * 4),
    ]
    written = check_picture(groups_over_generations(history, "c"))
    assert {*"12345678", "dense", "layer", "slice", "D4", "D2d", "D1a"} <= written
    assert "C1" not in written


def test_groups_of_a_mixed_parent_are_called_mixed() -> None:
    history = [entry("d", 0, 1, "a", None, groups=()), entry("d", 0, 2, "b", "a")]
    assert {"mixed", "D4", "dense"} <= check_picture(groups_over_generations(history, "b"))
    assert {"mixed", "dense"} <= check_picture(groups_over_generations(history[:1], "a"))
    unknown = [entry("e", 0, 1, "a", None, groups=("D8",) * 8, record=None)]
    written = check_picture(groups_over_generations(unknown, "a"))
    assert {"D8", "8"} <= written
    assert "dense" not in written


@pytest.mark.parametrize(("slices", "skip"), [(1, True), (5, False)])
def test_shares_have_a_panel_for_each_layer_and_name_the_skip(slices: int, skip: bool) -> None:
    history = [*mixed(slices, skip=skip), *static("static_d4", 3)]
    history.append(entry("equinas_d", 0, slices + 1, "lost", history[slices - 1]["key"], groups=(), record=None))
    written = check_picture(shares_over_epochs(history, "equinas_d", 0, NAMES))
    assert {*NAMES, *(f"layer {n}" for n in range(1, 9)), "dense", "epochs trained", "share"} <= written
    assert ("skip" in written) is skip


def test_the_front_and_the_survivors_are_drawn() -> None:
    history = evolved(5, seeds=(0, 1))
    written = check_picture(pareto_front([*history, *static("static_d4", 3)], "equinas_e"))
    assert {"free parameters", "validation error", "candidate", "Pareto front"} <= written
    assert "selected in the last generation" in written
    unselected = [line | {"selected": False} for line in history]
    assert "selected in the last generation" not in check_picture(pareto_front(unselected, "equinas_e"))


def test_very_many_candidates_stay_a_small_picture() -> None:
    history = evolved(50, seeds=range(5), children=5, population=5)
    assert len(history) > 5_000
    svg = pareto_front(history, "equinas_e")
    assert "data:image/png;base64," in svg
    assert len(svg) < 200_000
    assert svg == pareto_front(history, "equinas_e")


def test_distances_have_a_panel_for_each_method_and_a_line_for_each_layer() -> None:
    history = [*static("static_c1", 4), *mixed(3)]
    final_keys = {"C1 everywhere": "static_c1-0-4", "EquiNAS_D, mixed": "equinas_d-0-3"}
    written = check_picture(distance_over_training(history, final_keys))
    assert {*final_keys, *"12345678", "dense", "layer", "epochs trained", "distance"} <= written


def test_intervals_are_drawn_for_several_seeds_only() -> None:
    several = row("a", "many seeds", ["x", "y", "z"])
    alone = row("b", "one seed", ["x"])
    written = check_picture(accuracy_by_method([several, alone]))
    assert {"many seeds", "one seed", "accuracy", "validation", "test"} <= written
    assert sum("91.0%" in text for text in words(accuracy_by_method([alone]))) == 1


def test_accuracy_over_training_has_a_line_for_each_method() -> None:
    history = [*static("static_c1", 40), *mixed(3)]
    final_keys = {"C1 everywhere": "static_c1-0-40", MIXED: "equinas_d-0-3"}
    written = check_picture(accuracy_over_training(history, final_keys))
    assert {*final_keys, "epochs trained", "validation accuracy"} <= written
    assert {"90%", "98%"} <= written  # errors over more than a factor of ten are on a log scale


@pytest.mark.slow
def test_a_whole_run_gives_all_pictures() -> None:
    history = [*evolved(6, seeds=(0, 1)), *mixed(6), *static("static_c1", 6)]
    rows = [
        row("equinas_e", "EquiNAS_E", ["e-0-6-0", "e-1-6-1"]),
        row("equinas_d", MIXED, ["equinas_d-0-6"]),
        row("static_c1", "C1 everywhere", ["static_c1-0-6"]),
    ]
    pictures = layerwise_pictures(history, rows, branches_of)
    assert [picture.title for picture in pictures] == [
        "Accuracy by method",
        "Test errors over the seeds",
        "Test error against parameters",
        "Accuracy over training",
        "Groups of the layers: EquiNAS_E",
        "Candidates of the search: EquiNAS_E",
        "Parameters over generations: EquiNAS_E",
        f"Shares of the groups: {MIXED}",
        "Distance from full symmetry",
    ]
    for picture in pictures:
        assert "not finished" not in picture.text
        assert check_picture(picture.wide)
        assert check_picture(picture.narrow)
        assert picture.table.rows
    by_title = {picture.title: picture for picture in pictures}
    assert shows(by_title["Groups of the layers: EquiNAS_E"], groups_over_generations(history, "e-0-6-0"))
    assert layerwise_pictures(json.loads(json.dumps(history)), rows, branches_of) == pictures


def test_an_unfinished_run_is_drawn_as_far_as_it_came() -> None:
    history = [*evolved(3), *mixed(2), *static("static_c1", 1)]
    pictures = {picture.title: picture for picture in layerwise_pictures(history, [], branches_of)}
    assert list(pictures) == [
        "Accuracy over training",
        "Groups of the layers: equinas_e",
        "Candidates of the search: equinas_e",
        "Parameters over generations: equinas_e",
        "Shares of the groups: equinas_d",
        "Distance from full symmetry",
    ]
    found = pictures["Groups of the layers: equinas_e"]
    assert "the best candidate selected so far" in found.text
    assert shows(found, groups_over_generations(evolved(3), best_key(evolved(3))))
    assert "not finished" in pictures["Distance from full symmetry"].text
    assert {"equinas_e", "equinas_d", "static_c1"} <= words(pictures["Accuracy over training"].wide)


def test_a_final_key_that_the_history_lacks_is_replaced_by_the_last_slice() -> None:
    history = static("static_c1", 3)
    pictures = layerwise_pictures(history, [row("static_c1", "C1 everywhere", ["elsewhere"])], NAMES)
    assert shows(pictures[2], accuracy_over_training(history, {"C1 everywhere": "static_c1-0-3"}))
    assert "not finished" in pictures[2].text
    assert layerwise_pictures(history, [row("static_c1", "C1 everywhere", [])], NAMES)[2] == pictures[2]


@pytest.mark.parametrize("rows", [[], [row("equinas_e", "EquiNAS_E", ["x"])]])
def test_without_a_history_there_is_at_most_what_the_result_has(rows: list[MethodRow]) -> None:
    titles = [picture.title for picture in layerwise_pictures([], rows, branches_of)]
    assert titles == ["Accuracy by method", "Test error against parameters"] * len(rows)


def test_what_diverged_at_once_is_still_a_picture() -> None:
    lost = {"record": None, "accuracy": 0.0, "selected": False}
    history = [entry("equinas_e", 0, 1, key, None, **lost) for key in "ab"]
    history.append(entry("static_c1", 0, 1, "c", None, **lost))
    pictures = layerwise_pictures(history, [], branches_of)
    assert [picture.title for picture in pictures] == ["Accuracy over training", "Groups of the layers: equinas_e"]
    for picture in pictures:
        check_picture(picture.wide)


def test_groups_that_change_without_a_search_are_drawn_too() -> None:
    steps = chain("random_steps", 0, 4, lambda number: {"groups": (SHRINKING[number - 1],) * LAYERS})
    titles = [picture.title for picture in layerwise_pictures(steps, [], branches_of)]
    assert "Groups of the layers: random_steps" in titles
    assert not any(title.startswith("Candidates") for title in titles)


@pytest.mark.slow
def test_a_warm_start_goes_on_from_the_mixed_network() -> None:
    before = mixed(3)
    warm = chain(
        "equinas_d_warm", 0, 3, lambda number: {"epochs": 3.0 + number, "groups": ("C4",) * LAYERS}, before[-1]["key"]
    )
    history = [*before, *warm]
    assert [line["epochs"] for line in ancestors(history, warm[-1]["key"])] == [1, 2, 3, 4, 5, 6]
    titles = [picture.title for picture in layerwise_pictures(history, [], branches_of)]
    assert titles == ["Accuracy over training", "Shares of the groups: equinas_d", "Distance from full symmetry"]
