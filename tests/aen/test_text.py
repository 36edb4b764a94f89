"""Text of others in messages: nothing of it acts on the terminal, and none is too long."""

import json

import pytest

from aen._text import printable, shortened
from aen.errors import AenError, did_you_mean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("one\ntwo\r\t\x00\x7f", r"one\ntwo\r\t\x00\x7f"),
        ("\x9b31m", r"\u009b31m"),  # the C1 form of an escape
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\u2066b\u2069\u200bc\ufeff", r"a\u2066b\u2069\u200bc\ufeff"),
        ("a\u2028b\u0085", r"a\u2028b\u0085"),
        ("tag\U000e0041", r"tag\udb40\udc41"),
        ("\udcff.png", "?.png"),
        ("Größe 日本 ✓", "Größe 日本 ✓"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_escaped_json_is_the_same_json() -> None:
    value = {"name": "\u202e\U000e0041\x9b"}
    text = json.dumps(value, ensure_ascii=False)
    assert printable(text) != text
    assert json.loads(printable(text)) == value


def test_long_text_is_cut_and_its_length_said() -> None:
    assert shortened("x" * 80) == "x" * 80
    assert shortened("x" * 5_000) == "x" * 80 + "... (5,000 characters)"


def test_a_message_that_is_too_long_keeps_its_beginning_and_its_remedy() -> None:
    said = str(AenError(f"key is {'x' * 10**6}; give another"))
    assert len(said) < 3_100
    assert said.startswith("key is xxx")
    assert said.endswith("; give another")
    assert did_you_mean("x" * 10**6, ["xx"]) == " (choose from: xx)"
