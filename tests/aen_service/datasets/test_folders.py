"""Uploads outlast a kill, a power cut, another database and a lost one; what is unfinished is removed."""

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from helpers.services import serving
from PIL import Image

from aen._files import write_atomically
from aen.export.formats import FORMATS
from aen.export.target import new_target
from aen_service.belonging import _address
from aen_service.database import DATASETS
from aen_service.datasets import folders
from aen_service.errors import ServiceStartError, UnavailableError
from aen_service.folder import prepare_folder
from aen_service.service import Service
from aen_service.settings import Settings

PATH = "/api/v1/datasets"


def archive() -> bytes:
    """Return a zip of class folders."""
    file, generator = io.BytesIO(), np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as content:
        for number in range(20):
            picture = io.BytesIO()
            Image.fromarray(generator.integers(0, 255, (8, 8), np.uint8)).save(picture, "PNG")
            content.writestr(f"{number % 2}/{number}.png", picture.getvalue())
    return file.getvalue()


def upload(client) -> str:
    answer = client.post(PATH, files={"file": ("images.zip", archive())})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def record_syncs(monkeypatch) -> set[str]:
    """Return the paths of what is synced from now on."""
    synced: set[str] = set()
    real = os.fsync

    def fsync(number: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{number}").readlink()))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def test_another_database_is_refused_and_a_lost_one_removes_no_upload(tmp_path, caplog):
    root = tmp_path / "runs"
    data, file = root / ".aen-service" / "data", root / ".aen-service" / "service.sqlite"
    with serving(root) as (_, client):
        dataset = upload(client)
    before = content(data)
    assert names(data) == [dataset]

    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    with pytest.raises(ServiceStartError) as refused, Service(Settings(root=root, database=other)):
        pass
    said = str(refused.value)
    assert f"root {root} belongs to the database below it, not to {other}; leave --database out, or" in said
    assert "\n" not in said
    with Service(Settings(root=tmp_path / "second", database=other)):  # it was not taken by the root that refused it
        pass

    shutil.copy(file, tmp_path / "backup.sqlite")
    for path in file.parent.glob("service.sqlite*"):
        path.unlink()
    with serving(root) as (service, client):  # lost
        assert client.get(PATH).json()["total"] == 0
        assert dataset in caplog.text
        assert f"1 folders of data sets in {data} are kept" in caplog.text
        assert service.database.shown in caplog.text
    assert content(data) == before

    for path in file.parent.glob("service.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.sqlite", file)  # put back
    with serving(root) as (_, client):
        assert [one["id"] for one in client.get(PATH).json()["items"]] == [dataset]
    assert content(data) == before


def test_a_root_moves_to_another_address_with_its_database_or_when_its_note_is_removed(tmp_path):
    root, moved = tmp_path / "runs", tmp_path / "moved.sqlite"
    first, second = (f"sqlite:///{tmp_path / name}.sqlite" for name in ("first", "second"))
    with Service(Settings(root=root, database=first)):
        pass
    (tmp_path / "first.sqlite").rename(moved)
    with Service(Settings(root=root, database=f"sqlite:///{moved}")):
        pass
    with pytest.raises(ServiceStartError, match=f"name that one .--database sqlite:///{moved}.") as refused:
        Service(Settings(root=root, database=second))
    note = root / ".aen-service" / "database.json"
    assert f"If that database is lost, remove {note}" in str(refused.value)
    note.unlink()
    with Service(Settings(root=root, database=second)):
        pass
    for damaged in (b"", b"\0" * 40, b"[1]", b'{"id": 1}'):
        note.write_bytes(damaged)
        with Service(Settings(root=root, database=second)):
            pass
        assert note.read_bytes() != damaged


def test_a_relative_address_means_the_file_and_passwords_are_not_noted(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    settings = Settings(root=tmp_path / "runs", database="sqlite:///x.sqlite")
    monkeypatch.chdir(tmp_path / "a")
    with Service(settings):
        pass
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(ServiceStartError, match="belongs to the database"):
        Service(settings)
    assert "geheim" not in str(
        _address(Settings(root=tmp_path, database="postgresql://me:geheim@h/db?password=geheim"))
    )


def test_all_files_of_an_upload_are_synced_before_its_row(tmp_path, monkeypatch):
    told: list[set[str]] = []
    with serving(tmp_path / "runs") as (service, client):
        synced = record_syncs(monkeypatch)

        @sa.event.listens_for(service.database._engine, "before_cursor_execute")
        def _(_connection, _cursor, statement, *_rest):
            if statement.startswith("INSERT INTO datasets"):
                told.append(set(synced))

        dataset = upload(client)
    data = tmp_path / "runs" / ".aen-service" / "data"
    wanted = {str(path) for path in [data, data / dataset, *(data / dataset).rglob("*")]}
    assert {str(data / dataset / name) for name in ("description.json", "samples.png", "images/0/0.png")} < wanted
    assert wanted - told[0] == set()


def test_an_upload_that_cannot_be_synced_is_not_told(service, client, monkeypatch):
    def fail(_: Path) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(folders, "sync_tree", fail)
    answer = client.post(PATH, files={"file": ("images.zip", archive())})
    assert (answer.status_code, "Input/output error" in answer.json()["detail"]) == (503, True)
    assert names(service.settings.folder / "data") == []
    assert client.get(PATH).json()["total"] == 0


def test_what_is_marked_is_removed_at_the_start_and_nothing_else(service, client, caplog):
    data = service.settings.folder / "data"
    dataset = upload(client)
    folders.begin(data / "unfinished")
    (data / "unfinished" / "images.zip").touch()
    (data / "begun.unfinished").touch()  # killed before there was a folder
    (data / "orphan").mkdir()  # killed before there was a row
    (data / f"{dataset}.unfinished").touch()  # killed before its row was deleted
    service.datasets.clean()
    assert names(data) == sorted([dataset, "orphan"])
    assert "orphan" in caplog.text

    # Killed after its row was deleted.
    folders.mark_deleted(data / dataset)
    with service.database.begin() as connection:
        connection.execute(DATASETS.delete())
    service.datasets.clean()
    assert names(data) == ["orphan"]


def test_a_data_set_whose_row_cannot_be_deleted_stays_and_a_full_disk_does_not_keep_one(service, client, monkeypatch):
    data, dataset = service.settings.folder / "data", upload(client)

    def fail() -> None:
        raise UnavailableError("the database of the service cannot be used now: locked.")

    with monkeypatch.context() as patch:
        real = folders.mark_deleted
        patch.setattr(
            folders, "mark_deleted", lambda folder: (real(folder), patch.setattr(service.database, "begin", fail))
        )
        assert client.delete(f"{PATH}/{dataset}").status_code == 503
    assert names(data) == [dataset]
    monkeypatch.setattr(Path, "touch", lambda *_: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    assert client.delete(f"{PATH}/{dataset}").status_code == 204
    assert names(data) == []


def test_a_queued_search_is_kept_that_the_database_does_not_know(tmp_path):
    with Service(Settings(root=tmp_path)) as service:
        searches = service.settings.folder / "searches"
    for name, file in (("half", None), ("queued", "config.yaml"), ("started", "process.json")):
        (searches / name).mkdir()
        if file:
            (searches / name / file).touch()
    with Service(Settings(root=tmp_path)):
        pass
    assert "queued" in names(searches)
    assert "half" not in names(searches)


def test_the_folders_and_files_that_the_service_tells_of_are_synced(tmp_path, monkeypatch):
    synced = record_syncs(monkeypatch)
    root = tmp_path / "new" / "runs"
    prepare_folder(Settings(root=root))
    assert {str(path) for path in (tmp_path, tmp_path / "new", root, root / ".aen-service")} <= synced
    synced.clear()
    with new_target(tmp_path / "a" / "export" / "model.onnx", FORMATS["onnx"], force=False) as part:
        write_atomically(part, b"network", durable=True)
    assert {str(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "export")} <= synced
