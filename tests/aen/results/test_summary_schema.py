"""The schema of summary.json, and what `SearchResult` says of damaged ones."""

import copy
import json

import pytest
from helpers.summaries import SCHEMA, SUMMARIES, schema_errors

from aen.results.field_types import FieldTypeError
from aen.results.search_result import SUMMARY_VERSION, SearchResult

WRONG = [
    (("name",), 5),
    (("seed",), "0"),
    (("seed",), True),
    (("states",), 4.5),
    (("selection_seeds",), "01"),
    (("closed_sets", "a"), None),
    (("provenance", "torch"), 2.1),
    (("winner", "parameters"), "12"),
    (("winner", "validation_accuracies"), ["0.7"]),
    (("winner", "spec"), "dense"),
    (("selection", 0, "group"), None),
    (("hidden_group", "rank_in_search"), "first"),
    (("winner_minus_baseline", "validation_accuracy_mean"), None),
    (("inference", "networks", 0, "not_told_from_best"), 1),
    (("verdict", "kind"), "maybe"),
    (("effects", 0, "effect"), "0.1"),
    (("seconds", "total"), "long"),
    (("notices",), [1]),
]
# Above what a float holds, and no number at all; as JSON they are read from 1e999 and NaN.
NO_NUMBERS = [float("inf"), float("nan"), 10**400]


def changed(name, path, value):
    summary = copy.deepcopy(SUMMARIES[name])
    part = summary
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return summary


def objects(schema):
    """Return all parts of the schema that describe objects by their keys."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = [schema] if isinstance(schema, dict) and schema.get("type") == "object" and "properties" in schema else []
    return own + [found for part in parts for found in objects(part)]


@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=SUMMARIES)
def test_every_kind_of_summary_has_the_form_of_the_schema(summary):
    assert schema_errors(json.loads(json.dumps(summary))) == []


@pytest.mark.parametrize("name", ["classes", "methods", "interrupted"])
def test_unknown_keys_are_refused(name):
    assert any("'more'" in error for error in schema_errors(SUMMARIES[name] | {"more": 1}))
    rows = {"classes": ("winner", "baseline"), "methods": ("winner", "baseline"), "interrupted": ("symmetry_test",)}
    for row in ("seconds", *rows[name]):
        assert any("'more'" in error for error in schema_errors(changed(name, (row, "more"), 1))), row


@pytest.mark.parametrize("name", ["classes", "methods", "interrupted at once"])
def test_a_missing_key_is_refused(name):
    optional = {"closed_sets", "factors", "effects", "symmetry_test", "inference", "hidden_group", "methods"}
    for key in set(SUMMARIES[name]) - optional - {"children_trained_in_all"}:
        summary = {other: value for other, value in SUMMARIES[name].items() if other != key}
        assert schema_errors(summary), key


@pytest.mark.parametrize(("path", "value"), WRONG, ids=str)
def test_a_wrong_type_is_refused_by_schema_and_reader(path, value):
    summary = changed("classes", path, value)
    assert schema_errors(summary)
    with pytest.raises(FieldTypeError, match=" but must be "):
        SearchResult.from_json(summary)


def test_the_message_names_the_field():
    wanted = r"^winner\.parameters is '12' but must be a whole number$"
    with pytest.raises(FieldTypeError, match=wanted):
        SearchResult.from_json(changed("classes", ("winner", "parameters"), "12"))


@pytest.mark.parametrize("number", NO_NUMBERS, ids=["inf", "nan", "huge"])
def test_numbers_must_be_finite(number):
    with pytest.raises(FieldTypeError, match=r"^selection\.0\.parameters is .* but must be a finite number$"):
        SearchResult.from_json(changed("classes", ("selection", 0, "parameters"), number))


def test_the_status_is_one_of_two():
    assert schema_errors(SUMMARIES["classes"] | {"status": "done"})
    with pytest.raises(FieldTypeError, match="status is 'done'"):
        SearchResult.from_json(SUMMARIES["classes"] | {"status": "done"})


def test_the_schema_is_of_this_version_and_closed():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["properties"]["version"]["const"] == SUMMARY_VERSION
    open_ones = [part.get("description") for part in objects(schema) if "additionalProperties" not in part]
    assert open_ones == [schema["$defs"]["childSpec"]["description"]]
