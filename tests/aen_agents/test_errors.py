"""What is wrong with a file, in plain words."""

import json
from collections.abc import Callable

import pytest
import yaml
from pydantic import BaseModel

from aen_agents.errors import what_is_wrong


class _Note(BaseModel):
    number: int


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: json.loads(" "), "it is empty"),
        (lambda: json.loads('{\n"a": "b'), "it ends unexpectedly in line 2"),
        (lambda: json.loads("[1,"), "it ends unexpectedly in line 1"),
        (lambda: json.loads("[1\n2]"), "it is not JSON (line 2, column 1)"),
        (b"\xff".decode, "it is not text"),
        (lambda: yaml.safe_load("a: [1\nb: 2"), "it is not YAML (line 2)"),
        (lambda: yaml.safe_load("\x00"), "it is not YAML"),
        (lambda: {}["aen"], "it lacks aen"),
        (lambda: _Note.model_validate({}), "it lacks number"),
        (lambda: _Note.model_validate([1]), "it is not a mapping of keys to values"),
        (
            lambda: _Note.model_validate({"number": "x" * 99}),
            f'number is "{"x" * 39}... (101 characters), which is not a valid value',
        ),
        (lambda: int([]), "its content has the wrong type"),  # type: ignore[call-overload]
    ],
)
def test_no_error_of_python_is_shown(read: Callable[[], object], said: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        read()
    assert what_is_wrong(caught.value) == said
