"""Searches side by side: winners are compared on their common seeds, if they have the same data."""

import json

import pytest
from helpers.made_runs import a_summary, make_run

from aen.statistics import paired_difference
from aen_service.reading.compare import Winner, differences


def winner(search, accuracies, seeds=(1, 2, 3, 4), data="digits"):
    by_seed = dict(zip(seeds, accuracies, strict=True))
    return Winner(search, {}, by_seed, {"name": data}, "symmetry", "")


ONE, TWO = (0.8, 0.82, 0.81, 0.85), (0.7, 0.75, 0.71, 0.72)


def test_two_winners_are_compared_by_students_t():
    (found,) = differences([winner("a", ONE), winner("b", TWO)])
    wanted = paired_difference(ONE, TWO)
    assert (found.a, found.b, found.seeds, found.note) == ("a", "b", 4, "")
    assert (found.estimate.mean, found.estimate.low) == (pytest.approx(wanted.mean), pytest.approx(wanted.low))


def test_intervals_of_several_are_wider_since_all_pairs_are_compared():
    (pair,) = differences([winner("a", ONE), winner("b", TWO)])
    found = differences([winner("a", ONE), winner("b", TWO), winner("c", (0.75, 0.77, 0.74, 0.79))])
    assert [(each.a, each.b) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert "simultaneous" in found[0].note
    assert found[0].estimate.mean == pytest.approx(pair.estimate.mean)


def test_only_common_seeds_count():
    (found,) = differences([winner("a", ONE), winner("b", TWO, seeds=(3, 4, 5, 6))])
    assert found.seeds == 2
    assert found.estimate.mean == pytest.approx((0.81 - 0.7 + 0.85 - 0.75) / 2)
    assert -1 <= found.estimate.low < found.estimate.high <= 1


@pytest.mark.parametrize(
    ("other", "why"),
    [(winner("b", TWO, seeds=(4, 5, 6, 7)), "1 common seeds"), (winner("b", TWO, data="mnist"), "other data")],
)
def test_what_cannot_be_compared_is_said(other, why):
    (found,) = differences([winner("a", ONE), other])
    assert found.estimate is None
    assert why in found.note


def test_searches_are_compared_over_http(service, client):
    for name, by_seed in (("one", [0.8, 0.9]), ("two", [0.5, 0.55])):
        make_run(service.settings.root / name)
        (service.settings.root / name / "summary.json").write_text(json.dumps(a_summary(by_seed)))
    make_run(service.settings.root / "three")
    service.index.step(find=True)
    of = {record.path: record.id for record in service.searches.where()}
    answer = client.get("/api/v1/compare", params={"search": [of["one"], of["two"], of["three"]]})
    found = answer.json()
    assert [len(found[part]) for part in ("searches", "curves", "verdicts", "differences")] == [3, 3, 2, 1]
    assert (found["verdicts"][0]["text"], found["verdicts"][0]["interval"]) == ("Turns.", [None, None])
    assert found["verdicts"][1]["by_seed"] == [0.5, 0.55]
    assert found["differences"][0]["difference"] == pytest.approx(0.325)
    assert len(found["curves"][0]["accuracy"]) == 8


@pytest.mark.parametrize("count", [0, 1, 9])
def test_two_to_eight_searches_are_compared(service, client, count):
    make_run(service.settings.root / "one")
    service.index.step(find=True)
    answer = client.get("/api/v1/compare", params={"search": [str(number) for number in range(count)]})
    assert (answer.status_code, answer.json()["argument"]) == (422, "search")
