"""However a password is spelled in an address, and however the address is quoted, it is not shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa

from aen import _secrets
from aen._secrets import hide_in_address, hide_secrets, holds_secret, remember_address, remember_secret

S = "Tr0ub4dor"  # the secret, or a part of it that must not be seen
ODBC = f"DRIVER={{ODBC Driver 18}};SERVER=tcp:host,1433;UID=me;PWD={S}"
ADDRESSES = [
    *(
        f"postgresql://aen:{before}{S}{after}@host:5432/db"
        for before in ("", *"@:/?#& +='%;,!$[]{}|^~`")
        for after in ("", "@")
    ),
    *(f"postgresql://aen:{S}{mark}{S}@host/db" for mark in "@:/?#&"),
    f"postgresql+psycopg://aen:{quote_plus('p@ss:/' + S)}@host/db",
    f"postgresql://aen:%2540{S}@host/db",
    f"postgresql://:{S}@host/db",
    f"postgresql://aen:{S}@[::1]:5432/db",
    f"postgresql://aen:{S}@h1:5432,h2:5432/db?target_session_attrs=any",
    f"postgresql://aen:{S}@/db?host=/var/run",
    f"postgresql://a%40b:{S}@host",
    f"postgresql://aen:ä{S}€@host/db",
    f"postgresql://aen:${{PW}}{S}@host/db",
    f"postgresql://aen:{S}",
    f"postgresql://aen:{S}/db",
    f"postgresql:/aen:{S}@host/db",
    f"aen:{S}@host/db",
    f"://aen:{S}@host/db",
    f"mysql+pymysql://aen:{S}@host/db?charset=utf8mb4",
    f"sqlite+pysqlcipher://:{S}@/file.db?cipher=aes-256-cfb",
    f"oracle+oracledb://aen:{S}@host:1521/?service_name=x",
    f"databricks://token:{S}@host?http_path=x",
    f"http://aen:{S}@proxy:3128",
    *(
        f"postgresql://host/db?user=me&{name}={S}&x=1"
        for name in (
            *(
                "password",
                "passwd",
                "pwd",
                "pass",
                "PASSWORD",
                "Password",
                "sslpassword",
                "passphrase",
                "user_password",
            ),
            *("token", "access_token", "authToken", "api_key", "apikey", "API-KEY", "secret", "client_secret", "pw"),
            *("aws_secret_access_key", "account_key", "private_key", "credentials", "sig", "auth", "key", "dsn"),
            *("%70assword", "pass%77ord", "AccountKey", "SharedAccessSignature", "connection_string"),
        )
    ),
    f"postgresql://host/db?password={S}",
    f"postgresql://host/db?password=a@{S}",
    f"postgresql://host/db?password={S}@a",
    f"postgresql://aen@host/db?password={S}",
    f"postgresql://aen:x@host/db?password=a@{S}",
    f"postgresql://host/db?password=x&{S}",
    f"postgresql://host/db?password=x;{S}",
    f"postgresql://host/db#password={S}",
    f"postgresql://host/db;password={S}",
    f"postgresql://?dsn=host%3Dh%20password%3D{S}",
    f"postgresql://host/db?options=-c%20x%20password%3D{S}",
    f"mssql+pyodbc:///?odbc_connect={quote_plus(ODBC)}",
    f"mssql+pyodbc:///?odbc_connect={quote_plus(quote_plus(ODBC))}",
    f"mssql+pyodbc:///?odbc_connect={ODBC}",
    f"mssql+pyodbc:///?odbc_connect={ODBC}@{S}",
    f"mssql+pyodbc:///?ODBC_Connect={quote_plus(ODBC)}",
    f"mssql+pyodbc:///?connect={quote_plus(ODBC)}",
    f"host=h user=me password={S}",
    f"host=h user=me password='a {S}'",
    f'host=h password="{S} b"',
    f"host=h;PWD={{a {S}}}",
]
SHOWN = [
    "postgresql://aen@host:5432/db",
    "postgresql://host:5432/db?connect_timeout=5&sslmode=require&passfile=/home/me/.pgpass",
    "postgresql://[::1]:5432/db",
    "postgresql://h1:1,h2:2/db",
    "sqlite:///runs/a.sqlite",
    "sqlite:////tmp/a b.sqlite?mode=ro",
    "runs/a.sqlite",
    "/data/me@host/x.sqlite",
    "http://127.0.0.1:8265",
    "ray://head:10001",
]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(_secrets, "_addresses", {})
    monkeypatch.setattr(_secrets, "_secrets", {})
    _secrets._replacements.cache_clear()
    yield
    _secrets._replacements.cache_clear()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_secret_in_an_address_is_hidden_in_every_quotation(address):
    assert S not in hide_in_address(address)
    remember_address(address)
    quotations = {
        "alone": address,
        "sentence": f"result store {address} cannot be reached.",
        "quoted": f"invalid dsn: {address!r}, or '{address}'",
        "JSON": json.dumps({"store": address, "next": "value"}),
        "JSON of ASCII": json.dumps({"store": address}, ensure_ascii=True),
        "YAML": f"store: {address}\n",
        "encoded": quote_plus(address),
        "traceback": f'Traceback\n  File "x.py"\nError: {address} "x"\n',
    }
    for name, text in quotations.items():
        assert S not in hide_secrets(text), name
    assert json.loads(hide_secrets(quotations["JSON"]))["next"] == "value"


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "://" in a and not set(a) & set(' "\\')])
def test_most_are_hidden_in_text_without_being_announced(address):
    for text in (address, f"see {address} for more", json.dumps({"a": address})):
        assert S not in hide_secrets(text)


def test_an_address_that_became_a_path_is_hidden():
    for address in (f"postgresql://aen:{S}@host/db", f"db://:{S}@host", f"a+b://u:{S}@w@host/x?y=1"):
        text = f"config {Path(address)} does not exist. See docs."
        assert S not in hide_secrets(text)
        assert hide_secrets(text).endswith("does not exist. See docs.")
    for text in ("C:/Users/me@home/x", "see a:/b and c@d", "in /runs/a:b@c/d", "note:/x/y:z@w"):
        assert hide_secrets(text) == text


@pytest.mark.parametrize("address", SHOWN)
def test_addresses_without_secrets_stay_as_they_are(address):
    assert hide_in_address(address) == address
    for text in (address, f"see {address}, or '{address}'.", json.dumps({"store": address})):
        assert hide_secrets(text) == text
        assert not holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "store=postgresql+psycopg://user:password@host:5432/database.",
        "give host:port, such as 10.0.0.1:6379, ray://host:port, or auto.",
        '{"event":"visited","passes":3,"tokens":[1,2],"accuracy":0.5}',
        "the cluster requires a token, and there is none on this machine: copy ~/.ray/auth_token",
        "training.epochs=10 agent.seed=3",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert hide_secrets(text) == text


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "://" in a])
def test_what_sqlalchemy_takes_for_the_password_is_hidden(address):
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        return
    if url.password is not None and len(url.password) >= 3:
        remember_address(address)
        assert url.password not in hide_secrets(f"FATAL: no entry for {url.password!r} at {url.host}")


def test_a_secret_that_was_announced_is_found_in_every_form():
    secret = 'a"b\\c d/é%'  # noqa: S105 - not one
    remember_secret(secret)
    for text in (secret, json.dumps(secret), repr(secret), ascii(secret), quote_plus(secret)):
        assert "b" not in hide_secrets(text).replace("***", "")
    remember_secret("abc")
    assert hide_secrets("abc abcd") == "*** abcd", "a short one is replaced only as a word"


def test_secrets_of_the_environment_are_hidden(monkeypatch):
    for name in ("HF_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, f"{name.lower()}-{S}")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/home/somebody/token")
    _secrets._replacements.cache_clear()
    for name in ("HF_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN"):
        assert hide_secrets(f"refused: {os.environ[name]}.") == "refused: ***."
    assert hide_secrets("/home/somebody/token") == "/home/somebody/token"


def test_long_text_takes_linear_time():
    text = "a.%-" * 50_000 + "://" * 10_000 + "password" * 10_000 + "'" * 10_000 + '"' * 10_000
    code = "import sys; from aen._secrets import hide_secrets; hide_secrets(sys.stdin.read())"
    subprocess.run([sys.executable, "-c", code], input=text, text=True, check=True, timeout=60)


def test_files_and_folders_of_the_environment_are_shown(monkeypatch, tmp_path):
    program = tmp_path / "ask for the password"
    program.touch()
    gone = tmp_path / "a folder that is gone"
    places = {"PWD": tmp_path, "OLDPWD": gone, "SUDO_ASKPASS": program, "GOOGLE_APPLICATION_CREDENTIALS": program}
    for name, place in places.items():
        monkeypatch.setenv(name, str(place))
    _secrets._replacements.cache_clear()
    for place in (*places.values(), tmp_path / "runs"):
        assert hide_secrets(f"{place} is no folder") == f"{place} is no folder"
