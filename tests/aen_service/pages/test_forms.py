"""The form of a new search: its fields come from the schema, and only what was changed becomes an override."""

import re

import httpx
import pytest

from aen_agents.config import load_config
from aen_agents.config.presets import list_presets
from aen_service.pages.forms import changes_of, form_of
from aen_service.pages.html import ago, duration, number, percent, points, size


def resolved(preset: str) -> dict[str, object]:
    return load_config(preset).model_dump(mode="json")


@pytest.mark.parametrize("preset", list_presets())
def test_a_preset_unchanged_has_no_overrides(preset: str) -> None:
    config = resolved(preset)
    fields = [field for section in form_of(config, {}) for field in section.fields]
    assert len({field.key for field in fields}) == len(fields)
    assert all(field.help for field in fields)
    assert not any(field.key.startswith(("store", "cluster", "evaluator", "data.path")) for field in fields)
    assert changes_of(config, {field.key: field.base for field in fields}) == ({}, None)


def test_what_is_typed_becomes_a_value_of_its_type() -> None:
    typed = {
        "budget.children": "30",
        "data.moves": "[rot90]",
        "symmetry_test": "false",
        "budget.minutes": "1e-1",
        "seed": "0",
        "alphabet": "published",
        "agent.gone": "7",  # of another agent
        "unknown.key": "7",  # the interface says that there is none
    }
    found, problem = changes_of(resolved("digits"), typed)
    assert problem is None
    assert found == {
        "budget.children": 30,
        "data.moves": ["rot90"],
        "symmetry_test": False,
        "budget.minutes": 0.1,
        "alphabet": "published",
        "unknown.key": 7,
    }


def test_a_choice_that_may_be_null_has_its_choices() -> None:
    fields = [field for section in form_of(resolved("gcnn/digits"), {}) for field in section.fields]
    (field,) = [field for field in fields if field.key == "child.initialisation"]
    assert set(field.choices) == {"fan_in", "published", "null"}
    assert field.value == "null"
    (minutes,) = [field for field in fields if field.key == "budget.minutes"]
    assert minutes.choices == ()


def test_what_cannot_be_read_is_named() -> None:
    found, problem = changes_of(resolved("digits"), {"child.hidden": "[8", "seed": "3"})
    assert found == {"seed": 3}
    assert problem == "child.hidden is '[8'; give a value as in a config file."


def test_the_form_submits_only_changes_and_twice_is_once(html: httpx.Client) -> None:
    text = html.get("/searches/new?agent=exhaustive&selection.seeds=2").text
    fields = dict(re.findall(r'<input [^>]*name="([^"]+)"[^>]* value="([^"]*)"', text))
    assert fields["selection.seeds"] == "2"
    form = {"once": fields["once"], "preset": "digits", "agent": "exhaustive", "seed": "0", "selection.seeds": "2"}
    form |= {"name": "by-form", "budget.children": "20"}
    own = {"origin": str(html.base_url)}
    first = html.post("/searches/new", data=form, headers=own)
    assert first.status_code == 303, first.text
    again = html.post("/searches/new", data=form, headers=own)
    assert again.headers["location"] == first.headers["location"]
    other = html.post("/searches/new", data=form | {"seed": "1"}, headers=own)
    assert other.headers["location"] != first.headers["location"]
    clone = html.get(f"/searches/new?from={first.headers['location'].rpartition('/')[2]}").headers["location"]
    assert clone == "/searches/new?preset=digits&name=by-form&agent=exhaustive&selection.seeds=2"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"preset": "digitz"}, "digits"),
        ({"budget.children": "0"}, "budget.children is 0"),
        ({"budgt.children": "1"}, "budgt"),
        ({"store": "x.sqlite"}, "store"),
        ({"data.path": "/etc"}, "data.path"),
        ({"config": "name: [x"}, "config cannot be read"),
        ({"config": "just text"}, "no mapping"),
        ({"child.hidden": "[8"}, "child.hidden is"),
        ({"name": "a/b"}, "name is"),
    ],
)
def test_a_form_that_cannot_work_says_why_and_keeps_what_was_typed(
    html: httpx.Client, form: dict[str, str], words: str
) -> None:
    answer = html.post("/searches/new", data={"preset": "digits", **form}, headers={"origin": str(html.base_url)})
    assert answer.status_code == 422
    said = re.search(r'<p class="problem">(.*?)</p>', answer.text, re.DOTALL)
    assert said is not None
    assert words in said[1]
    assert "Traceback" not in answer.text


def test_numbers_are_written_for_people() -> None:
    assert percent(0.9341) == "93.4\N{NARROW NO-BREAK SPACE}%"
    assert points(-0.012) == "-1.2"
    assert number(85002) == "85,002"
    assert number(0.01234, 3) == "0.012"
    assert (duration(3.25), duration(59.6), duration(125), duration(7300)) == (
        "3.2 s",
        "1 min 0 s",
        "2 min 5 s",
        "2 h 1 min",
    )
    assert (ago(0, 30), ago(0, 200), ago(0, 9000), ago(0, 200_000)) == ("just now", "3 min ago", "2 h ago", "2 d ago")
    assert (size(999), size(1500), size(145_346), size(3 * 10**9)) == ("999 B", "1.5 kB", "145.3 kB", "3.0 GB")
    for write in (percent, points, number, duration, ago, size):
        assert write(None) == "\N{EN DASH}"
        assert write(float("nan")) == "\N{EN DASH}"
