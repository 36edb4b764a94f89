"""`aen serve` from start to end, and `aen tokens`: as processes and by the command line."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from helpers.full_disk import files_no_longer_than
from helpers.permissions import permissions_apply, without_permission
from helpers.services import bearer

from aen_service.commands import _NEEDED
from aen_service.database import INFO, Database
from aen_service.main import main
from aen_service.serve import open_port
from aen_service.service import Service
from aen_service.settings import Settings

PROGRAM = "import sys; from aen_service.main import main; sys.exit(main(sys.argv[1:]))"
LINK = re.compile(r"http://[^\s#]+/login#(aen_[\w-]{43})\n")


def command(*words: object, program: str = PROGRAM) -> list[str]:
    return [sys.executable, "-c", program, *map(str, words)]


@contextmanager
def serving(*words: object, **more: object) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """Yield the process of `aen serve`, its address, and the lines of stderr until then; it ends with the block."""
    process = subprocess.Popen(
        command("serve", *words), **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r" at (http://\S+)", line):
                break
        else:
            pytest.fail("".join(lines))
        yield process, found[1], lines
    finally:
        process.kill()
        process.communicate()


def fails(capsys, *words):
    """Return the one line of stderr of a command that fails."""
    assert main([*map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aen: error: ")
    assert error.count("\n") == 1
    return error


def test_a_service_is_started_used_and_ended(tmp_path):
    root = tmp_path / "runs"
    with serving("--root", root, "--port", 0) as (process, address, _):
        httpx.get(f"{address}/healthz").raise_for_status()
        link = (root / ".aen-service" / "first-link.txt").read_text()
        assert (root / ".aen-service" / "first-link.txt").stat().st_mode & 0o777 == 0o600
        secret = LINK.fullmatch(link)[1]
        assert link.startswith(address)
        with httpx.Client(base_url=address) as client:
            assert client.get("/api/v1/searches?name=a-word", headers=bearer(secret)).status_code == 200
            assert client.get("/api/v1/%1b[31m/" + secret, headers=bearer(secret)).status_code == 400
            assert client.post("/api/v1/session", json={"token": secret}).status_code == 200
        assert not (root / ".aen-service" / "first-link.txt").exists()  # its token has been used in a browser
        assert subprocess.run(command("serve", "--root", root), capture_output=True, check=False).returncode == 2
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == ""
    assert secret not in errors
    assert "a-word" not in errors  # queries are not logged
    assert "\x1b" not in errors
    assert re.search(r"GET /api/v1/searches 200 \d+ ms token [0-9a-f]{16}$", errors, re.MULTILINE)
    assert "Traceback" not in errors
    with serving("--root", root, "--port", 0) as (process, _, lines):
        assert not [line for line in lines if "link" in line]  # there is a token already
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.slow
def test_open_connections_do_not_keep_it(tmp_path, number):
    with serving("--root", tmp_path / "runs", "--port", 0) as (process, address, _):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as idle:
            idle.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            httpx.get(f"{address}/healthz").raise_for_status()
            process.send_signal(number)
            process.send_signal(number)  # as from a user who cannot wait
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_terminal_is_shown_the_link(tmp_path):
    leader, follower = pty.openpty()
    try:
        with serving("--root", tmp_path / "runs", "--port", 0, stdout=follower) as (process, address, _):
            httpx.get(f"{address}/healthz").raise_for_status()
            shown = os.read(leader, 10_000).decode().replace("\r\n", "\n")
            assert LINK.search(shown)
            assert shown.count("aen_") == 1
            assert not (tmp_path / "runs" / ".aen-service" / "first-link.txt").exists()
            process.terminate()
            assert process.wait(60) == 0
    finally:
        os.close(leader)
        os.close(follower)


@pytest.mark.slow
def test_other_machines_are_said_to_read_tokens(tmp_path):
    with serving("--root", tmp_path / "runs", "--port", 0, "--host", "0.0.0.0") as (process, _, lines):  # noqa: S104
        process.terminate()
        assert process.wait(60) == 0
    assert re.search("WARNING: 0.0.0.0 can be reached from other machines.*TLS", "".join(lines))


def test_the_next_free_port_is_taken_and_a_named_one_is_not_replaced(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener, found = open_port("127.0.0.1", port, any_port=True)
        listener.close()
        assert found > port
        error = fails(capsys, "serve", "--root", tmp_path / "runs", "--port", port)
        assert f"127.0.0.1:{port}: Address already in use" in error
        assert "--port" in error


def test_a_port_is_held_from_the_moment_it_is_said():
    listener, port = open_port("127.0.0.1", 0, any_port=False)
    with listener:
        second, other = open_port("127.0.0.1", port, any_port=True)
        second.close()
        assert other != port


@pytest.mark.slow
def test_ipv6(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving("--root", tmp_path / "runs", "--port", 0, "--host", "[::1]") as (_, address, lines):
        assert address.startswith("http://[::1]:")
        assert not [line for line in lines if "WARNING" in line]
        assert httpx.get(f"{address}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--host", ""], "is no address"),
        (["--host", "127.0.0.1:80"], "without port"),
        (["--host", "a b"], "is no address"),
        (["--ray", "10.0.0.1:8265"], "http://HEAD:8265"),
        (["--ray", "http://u:geheim@h:1"], "http://HEAD:8265"),
        (["--allow-host", "https://aen.example.org"], "without scheme"),
        (["--allow-host", "aen.example.org:443"], "without scheme, port"),
        (["--allow-host", "*"], "is no name"),
        (["--port", "-1"], "is no port"),
        (["--port", "65536"], "is no port"),
        (["--port", "9" * 5000], "is no port"),
        (["--parallel", "0"], "'0' is no whole number from 1 to 1024; give one"),
        (["--parallel", "1025"], "'1025' is no whole number"),
        (["--workers", "0"], "is no whole number"),
        (["--workers", "-1"], "is no whole number"),
        (["--workers", "99999999999999999999"], "'99999999999999999999' is no whole number from 1 to 10000"),
        (["--workers", "9" * 5000], "999... (5,000 characters)' is no whole number"),
        (["--workers", "\u0663"], "is no whole number"),
    ],
)
def test_bad_options(capsys, words, why):
    with pytest.raises(SystemExit) as ended:
        main(["serve", *words])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert why in error
    assert "geheim" not in error


def test_addresses_that_are_not_of_this_machine(capsys, tmp_path):
    assert "--host" in fails(capsys, "serve", "--root", tmp_path, "--host", "192.0.2.1", "--port", 0)
    assert "no address of this machine" in fails(capsys, "serve", "--root", tmp_path, "--host", "x.invalid")


def test_roots_that_cannot_be_used(capsys, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert "it is no folder; name another folder (--root)" in fails(capsys, "serve", "--root", file)
    closed = tmp_path / "closed"
    closed.mkdir()
    with without_permission(closed), permissions_apply():
        assert "Permission denied" in fails(capsys, "serve", "--root", closed)
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / ".aen-service").symlink_to(tmp_path / "elsewhere")
    assert "not a folder of this user" in fails(capsys, "serve", "--root", tmp_path / "runs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_not_used(capsys, tmp_path):
    folder = tmp_path / "runs" / ".aen-service"
    folder.mkdir(parents=True)
    os.chown(folder, 12345, 12345)
    assert "not a folder of this user" in fails(capsys, "serve", "--root", tmp_path / "runs")


def test_databases_that_cannot_be_used(capsys, tmp_path):
    root = tmp_path / "runs"
    (tmp_path / "nonsense").write_bytes(b"nonsense" * 1000)
    for url, why in {
        f"sqlite:///{tmp_path}/nonsense": "not a database",
        f"sqlite:///{tmp_path}/no/folder": "unable to open",
        "nonsense": "Could not parse",
        "nonsense://u:geheim@h/x": "nonsense",
        "postgresql+psycopg://u:geheim@127.0.0.1:1/x": "cannot be used",
    }.items():
        error = fails(capsys, "serve", "--root", root, "--port", 0, "--database", url)
        assert why in error
        assert "geheim" not in error
    Database(f"sqlite:///{tmp_path}/old").close()
    old = Database(f"sqlite:///{tmp_path}/old")
    with old.begin() as connection:
        connection.execute(INFO.update().values(value="0"))
    old.close()
    error = fails(capsys, "serve", "--root", root, "--port", 0, "--database", f"sqlite:///{tmp_path}/old")
    assert "has version 0" in error
    assert "--database" in error


def test_a_database_of_something_else_is_left_alone(capsys, tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("create table things (x)")
    connection.close()
    before = (tmp_path / "other").read_bytes()
    error = fails(
        capsys, "serve", "--root", tmp_path / "runs", "--port", 0, "--database", f"sqlite:///{tmp_path}/other"
    )
    assert "not that of a service" in error
    assert (tmp_path / "other").read_bytes() == before


@pytest.mark.parametrize("size", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (2048, 20_000))])
def test_a_full_disk_at_the_start(capsys, tmp_path, size):
    with files_no_longer_than(size):
        error = fails(capsys, "serve", "--root", tmp_path / "runs", "--port", 0)
    assert "Traceback" not in error
    with serving("--root", tmp_path / "runs", "--port", 0) as (_, address, _):  # once there is room, all is well
        assert httpx.get(f"{address}/healthz").status_code == 200


@pytest.mark.parametrize(("package", "module"), _NEEDED.items())
def test_a_missing_package_is_named(capsys, tmp_path, monkeypatch, package, module):
    monkeypatch.setattr("aen_service.commands.find_spec", lambda name: None if name == module else True)
    error = fails(capsys, "serve", "--root", tmp_path / "runs")
    assert f"needs {package}, which is not installed: pip install 'aen[service]'" in error


def test_the_command_line_needs_no_package_of_the_extra(tmp_path):
    blocked = "import sys; sys.modules.update({name: None for name in %r}); " % [
        *_NEEDED.values(),
        "httpx",
        "starlette",
    ]
    for words, status in ((["--help"], 0), (["serve", "--help"], 0), (["tokens", "list", "--root", tmp_path], 2)):
        done = subprocess.run(command(*words, program=blocked + PROGRAM), capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr


def test_tokens_are_made_listed_and_revoked(capsys, tmp_path):
    root = ["--root", str(tmp_path / "runs")]
    assert "no service" in fails(capsys, "tokens", "list", *root)
    assert "no service" in fails(capsys, "tokens", "revoke", "x", *root)
    assert not (tmp_path / "runs").exists()
    assert main(["tokens", "add", "Ann", "--role", "viewer", *root]) == 0
    secret = capsys.readouterr().out.strip()
    assert re.fullmatch(r"aen_[\w-]{43}", secret)
    database = (tmp_path / "runs" / ".aen-service" / "service.sqlite").read_bytes()
    assert secret.encode() not in database
    assert main(["tokens", "list", *root]) == 0
    listed = capsys.readouterr().out
    assert re.fullmatch(r"[0-9a-f]{16}  viewer    \d{4}-\d\d-\d\d  Ann\n", listed)
    assert "did you mean 'Ann'" in fails(capsys, "tokens", "revoke", "Anne", *root)
    assert main(["tokens", "revoke", "Ann", *root]) == 0
    assert "revoked already" in fails(capsys, "tokens", "revoke", "Ann", *root)
    assert "did you mean 'operator'" in fails(capsys, "tokens", "add", "B", "--role", "operater", *root)
    for name in ("", " ", "a\nb", "a\x1b[31m", "x" * 65, "a\u202eb"):
        assert "printable characters" in fails(capsys, "tokens", "add", name, *root)
    for _ in range(2):
        assert main(["tokens", "add", "twin", *root]) == 0
    capsys.readouterr()
    assert "2 valid tokens have the name" in fails(capsys, "tokens", "revoke", "twin", *root)


def test_the_files_are_for_the_user_alone(tmp_path):
    assert main(["tokens", "add", "Ann", "--root", str(tmp_path / "runs")]) == 0
    folder: Path = tmp_path / "runs" / ".aen-service"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_database_belongs_to_one_root_which_may_be_moved(tmp_path, capsys):
    database = f"sqlite:///{tmp_path / 'service.sqlite'}"
    first, second = tmp_path / "first", tmp_path / "second"
    with Service(Settings(root=first, database=database)):
        pass
    error = fails(capsys, "serve", "--root", second, "--database", database, "--port", 0)
    assert f"belongs to the service of another root, {first}; name another one (--database), or that root" in error
    first.rename(tmp_path / "moved")
    with Service(Settings(root=tmp_path / "moved", database=database)):
        pass
    error = fails(capsys, "serve", "--root", second, "--database", database, "--port", 0)
    assert f"another root, {tmp_path / 'moved'};" in error
