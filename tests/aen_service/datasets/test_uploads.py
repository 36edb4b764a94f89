"""Data sets are uploaded, described, shown, searched and deleted; a bad upload leaves nothing."""

import errno
import io
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.services import SMALL, bearer, serving, wait_for
from PIL import Image
from sklearn.datasets import load_digits

from aen.children import DenseSpec, TrainingSpec
from aen.data import complete_spec
from aen.evaluators import LocalEvaluator, evaluate
from aen_service import RemoteEvaluator
from aen_service.datasets import datasets as module
from aen_service.settings import Limits

PATH = "/api/v1/datasets"
PARTS = {"data.train": 20, "data.validation": 20, "data.test": 20}
LIMITS = Limits(upload_bytes=200_000, stored_bytes=10**6, datasets=3)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("runs"), limits=LIMITS, workers=1) as found:
        yield found


def digits(count=200):
    images, labels = load_digits(return_X_y=True)
    return (images.reshape(-1, 8, 8) * 15).astype(np.uint8)[:count], labels[:count]


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.fixture(scope="module")
def content():
    images, labels = digits()
    return npz(images=images, labels=labels)


def left(service):
    return sorted(path.name for path in (service.settings.folder / "data").iterdir())


def test_an_npz_file_is_uploaded_described_trained_on_and_deleted(service, client, content, tmp_path):
    answer = client.post(PATH, files={"file": ("images.npz", content)}, data={"name": "my <digits>"})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert answer.headers["Location"] == f"{PATH}/{found['id']}"
    assert (found["name"], found["kind"], found["images"]) == ("my <digits>", "npz file", 200)
    assert (found["shape"], found["dtype"], found["searchable"]) == ([1, 8, 8], "uint8", True)
    assert sum(one["count"] for one in found["classes"]) == 200
    assert sum(found["parts"].values()) == 200
    assert str(service.settings.root) not in answer.text
    assert client.get(f"{PATH}/{found['id']}").json() == found
    listed = client.get(PATH, params={"sort": "name"}).json()
    assert (listed["total"], listed["items"][0]["id"]) == (1, found["id"])

    sheet = client.get(f"{PATH}/{found['id']}/samples")
    assert sheet.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(sheet.content)).size[0] > 8
    small = client.get(f"{PATH}/{found['id']}/samples", params={"format": "json"}).json()["classes"]
    assert [one["label"] for one in small] == [one["label"] for one in found["classes"]]

    same = tmp_path / "elsewhere.npz"
    same.write_bytes(content)
    data, _ = complete_spec(str(same), train=60, validation=60, test=60)
    spec = DenseSpec(data=data, grids=(8, 4), training=TrainingSpec(epochs=1))
    secret = service.tokens.add("agent", "operator")[1]
    evaluator = RemoteEvaluator(str(client.base_url), secret, datasets={str(same): found["id"]})
    (remote,), (local,) = evaluate(evaluator, [spec]), evaluate(LocalEvaluator(), [spec])
    evaluator.close()
    assert (remote.key, remote.train_loss) == (local.key, local.train_loss)
    assert client.delete(f"{PATH}/{found['id']}").status_code == 204
    assert client.get(f"{PATH}/{found['id']}").status_code == 404
    assert left(service) == []


@pytest.mark.slow
def test_an_uploaded_file_is_searched_and_kept_until_the_search_has_ended(service, client, content):
    found = client.post(PATH, files={"file": ("images.npz", content)}, data={"name": "my <digits>"}).json()
    wanted = {"agent": "exhaustive", "agent.states": [["rot90"]], "training.epochs": 1, "selection.seeds": 2}
    checked = client.post("/api/v1/searches/check", json={"dataset": found["id"], "overrides": wanted})
    assert checked.status_code == 200, checked.text
    assert checked.json()["config"]["data"]["name"] == "my <digits>"
    assert str(service.settings.root) not in checked.text
    search = client.post("/api/v1/searches", json={"dataset": found["id"], "overrides": wanted, "name": "own"})
    assert search.status_code == 201, search.text
    refused = client.delete(f"{PATH}/{found['id']}")
    assert refused.status_code == 409
    assert "the search 'own'" in refused.json()["detail"]
    ended = wait_for(client, search.json()["id"], {"complete", "failed", "lost"})
    assert ended["state"] == "complete", ended["message"]
    assert client.delete(f"{PATH}/{found['id']}").status_code == 204
    assert client.get(f"{PATH}/{found['id']}").status_code == 404
    assert left(service) == []


def test_the_root_may_be_relative(tmp_path, monkeypatch):
    """As it is by default; the process that reads an upload works in another folder."""
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    images, labels = digits(60)
    np.savez(file, images=images, labels=labels)
    with serving(Path("runs"), parallel=0) as (_, client):
        answer = client.post(PATH, files={"file": ("mine.npz", file.getvalue())})
        assert answer.status_code == 201, answer.text
        assert client.get(f"{PATH}/{answer.json()['id']}/samples").status_code == 200


def test_a_zip_of_class_folders(service, client):
    images, labels = digits(60)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            archive.writestr(f"digits/{label % 2}/{place}.png", png.getvalue())
    answer = client.post(PATH, files={"file": ("my.zip", file.getvalue())})
    assert answer.status_code == 201, answer.text
    assert [one["label"] for one in answer.json()["classes"]] == ["0", "1"]
    assert answer.json()["name"] == "my.zip"
    client.delete(f"{PATH}/{answer.json()['id']}")
    assert left(service) == []


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("x.npz", b"no npz", 422, "x.npz is no zip file, or a damaged one"),
        ("x.csv", b"path,label", 422, "a csv names files of your machine"),
        ("x.pkl", b"cos\nsystem", 422, "of a kind that is not uploaded"),
        ("x.npz", npz(images=np.array([object()], dtype=object), labels=np.zeros(1, int)), 422, "pickled objects"),
        (
            "x.npz",
            npz(images=np.zeros((9, 8, 8), np.uint8), labels=np.zeros(9, int)),
            422,
            "all 9 images are of one class",
        ),
        (".npz", b"x", 422, "give a plain name"),
        ("a" * 200 + ".npz", b"x", 422, "give a plain name"),
        ("x.npz", bytes(300_000), 413, "more than 200,000 bytes"),
    ],
)
def test_a_bad_upload_is_refused_in_words_and_leaves_nothing(service, client, name, content, status, said):
    answer = client.post(PATH, files={"file": (name, content)})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert str(service.settings.root) not in answer.text
    assert left(service) == []
    assert client.get(PATH).json()["total"] == 0


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"other": ("x.npz", b"x")}, "a file named 'other'; name it file"),
        ([("file", ("x.npz", b"x")), ("file", ("X.npz", b"x"))], "twice"),
        ([("file", ("x.npz", b"x")), ("file", ("y.npz", b"x"))], "the form has 2 files"),
        ([("file", (f"train-images-{i}", b"x")) for i in range(9)], "more than 8 files"),
    ],
)
def test_a_form_with_other_files_is_refused(service, client, files, said):
    answer = client.post(PATH, files=files)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert left(service) == []


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("application/json", b"{}", "multipart/form-data with the field file"),
        ("multipart/form-data", b"x", "multipart/form-data with the field file"),
        ("multipart/form-data; boundary=b", b"", "ended before the form was whole"),
        ("multipart/form-data; boundary=b", b"nonsense", "the form is damaged"),
        ("multipart/form-data; boundary=" + "b" * 100, b"x", "multipart/form-data with the field file"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.npz"\r\n\r\nabc',
            "ended before the form was whole",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\n", "the form is damaged"),
    ],
)
def test_what_is_no_form_is_refused(service, client, kind, body, said):
    answer = client.post(PATH, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert left(service) == []


def test_a_client_that_leaves_in_the_middle_leaves_nothing(service, client):
    secret = service.tokens.add("gone", "operator")[1]
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="x.npz"\r\n\r\nabc'
    )
    with socket.create_connection(("127.0.0.1", client.base_url.port)) as connection:
        connection.sendall(head.encode())
        while not left(service):
            client.get("/healthz")
    while left(service):
        client.get("/healthz")


def test_a_full_disk_is_said_and_leaves_nothing(service, client, content, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "inspect", full)
    answer = client.post(PATH, files={"file": ("x.npz", content)})
    assert answer.status_code == 503
    assert "the disk is full; nothing of it was kept" in answer.json()["detail"]
    assert left(service) == []


def test_quotas(service, client, content, monkeypatch):
    described = {"pin": "0" * 16, "kind": "npz file", "images": 3, "grid": "8x8", "channels": 1, "dtype": "uint8"}
    described |= {"signals": False, "classes": {}, "parts": {}, "divided": [], "near_duplicates": 0, "groups": 1}
    described |= {"notices": [], "search": [], "config": None}
    monkeypatch.setattr(module, "inspect", lambda *_, **__: described)  # three times a process would take long
    mine = bearer(service.tokens.add("another", "operator")[1])
    made = [client.post(PATH, files={"file": ("x.npz", content)}, headers=mine) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201] * 3
    answer = client.post(PATH, files={"file": ("x.npz", content)}, headers=mine)
    assert answer.status_code == 429
    assert "this token has 3 data sets" in answer.json()["detail"]
    for one in made:
        client.delete(f"{PATH}/{one.json()['id']}")
    assert left(service) == []


def test_a_viewer_looks_and_changes_nothing(service, client, viewer, content):
    assert client.get(PATH, headers=viewer).status_code == 200
    assert client.post(PATH, files={"file": ("x.npz", content)}, headers=viewer).status_code == 403
    assert left(service) == []


def test_broken_images_are_left_out_on_request(service, client):
    images, labels = digits(60)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            picture = io.BytesIO()
            Image.fromarray(image).save(picture, "PNG")
            archive.writestr(f"{label}/{place}.png", picture.getvalue())
        archive.writestr("0/broken.png", b"no image")
    files = {"file": ("images.zip", file.getvalue())}
    before = left(service)
    answer = client.post(PATH, files=files)
    assert answer.status_code == 422
    assert "0/broken.png" in answer.json()["detail"]
    assert answer.json()["detail"].endswith("or leave it out with skip_broken=true in the form.")
    answer = client.post(PATH, files=files, data={"skip_broken": "yes"})
    assert (answer.status_code, answer.json()["argument"]) == (422, "skip_broken")
    assert answer.json()["detail"] == "skip_broken is 'yes'; give true or false."
    assert left(service) == before
    found = client.post(PATH, files=files, data={"skip_broken": "true"}).json()
    assert found["images"] == 60
    for request in ({"dataset": found["id"]}, {"preset": "digits", "dataset": found["id"]}):
        checked = client.post("/api/v1/searches/check", json=request)
        assert checked.status_code == 200, checked.text
    search = client.post(
        "/api/v1/searches", json={"preset": "digits", "dataset": found["id"], "overrides": SMALL | PARTS}
    )
    assert search.status_code == 201, search.text
    done = wait_for(client, search.json()["id"], {"complete", "failed", "stopped", "lost"})
    assert done["state"] == "complete", done
    client.delete(f"/api/v1/searches/{done['id']}").raise_for_status()
    client.delete(f"{PATH}/{found['id']}").raise_for_status()
