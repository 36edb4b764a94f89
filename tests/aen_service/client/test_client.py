"""The client against a service on a port of this machine; its searches are processes that only wait."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from helpers.idle_searches import PROGRAM, end_all, make_run
from helpers.services import serving, wait_for

import aen_service
from aen_service.client import Client
from aen_service.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    QuotaError,
    ServiceError,
    UnauthenticatedError,
    UnavailableError,
)
from aen_service.searches import launcher
from aen_service.service import Service
from aen_service.settings import Limits


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(launcher, "_PROGRAM", PROGRAM)
    with serving(tmp_path / "runs", limits=Limits(queued=3, active_children=900)) as (made, _):
        yield made
        end_all(made)


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.settings.port}", service.tokens.add("me", "operator")[1]) as made:
        yield made


def test_it_is_exported_where_it_is_used_only() -> None:
    assert aen_service.Client is Client
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        aen_service.Clint  # noqa: B018


def test_a_search_is_submitted_stopped_resumed_and_deleted(client: Client, service: Service) -> None:
    record = client.submit("digits", overrides={"budget.children": 5}, name="mine")
    assert (record.name, record.agent, record.data) == ("mine", "dqn_transfer", "digits")
    waiting = client.submit("digits", name="second")
    assert waiting.position is not None
    assert client.list(name="mine").items[0].id == record.id
    assert client.list(size=1).total == 2
    assert client.stop(waiting.id).state in {"stopped", "stopping"}
    client.stop(record.id)
    assert client.wait(record.id, timeout=60, poll=0.05).state == "stopped"
    assert client.resume(record.id).state in {"queued", "running"}
    with pytest.raises(ConflictError, match="stop it before you delete it"):
        client.delete(record.id)
    client.stop(record.id)
    client.wait(record.id, timeout=60, poll=0.05)
    own = launcher.search_folder(service.settings, record.id)
    assert own.is_dir()
    client.delete(record.id)
    assert not own.exists()
    with pytest.raises(NotFoundError, match="there is no search"):
        client.get(record.id)


def test_what_is_deleted_is_the_run_folder_and_nothing_that_links_lead_to(
    client: Client, service: Service, tmp_path: Path
) -> None:
    record = client.submit("digits", name="exit.0")
    client.wait(record.id, timeout=60, poll=0.05)
    run = service.settings.root / service.searches.get(record.id).path
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    make_run(run)
    (run / "link").symlink_to(tmp_path / "precious")
    client.delete(record.id)
    assert not run.exists()
    assert (tmp_path / "precious" / "file").read_text() == "kept"


NO_RUNS = [
    ("../precious", "is not below the root"),
    ("/etc", "is not below the root"),
    (".aen-service/searches", "is not below the root"),
    ("", "is not below the root"),
    ("link", "is a link, or in one"),
    ("link/inner", "is a link, or in one"),
    ("other", "holds something else than a run"),
    ("file", "holds something else than a run"),
]


def test_what_is_no_run_folder_below_the_root_is_not_deleted(client: Client, service: Service, tmp_path: Path) -> None:
    root = service.settings.root
    for folder in (tmp_path / "precious" / "inner", root / "other"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("kept")
        (folder.parent / "run.json").write_text("{}")
    (root / "file").write_text("kept")
    (root / "link").symlink_to(tmp_path / "precious")
    for path, said in NO_RUNS:
        record = service.searches.add(path=path, name="x", state="complete", request={"preset": "digits"})
        with pytest.raises(ConflictError, match=said):
            client.delete(record.id)
        assert client.get(record.id).state == "complete", path
        assert (tmp_path / "precious" / "inner" / "file").exists(), path
        assert (root / "other" / "file").exists(), path


def test_a_folder_in_which_a_process_works_is_not_deleted(client: Client, service: Service) -> None:
    from aen_agents.runs.folders import lock_folder

    record = service.searches.add(path="run", name="x", state="stopped", request={"preset": "digits"})
    make_run(service.settings.root / "run")
    with lock_folder(service.settings.root / "run", ""), pytest.raises(ConflictError, match="a process works in"):
        client.delete(record.id)
    client.delete(record.id)
    assert not (service.settings.root / "run").exists()


def test_a_delete_that_a_kill_cut_short_is_finished_at_the_next_start(client: Client, service: Service) -> None:
    from aen_service.searches import removal

    record = service.searches.add(path="run", name="x", state="stopped", request={"preset": "digits"})
    make_run(service.settings.root / "run")
    own = launcher.search_folder(service.settings, record.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removal, "_remove", lambda *_: None)
        client.delete(record.id)
    assert (service.settings.root / "run").exists()
    begun = launcher.search_folder(service.settings, "other")
    begun.mkdir()
    (begun / launcher.PROCESS_FILE).touch()
    removal.clean_up(service.settings, service.searches)
    assert not (service.settings.root / "run").exists()
    assert not own.exists()
    assert begun.exists(), "the files of a search are kept that the database does not know"


def test_a_clone_has_the_request_and_its_own_changes(client: Client, service: Service) -> None:
    record = client.submit("digits", overrides={"budget.children": 5, "seed": 1}, name="exit.0")
    clone = client.clone(record.id, overrides={"seed": 2}, name="other")
    assert service.searches.get(clone.id).request["overrides"] == {"budget.children": 5, "seed": 2}
    text = (launcher.search_folder(service.settings, clone.id) / "config.yaml").read_text()
    assert "seed: 2" in text
    assert clone.name == "other"
    with pytest.raises(ServiceError, match=r"budget\.childern"):
        client.clone(record.id, overrides={"budget.childern": 2})


def test_a_run_of_a_terminal_is_cloned_from_its_config(client: Client, service: Service) -> None:
    from aen_agents.config import load_config

    run = service.settings.root / "run"
    make_run(run)
    (run / "config.yaml").write_text(load_config("digits", ["seed=7", "budget.children=3"]).to_yaml())
    record = service.searches.add(path="run", name="x", state="complete")
    clone = client.clone(record.id)
    assert "seed: 7" in (launcher.search_folder(service.settings, clone.id) / "config.yaml").read_text()


@pytest.mark.parametrize("what", ["the config", "the database"])
def test_a_full_disk_refuses_a_submission_and_leaves_nothing(
    client: Client, service: Service, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        if what == "the config":
            raise OSError(errno.ENOSPC, "No space left on device")
        raise sqlalchemy.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    with monkeypatch.context() as patch:
        if what == "the config":
            patch.setattr("aen_service.searches.submitting.write_atomically", full)
        else:
            patch.setattr("sqlalchemy.engine.Connection.execute", _failing_insert(full))
        with pytest.raises(UnavailableError, match=r"(No space left|disk is full)"):
            client.submit("digits")
    assert service.searches.where() == []
    assert list((service.settings.folder / "searches").iterdir()) == []
    assert client.submit("digits", name="exit.0").state in {"queued", "running"}


def _failing_insert(fail: Callable[..., None]) -> Callable[..., Any]:
    execute = sqlalchemy.engine.Connection.execute

    def failing(self: sqlalchemy.engine.Connection, statement: Any, *given: Any, **options: Any) -> Any:
        if isinstance(statement, sqlalchemy.sql.dml.Insert):
            fail()
        return execute(self, statement, *given, **options)

    return failing


def test_quotas_of_searches_and_of_children(client: Client) -> None:
    first = client.submit("digits", overrides={"budget.children": 600})
    with pytest.raises(QuotaError, match="600 children together; with 301 more they exceed the 900 allowed"):
        client.submit("digits", overrides={"budget.children": 301})
    for _ in range(2):
        client.submit("digits", overrides={"budget.children": 1})
    with pytest.raises(QuotaError, match="3 searches of this token wait or run"):
        client.clone(first.id)


def test_the_queue_is_moved(client: Client) -> None:
    ids = [client.submit("digits", overrides={"budget.children": 1}).id for _ in range(3)]
    last = client.get(ids[2]).position
    assert last is not None
    assert client.move(ids[2], 1).position == 1


def test_errors_have_the_words_of_the_service(client: Client, service: Service) -> None:
    with pytest.raises(ServiceError, match="digit"):
        client.submit("digit")
    with pytest.raises(InvalidRequestError, match="give either preset or config"):
        client.submit()
    looker = Client(client.url, service.tokens.add("looker", "viewer")[1])
    with looker, pytest.raises(ForbiddenError, match="'looker' is a viewer's"):
        looker.submit("digits")
    with Client(client.url, "aen_wrong") as stranger, pytest.raises(UnauthenticatedError, match="a valid token"):
        stranger.list()


def test_nobody_listens() -> None:
    with (
        Client("http://127.0.0.1:9", "t", patience=0.0) as client,
        pytest.raises(UnavailableError, match=r"cannot connect to http://127.0.0.1:9 \(.*refused"),
    ):
        client.wait("x")


@pytest.mark.parametrize("url", ["127.0.0.1:8700", "ftp://x", "http://", "http://user@x", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="url is"):
        Client(url, "t")


@pytest.mark.parametrize("token", ["", " ", "a\nb", "é"])
def test_a_token_that_is_none(token: str) -> None:
    with pytest.raises(InvalidRequestError, match="token is empty or has other"):
        Client("http://127.0.0.1", token)


def test_the_location_of_a_new_search(service: Service, client: Client) -> None:
    secret = service.tokens.add("raw", "operator")[1]
    with httpx.Client(base_url=client.url, headers={"Authorization": f"Bearer {secret}"}) as raw:
        answer = raw.post("/api/v1/searches", json={"preset": "digits", "name": "exit.0"})
        assert raw.get(answer.headers["Location"]).json()["id"] == answer.json()["id"]
        wait_for(raw, answer.json()["id"], {"complete"})
