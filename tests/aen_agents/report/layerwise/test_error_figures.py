"""The figures of errors and sizes, from rows and a history that are made up here."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from matplotlib.axes import Axes

from aen._typing import JsonDict
from aen.results.accuracy import TestAccuracy, ValidationAccuracy
from aen.results.result_rows import MethodRow
from aen_agents.report.layerwise.error_figures import (
    errors_against_parameters,
    errors_by_method,
    parameters_over_generations,
)


def row(title: str, tests: Sequence[float], sizes: Sequence[int]) -> MethodRow:
    seeds = tuple(range(len(tests)))
    return MethodRow(
        method=title,
        title=title,
        decomposition=title,
        group="D4",
        class_key=title,
        parameters=sizes[0],
        seeds=seeds,
        keys=tuple(f"{title}-{seed}" for seed in seeds),
        layer_groups=(None,) * len(seeds),
        parameters_of_seeds=tuple(sizes),
        epochs=(1.0,) * len(seeds),
        validation=ValidationAccuracy.of([0.5] * len(seeds)),
        test=TestAccuracy.of(tests),
    )


def entry(generation: int, accuracy: float, parameters: int, *, record: JsonDict | None, method: str = "e") -> JsonDict:
    values = {"slice": generation, "accuracy": accuracy, "parameters": parameters, "record": record}
    return values | {"method": method, "seed": 0, "selected": True}


ROWS = [row("static_d4", [0.9, 0.92, 0.95], [1000] * 3), row("equinas_e", [0.97, 0.94, 0.96], [2000, 4000, 3000])]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[object, ...]]]:
    """Return the arguments of the calls that draw."""
    calls: dict[str, list[tuple[object, ...]]] = {"scatter": [], "boxplot": []}
    for name in calls:
        plain = getattr(Axes, name)

        def draw(self: Axes, *args: object, _name: str = name, _plain: object = plain, **options: object) -> object:
            calls[_name].append((*args, options.get("c")))
            return _plain(self, *args, **options)  # type: ignore[operator]

        monkeypatch.setattr(Axes, name, draw)
    return calls


def words(svg: str) -> set[str]:
    assert ET.fromstring(svg).attrib["role"] == "img"  # noqa: S314 - made just now
    return set(re.findall(r"<text[^>]*>(.*?)</text>", svg))


def test_a_box_for_each_method_has_its_test_errors(drawn: dict[str, list[tuple[object, ...]]]) -> None:
    written = words(errors_by_method(ROWS))
    assert {"static_d4", "equinas_e", "test error"} <= written
    ((errors, _),) = drawn["boxplot"]
    assert errors == [pytest.approx([0.1, 0.08, 0.05]), pytest.approx([0.03, 0.06, 0.04])]


def test_every_seed_is_a_point_of_its_size_and_error(drawn: dict[str, list[tuple[object, ...]]]) -> None:
    written = words(errors_against_parameters(ROWS))
    assert {"static_d4", "equinas_e", "test error", "free parameters"} <= written
    assert [call[0] for call in drawn["scatter"]] == [(1000,) * 3, (2000, 4000, 3000)]
    assert drawn["scatter"][1][1] == pytest.approx([0.03, 0.06, 0.04])


def test_a_method_that_diverged_on_every_seed_has_no_size() -> None:
    errors_against_parameters([row("lost", [0.0, 0.0], [0, 0])])


def test_candidates_are_coloured_by_validation_error(drawn: dict[str, list[tuple[object, ...]]]) -> None:
    history = [
        entry(1, 0.7, 10, record={}),
        entry(2, 0.5, 20, record={}),
        entry(2, 0.0, 30, record=None),
        entry(2, 0.6, 40, record={}, method="other"),
    ]
    written = words(parameters_over_generations(history, "e"))
    assert {"generation", "free parameters", "validation error"} <= written
    ((generations, sizes, colours),) = drawn["scatter"]
    assert (generations, sizes) == ([2, 1], [20, 10])
    assert colours == pytest.approx([0.5, 0.3])


@pytest.mark.parametrize("accuracies", [[1.0], [1.0, 0.0], [0.99, 0.2]])
def test_any_errors_can_be_drawn(accuracies: Sequence[float]) -> None:
    parameters_over_generations([entry(1, accuracy, 10, record={}) for accuracy in accuracies], "e")
