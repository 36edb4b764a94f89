"""Hides passwords and tokens in addresses, and in text that is shown, logged or written.

Three things are hidden: what an address that has been announced by `remember_address` contains, wherever and however it
is quoted; the values of environment variables with names such as ``HF_TOKEN`` or ``PGPASSWORD``; and, in any text, what
looks like a password in a URL or in ``password=...``.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"

# Parts of the names of secrets, without what is between their words; `_ENDS` only at the end of a name.
_PARTS = ("password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "signature", "connectionstring")
_ENDS = ("pass", "key", "auth", "sig", "pw", "odbcconnect", "dsn")
_WORD = r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:api|access|private|account)[_-]?key|credentials?)"
# One of these is in every text in which `_PAIR` or `_MEMBER` finds something; looking for them takes no time.
_HINTS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "access",
    "private",
    "account",
)
_QUOTED = r"\"[^\"\\,:{}\[\]]*\"|'[^']*'|\\\"(?:[^\\]|\\[^\"])*\\\"|\{[^}]*\}"
_PAIR = re.compile(rf"(?i)({_WORD}\s*(?:=|%3D)\s*)(?:{_QUOTED}|[^\s;&,\"')\]]+)")
_MEMBER = re.compile(rf"(?i)({_WORD}([\"'])\s*:\s*)([\"'])(?:\\.|(?!\3).)*\3")  # of JSON, or of a dict in Python
# In JSON a backslash may precede a quote. A comma ends an address only before a blank. It begins where a word does;
# otherwise the search in a long word takes a time that grows with the square of its length.
_URL = re.compile(r"(?<![\w+.-])[\w+.-]+:///?(?:[^\s\"\\<>]|\\.)+|(?<![\w/])://(?:[^\s\"\\<>]|\\.)+")
# `pathlib.Path` makes one slash of two.
_ONE_SLASH = re.compile(r"(?<![\w+.-])[A-Za-z][\w+.-]*:/[^\s\"\\<>/:@]*:[^\s\"\\<>]*@[^\s\"\\<>]*")
_PORTS = re.compile(r"(?:\[[^\]]*\]|[^:,]*)(?::(?:\d*|port))?(?:,(?:\[[^\]]*\]|[^:,]*)(?::\d*)?)*\W*")
_NO_SCHEME = re.compile(r"([A-Za-z][\w+.-]*:)/?([^/\s:@]*:)?.*@")
_EXAMPLE = "://user:password@host"  # of messages that say how addresses are written
_SHORTEST = 3  # characters of a secret that is searched for in other text
_UNMISTAKABLE = 6  # characters from which it is also found inside of words

_addresses: dict[str, None] = {}
_secrets: dict[str, None] = {}


def remember_address(address: object) -> None:
    """Have `hide_secrets` hide the secrets of an address, such as a store's, wherever they occur."""
    text = str(address)
    if hide_in_address(text) == text or text in _addresses:
        return
    _addresses[text] = None
    for secret in _secrets_of(text):
        remember_secret(secret)
    _replacements.cache_clear()


def remember_secret(secret: str) -> None:
    """Have `hide_secrets` hide a text wherever it occurs, if it is not too short to be told from other text."""
    if len(secret) >= _SHORTEST and secret not in _secrets:
        _secrets[secret] = None
        _replacements.cache_clear()


def holds_secret(text: str) -> bool:
    """Return whether `hide_secrets` would hide something of a text."""
    return hide_secrets(text) != text


def hide_secrets(text: str) -> str:
    """Return a text, a traceback, or a line of JSON, with the secrets in it replaced by ``***``."""
    for form, pattern, replacement in _replacements():
        if form in text:
            text = pattern.sub(replacement, text)
    if "://" in text:
        text = _URL.sub(lambda found: found[0] if _EXAMPLE in found[0] else hide_in_address(found[0]), text)
    if ":/" in text and "@" in text:
        text = _ONE_SLASH.sub(lambda found: hide_in_address(found[0]), text)
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        text = _MEMBER.sub(rf"\1\3{HIDDEN}\3", _PAIR.sub(rf"\1{HIDDEN}", text))
    return text


def hide_in_address(address: str) -> str:
    """Return an address, even one that is wrong, with its secrets replaced by ``***``; others and paths are unchanged.

    Hidden are the password before the last ``@``, and the values of options with names such as ``passwd`` or
    ``api_key``. If it is not clear where the password ends, more is hidden.
    """
    scheme, found, rest = address.partition("://")
    if not found:
        wrong = _NO_SCHEME.fullmatch(address[: address.rfind("@") + 1])
        if wrong is not None and (wrong[2] or not os.path.lexists(address)):
            address = f"{wrong[1]}{HIDDEN}@{address[wrong.end() :]}"
        return _PAIR.sub(rf"\1{HIDDEN}", address)
    before, at, after = rest.rpartition("@")
    user, colon, _ = before.partition(":")
    if at and colon:  # the user is before the first colon, as for SQLAlchemy; the password may contain anything
        unclear = re.search(r"[?#]", before)
        return f"{scheme}://{_without_options(user)}:{HIDDEN}{'' if unclear else '@' + _without_options(after)}"
    if at and not re.search(r"[?#]", before):
        return f"{scheme}://{before}@{_without_options(after)}"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not _PORTS.fullmatch(authority):  # what is after the colon is no port: a password whose host is missing
        return f"{scheme}://{authority.partition(':')[0]}:{HIDDEN}"
    return f"{scheme}://{_without_options(rest)}"


def _without_options(text: str) -> str:
    """Return the part of an address after its user with the values of secret options hidden."""
    path, *options = re.split(r"([?&#])", text)
    secret = False
    shown = [_PAIR.sub(rf"\1{HIDDEN}", path)]
    for mark, option in zip(options[::2], options[1::2], strict=True):
        name, equals, value = option.partition("=")
        # A piece without a name belongs to the value before it.
        secret = (secret and not equals) or _is_secret(_decoded(name)) or bool(_PAIR.search(_decoded(value)))
        hidden = f"{name}={HIDDEN}" if equals else HIDDEN
        shown.append(mark + (hidden if secret and (equals or option) else option))
    return "".join(shown)


def _decoded(text: str) -> str:
    """Return a text without percent-encoding, which may have been applied several times."""
    for _ in range(4):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    return text


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return any(part in plain for part in _PARTS) or plain.endswith(_ENDS)


def _secrets_of(address: str) -> Iterator[str]:
    """Return the secrets of an address, as it has them and decoded."""
    rest = address.partition("://")[2]
    before, at, after = rest.rpartition("@")
    _, colon, password = before.partition(":")
    # SQLAlchemy takes the first @ as the end of the password; a later one may also belong to an option.
    values = [password, password.partition("@")[0]] if at and colon else []
    for option in dict.fromkeys((*re.split(r"[?&;#]", after), *re.split(r"[?&#]", rest))):
        name, equals, value = option.partition("=")
        pairs = (part.partition("=") for part in re.split(r"[;\s]", _decoded(value)))
        values += [inner for key, _, inner in pairs if _is_secret(key)]
        if equals and _is_secret(_decoded(name)):
            values.append(value)
    for value in values:
        yield from dict.fromkeys((value, unquote(value), unquote_plus(value), _decoded(value).strip("{}'\"")))


@cache
def _replacements() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Return what is replaced by what: whole addresses first, then longer secrets before shorter ones."""
    found = [
        (form, re.compile(re.escape(form)), hide_in_address(address).replace("\\", "\\\\"))
        for address in sorted(_addresses, key=len, reverse=True)
        for form in _forms(address)
    ]
    environment = {value for name, value in os.environ.items() if _is_secret(name) and _may_be_secret(name, value)}
    forms = {form for secret in (*_secrets, *environment) for form in _forms(secret)}
    for form in sorted(forms, key=lambda text: (-len(text), text)):
        pattern = re.escape(form)
        word = pattern if len(form) >= _UNMISTAKABLE else rf"(?<!\w){pattern}(?!\w)"
        found.append((form, re.compile(word), HIDDEN))
    return tuple(found)


def _may_be_secret(name: str, value: str) -> bool:
    """Return whether the value of an environment variable named like a secret may be one: files and folders are not.

    ``PWD`` is the working folder, and ``SUDO_ASKPASS`` a program.
    """
    if name in {"PWD", "OLDPWD"} or name.lower().endswith(("path", "file")):
        return False
    return len(value) >= 2 * _UNMISTAKABLE and not (value.startswith("/") and os.path.lexists(value))


def _forms(text: str) -> list[str]:
    """Return how a text may be written: as it is, in JSON and Python, and percent-encoded."""
    quoted = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1], ascii(text)[1:-1])
    encoded = (quote(text, safe=""), quote(text), quote_plus(text), text.encode("unicode_escape").decode())
    return sorted(dict.fromkeys((text, *quoted, *encoded)), key=len, reverse=True)
