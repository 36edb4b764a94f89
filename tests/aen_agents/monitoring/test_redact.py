"""Passwords stay out of what is written."""

import pytest

from aen_agents.monitoring.redact import hide_secrets


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://me:pa/ss:wo'rd@host:5432/db", "postgresql://me:***@host:5432/db"),
        ('{"store":"mysql+pymysql://me:a\\"b@host/db"}', '{"store":"mysql+pymysql://me:***@host/db"}'),
        ("postgresql://host/db?user=me&password=abc&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("see http://127.0.0.1:8265 for more", "see http://127.0.0.1:8265 for more"),
        ("sqlite:///runs/a.sqlite", "sqlite:///runs/a.sqlite"),
    ],
)
def test_passwords_are_hidden(text: str, hidden: str) -> None:
    assert hide_secrets(text) == hidden
