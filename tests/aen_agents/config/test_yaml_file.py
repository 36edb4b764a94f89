"""What YAML values are read as, and that no value becomes one of another type."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from aen.errors import ConfigError
from aen_agents.config import AGENTS, SearchConfig, load_config
from aen_agents.config.search import ALTERNATIVES
from aen_agents.config.section import Section
from aen_agents.config.yaml_file import YAML_ERRORS, dump_inline, dump_yaml, parse_yaml, read_yaml
from aen_agents.sweep.config import SweepConfig, load_sweep

SCALARS: dict[str, object] = {
    "8": 8,
    "0": 0,
    "-3": -3,
    "+5": 5,
    ".5": 0.5,
    "5.": 5.0,
    "1e3": 1000.0,
    "1E-3": 0.001,
    "1.5e+3": 1500.0,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "true": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
}
TEXTS = (
    *("010", "0x10", "0o10", "0b1", "1_000", "1:30", "1:30.5", "2026-01-31", "2026-13-01", "2026-01-31 10:00:00"),
    *("yes", "no", "on", "off", "Yes", "NO", "y", "n", "inf", "nan", "=", "1.2.3", "1e", "e3", "1,5", "08", "00.5"),
)


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=repr)
def test_plain_scalars(text: str, value: object) -> None:
    read = parse_yaml(text)
    assert read == value
    assert isinstance(read, type(value))
    assert parse_yaml(f"a: {text}\nb: 1") == {"a": value, "b": 1}


@pytest.mark.parametrize("text", TEXTS)
def test_all_else_is_text_as_written(text: str) -> None:
    assert parse_yaml(text) == text
    assert parse_yaml(f"a: {text}\nb: 1") == {"a": text, "b": 1}


@pytest.mark.parametrize("text", [*TEXTS, *SCALARS, "<<", "1e3", "a: b", "#", " x "])
def test_texts_are_written_so_that_other_readers_agree(text: str) -> None:
    for written in (dump_inline({"a": [text]}), dump_yaml({"a": [text]})):
        assert parse_yaml(written) == {"a": [text]}
        assert yaml.safe_load(written) == {"a": [text]}


def test_numbers_keep_how_they_were_written_until_they_are_copied() -> None:
    values = parse_yaml("[1e3, 1.10, +5]")
    assert repr(values) == "[1e3, 1.10, +5]"
    assert f"{values[0]}" == "1e3"
    assert repr(copy.deepcopy(values)) == "[1000.0, 1.1, 5]"
    assert yaml.safe_load(dump_inline(values)) == [1000.0, 1.1, 5]


def test_a_text_that_is_read_again_shares_nothing_with_its_first_value() -> None:
    text = "a: {b: [1]}\nc: &c [2]\nd: *c"
    first = parse_yaml(text)
    first["a"]["b"].append(3)
    first["c"].append(4)
    assert first["d"] == [2]
    first["e"] = 5
    assert parse_yaml(text) == {"a": {"b": [1]}, "c": [2], "d": [2]}


@pytest.mark.parametrize(
    "text",
    ["!!int 010", "!!bool yes", "!!float x", "!!timestamp 2026-01-01", "!!binary aGk=", "!!python/name:os.system"],
)
def test_tags_do_not_change_what_a_value_is(text: str) -> None:
    with pytest.raises(YAML_ERRORS):
        parse_yaml(text)


DUPLICATES = {
    "at the top": ("seed: 1\nname: a\nseed: 2\n", "the key 'seed' is given twice, in lines 1 and 3; keep one"),
    "in a section": ("name: a\ntraining:\n  epochs: 1\n  epochs: 30\n", "'epochs' is given twice, in lines 3 and 4"),
    "a section": ("training: {epochs: 1}\nname: a\ntraining:\n  batch_size: 2\n", "'training' .*, in lines 1 and 3"),
    "in braces": ("name: a\ntraining: {epochs: 1, epochs: 3}\n", "'epochs' .*, in line 2, columns 12 and 23"),
    "in a list": ("name: a\nx:\n- {a: 1}\n- a: 1\n  b: 2\n  a: 3\n", "'a' is given twice, in lines 4 and 6"),
    "quoted": ('seed: 1\n"seed": 2\n', "'seed' is given twice, in lines 1 and 2"),
    "merge keys": ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", r"'<<' .*, in lines 3 and 4; write <<: \[\*A, \*B\]"),
    "beside a merge key": ("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n", "'y' is given twice, in line 2"),
    "in an anchor": ("a: &a {x: 1, x: 2}\nb: *a\n", "'x' is given twice, in line 1"),
}


@pytest.mark.parametrize(("content", "message"), DUPLICATES.values(), ids=DUPLICATES)
def test_a_key_that_is_given_twice_is_refused_with_both_lines(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=rf"twice.yaml: the key {message.removeprefix('the key ')}|{message}"):
        read_yaml(file)


def test_what_a_merge_key_brings_may_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: [*b, *a], z: 3}\n")
    assert read_yaml(file) == {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "y": 2, "z": 3}}


def test_keys_are_text() -> None:
    assert parse_yaml("{1: a, 1.0: b, true: c, 010: d, null: e, <<: {1: f, off: g}}") == {
        "1": "a",
        "1.0": "b",
        "true": "c",
        "010": "d",
        "null": "e",
        "off": "g",
    }
    assert parse_yaml("[&x 8, {*x : 9}]") == [8, {"8": 9}]


def test_a_dotted_key_in_a_file_has_a_remedy(tmp_path: Path) -> None:
    file = tmp_path / "dotted.yaml"
    file.write_text("name: own\ntraining.epochs: 3\ntraining:\n  epochs: 2\n")
    with pytest.raises(
        ConfigError, match=r"unknown key 'training.epochs'; in a file, write training: {epochs: \.\.\.}"
    ):
        load_config(file)


def test_every_file_that_is_read_is_checked(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "mine.yaml").write_text("name: dqn\ndiscount: 0.1\ndiscount: 0.2\n")
    (tmp_path / "base.yaml").write_text("name: base\nseed: 1\nseed: 2\n")
    (tmp_path / "config.yaml").write_text("name: own\nagent: mine\n")
    (tmp_path / "child.yaml").write_text("base: base.yaml\n")
    (tmp_path / "sweep.yaml").write_text("name: s\nsearch: digits\ngrid:\n  seed: [1]\n  seed: [2]\n")
    for load, name, found in (
        (load_config, "config.yaml", "mine.yaml: the key 'discount' is given twice, in lines 2 and 3"),
        (load_config, "child.yaml", "base.yaml: the key 'seed' is given twice, in lines 2 and 3"),
        (load_sweep, "sweep.yaml", "sweep.yaml: the key 'seed' is given twice, in lines 4 and 5"),
    ):
        with pytest.raises(ConfigError, match=found):
            load(tmp_path / name)


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Section):
                yield from _models(part)


MODELS = [
    *_models(SearchConfig),
    *_models(SweepConfig),
    *(model for kinds in ALTERNATIVES.values() for model in kinds.values()),
]
FIELDS = [
    (model, name, field.default)
    for model in dict.fromkeys(MODELS)
    for name, field in model.model_fields.items()
    if isinstance(field.default, int | float) or {int, float} & {*get_args(field.annotation)}
]


@pytest.mark.parametrize(("model", "name", "default"), FIELDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_no_value_becomes_a_number_or_a_boolean(model: type[BaseModel], name: str, default: float | None) -> None:
    others = [1, "true", 1.0] if isinstance(default, bool) else [True, str(default or 1)]
    for value in others:
        with pytest.raises(ValidationError) as error:
            model.model_validate({name: value})
        assert any(problem["loc"][0] == name for problem in error.value.errors()), (name, value)


def test_the_kinds_of_sections_are_among_them() -> None:
    assert len(FIELDS) > 50
    assert {AGENTS["dqn"], SearchConfig, SweepConfig} <= {model for model, _, _ in FIELDS}


VALUES: dict[str, Any] = {
    "seed=8.0": 8,
    "seed=1e3": 1000,
    "seed=+5": 5,
    "training.epochs=1e1": 10.0,
    "training.learning_rate=.5": 0.5,
    "training.learning_rate=1e-3": 0.001,
    "child.hidden=[8.0, 4]": (8, 4),
    "agent.target_update=5.0": 5,
    "agent.max_gradient_norm=null": None,
    "debug=True": True,
    "name=off": "off",
    "name=no": "no",
    "name=010": "010",
    "name=2026": "2026",
    "name=1.10": "1.10",
    "name=1e3": "1e3",
    "name=2026-01-31": "2026-01-31",
    "data.name=0x10": "0x10",
}


@pytest.mark.parametrize(("override", "expected"), VALUES.items())
def test_a_value_is_what_its_key_takes(override: str, expected: object, config_file: Path, tmp_path: Path) -> None:
    config = load_config(config_file, [override])
    value: Any = config
    for key in override.partition("=")[0].split("."):
        value = getattr(value, key)
    assert value == expected
    assert type(value) is type(expected)
    (tmp_path / "resolved.yaml").write_text(config.to_yaml())
    assert load_config(tmp_path / "resolved.yaml") == config


@pytest.mark.parametrize("value", ["010", "1:30", "yes", "1_000", "0x10", "0o10", "1.5", "1e400", ".nan", "2026-01-31"])
def test_what_is_no_number_is_named_as_written(value: str, config_file: Path) -> None:
    with pytest.raises(ConfigError, match=rf"seed is '?{value}'?: expected a whole number"):
        load_config(config_file, [f"seed={value}"])
