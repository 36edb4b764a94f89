import hashlib
import os
import re
import socket
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from helpers import failing_mirror, fake_data
from helpers.no_locks import without_locks
from helpers.permissions import without_permission

from aen.data import SOURCES, find_source
from aen.data.check import check_data
from aen.data.fetch import fetch
from aen.data.sets import galaxy10
from aen.data.source import Download, Recipe
from aen.errors import DataError


@pytest.fixture
def server():
    with failing_mirror.running() as mirror:
        yield mirror


FILE = "/train_32x32.mat"


def change(monkeypatch, name, **changes):
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], **changes))


@pytest.fixture
def svhn(server, monkeypatch, tmp_path):
    """The two files of a small SVHN on the server, and their checksums known."""
    fake = fake_data.write_svhn(tmp_path / "origin")
    files = {f"/{path.name}": path.read_bytes() for path in (tmp_path / "origin").iterdir()}
    server.files = files
    downloads = tuple(
        Download(name[1:], name[1:], hashlib.md5(files[name], usedforsecurity=False).hexdigest())
        for name in sorted(files, reverse=True)
    )
    change(monkeypatch, "svhn", recipe=Recipe((server.url,), downloads))
    return fake


def quick(name="svhn", **arguments):
    waits = []
    return fetch(name, timeout=5, sleep=waits.append, **arguments), waits


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


BOTH = ["test_32x32.mat", "train_32x32.mat"]


@pytest.mark.parametrize(
    "plan",
    [
        ["good"],
        ["drop", "good"],
        ["drop", "drop", "drop", "good"],
        [500, "good"],
        [503, 429, "good"],
        ["drop", "no range"],
        ["drop", "wrong range", "good"],
        ["drop", 416, "good"],
        ["no length"],
    ],
    ids=str,
)
def test_faults_that_pass_are_waited_out(svhn, server, data_folder, plan):
    server.plan[FILE] = list(plan)
    paths, waits = quick()
    assert sorted(path.name for path in paths) == BOTH
    assert names(data_folder) == BOTH
    np.testing.assert_array_equal(find_source("svhn").load().images.numpy(), svhn.images)
    assert waits == [2.0**i for i in range(len(waits))]
    assert (len(waits) > 0) == (plan[0] not in {"good", "no length"})


@pytest.mark.usefixtures("svhn")
def test_a_broken_download_goes_on_where_it_was(server, data_folder):
    half = len(server.files[FILE]) // 2
    server.plan[FILE] = ["drop", "good"]
    told = []
    quick(progress=lambda *what: told.append(what))
    assert [wanted for path, wanted in server.requests if path == FILE] == [None, f"bytes={half}-"]
    received = [done for name, done, _ in told if name == "train_32x32.mat"]
    assert received == sorted(received)
    assert told[0] == ("train_32x32.mat", 0, 2 * half + len(server.files[FILE]) % 2)
    assert names(data_folder) == BOTH


@pytest.mark.usefixtures("svhn")
def test_an_interrupted_fetch_goes_on_in_the_next_one(server, data_folder):
    def interrupt(name, done, total):
        if 0 < done == total and name == "train_32x32.mat":
            raise KeyboardInterrupt

    server.plan[FILE] = ["drop", "good"]
    with pytest.raises(KeyboardInterrupt):
        quick(progress=interrupt)
    assert names(data_folder) == ["train_32x32.mat.part"]
    server.requests.clear()
    quick()
    # It was whole already and lacked only its name: nothing is asked for again.
    assert FILE not in [path for path, _ in server.requests]
    assert names(data_folder) == BOTH


@pytest.mark.usefixtures("svhn")
def test_a_part_of_something_else_is_thrown_away(server, data_folder):
    (data_folder / "train_32x32.mat.part").write_bytes(b"x" * 10)
    quick()
    (data_folder / "train_32x32.mat").unlink()
    (data_folder / "train_32x32.mat.part").write_bytes(server.files[FILE] + b"too long")
    quick()
    assert (data_folder / "train_32x32.mat").read_bytes() == server.files[FILE]


@pytest.mark.usefixtures("svhn")
@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (["wrong"], "checksum mismatch, the file's md5 is [0-9a-f]{32}, not"),
        (["drop", "wrong"], "checksum mismatch"),
        ([404], "the server answers 404"),
        ([500], "the server answers 500"),
        (["redirect:file:///etc/passwd"], "the server answers 302"),
        (["redirect:/train_32x32.mat"], "the server answers 302"),
    ],
    ids=str,
)
def test_a_mirror_without_the_right_file_leaves_nothing_under_its_name(server, data_folder, plan, message):
    server.plan[FILE] = plan
    with pytest.raises(DataError, match=f"train_32x32.mat could not be fetched: .*{message}") as caught:
        quick()
    put = f"Without a network: get train_32x32.mat by other means, put it at {data_folder / 'train_32x32.mat'}"
    assert put in str(caught.value)
    assert "then run: aen data check svhn" in str(caught.value)
    assert names(data_folder) == []


@pytest.mark.usefixtures("svhn")
def test_a_redirection_is_followed(server, data_folder):
    server.files["/moved"] = server.files[FILE]
    server.plan[FILE] = ["redirect:/moved"]
    quick()
    assert names(data_folder) == BOTH


@pytest.mark.usefixtures("svhn")
def test_the_next_mirror_is_tried(server, data_folder, monkeypatch):
    good = SOURCES["svhn"].recipe
    server.files |= {f"/bad{name}": bytes(9) for name in list(server.files)}
    unknown = "http://nowhere.invalid/"
    change(monkeypatch, "svhn", recipe=Recipe((unknown, f"{server.url}bad/", server.url), good.files))
    quick()
    assert names(data_folder) == BOTH


@pytest.mark.usefixtures("svhn")
def test_without_a_network_it_says_what_to_put_where(data_folder, monkeypatch):
    def offline(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    with pytest.raises(DataError, match=r"there is no network\. Without a network: get train_32x32.mat by other") as e:
        quick()
    assert str(data_folder / "train_32x32.mat") in str(e.value)
    assert names(data_folder) == []


@pytest.mark.usefixtures("svhn")
def test_a_closed_port_is_tried_and_given_up(data_folder):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DataError, match=r"no answer .*refused"):
        quick(mirror=f"http://127.0.0.1:{port}")
    assert names(data_folder) == []


@pytest.mark.usefixtures("svhn")
def test_what_is_there_is_not_fetched_again(server, data_folder, tmp_path):
    quick()
    server.requests.clear()
    quick()
    assert server.requests == []
    (data_folder / "train_32x32.mat").write_bytes(b"damaged")
    quick()
    assert [path for path, _ in server.requests] == [FILE]
    paths, _ = quick(to=tmp_path / "there")
    assert all(path.parent == tmp_path / "there" for path in paths)


def test_a_file_packed_anew_is_right(data_folder, monkeypatch):
    fake = fake_data.write_mnist(data_folder)
    content = hashlib.md5(fake_data.idx(fake.train[:, 0]), usedforsecurity=False).hexdigest()
    change(monkeypatch, "mnist", content_md5={"train-images-idx3-ubyte": content})
    first = SOURCES["mnist"].recipe.files[0]
    change(monkeypatch, "mnist", recipe=Recipe(("http://nowhere.invalid/",), (first,)))
    assert fetch("gmnist-multi-3") == [data_folder / first.target]


@pytest.mark.usefixtures("svhn")
def test_two_do_not_write_one_part(data_folder, server):
    fetched = []

    def again(_name, _done, _total):
        if not fetched:
            fetched.append(1)
            with pytest.raises(DataError, match=r"train_32x32.mat.part is being written by another process"):
                fetch("svhn")

    quick(progress=again)
    assert fetched
    assert (data_folder / "train_32x32.mat").read_bytes() == server.files[FILE]


@pytest.mark.usefixtures("svhn")
def test_a_folder_without_locks_is_refused_and_not_made(tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"cannot lock files \(No locks available\); choose .* \(--to\), or mount it"):
        without_locks(lambda: fetch("svhn", to=tmp_path / "new" / "data"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("svhn")
def test_a_full_disk_keeps_the_part_and_says_so(data_folder, monkeypatch):
    def full(_file, _chunk):
        raise DataError("cannot be written")

    monkeypatch.setattr("aen.data.download._write", full)
    with pytest.raises(DataError, match=r"cannot be written"):
        quick()
    assert names(data_folder) == ["train_32x32.mat.part"]


def test_a_write_that_fails_is_the_disks_fault():
    from aen.data.download import _write

    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DataError, match=r"No space left.*make room"):
        _write(full, b"x")


def archive_of(kind, members):
    if kind == "tar":
        return fake_data.tar_gz(members)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "write"),
    [
        ("cifar10", "tar", fake_data.write_cifar10),
        ("emnist", "zip", lambda root: fake_data.write_emnist(root, "balanced", 47)),
        ("rotmnist", "zip", fake_data.write_rotmnist),
    ],
)
def test_archives_are_unpacked_and_not_kept(server, data_folder, tmp_path, monkeypatch, name, kind, write):
    fake = write(tmp_path / "origin")
    source = "emnist-balanced" if name == "emnist" else name
    (file,) = SOURCES[source].recipe.files
    members = {member: (tmp_path / "origin" / place).read_bytes() for member, place in file.unpack}
    content = archive_of(kind, members | {"something/else": b"not wanted"})
    server.files = {f"/{file.name}": content}
    known = Download(file.name, file.target, hashlib.md5(content, usedforsecurity=False).hexdigest(), file.unpack)
    change(monkeypatch, source, recipe=Recipe((server.url,), (known,)))
    paths, _ = quick(name)
    assert names(data_folder) == sorted(place for _, place in file.unpack)
    assert len(paths) == len(members)
    np.testing.assert_array_equal(find_source(name).load().images.numpy(), fake.images)
    server.requests.clear()
    quick(name)
    assert server.requests == []


@pytest.mark.parametrize("name", ["galaxy10", "galaxy10-64"])
def test_a_checksum_may_be_a_sha256(server, data_folder, tmp_path, monkeypatch, name):
    written = fake_data.write_galaxy10(tmp_path / "origin", n=3)
    content = (tmp_path / "origin" / galaxy10.FILE).read_bytes()
    server.files = {f"/{galaxy10.FILE}": content}
    known = Download(galaxy10.FILE, galaxy10.FILE, hashlib.sha256(content).hexdigest())
    change(monkeypatch, "galaxy10", recipe=Recipe((server.url,), (known,)))
    server.plan[f"/{galaxy10.FILE}"] = ["wrong", "good"]
    with pytest.raises(DataError, match=r"checksum mismatch, the file's sha256 is [0-9a-f]{64}, not"):
        quick(name)
    quick(name)
    assert names(data_folder) == [galaxy10.FILE]
    assert check_data(name).files == ((data_folder / galaxy10.FILE, "as published"),)
    np.testing.assert_array_equal(find_source("galaxy10").load().images.numpy(), written.images)
    server.requests.clear()
    quick(name)
    assert server.requests == []
    (data_folder / galaxy10.FILE).write_bytes(content + b"more")
    with pytest.raises(
        DataError, match=r"checksum mismatch, its sha256 is [0-9a-f]{64}, not .*aen data fetch galaxy10"
    ):
        check_data(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits", "comes with scikit-learn; there is nothing to fetch"),
        ("asl", "cannot be fetched. Get it from https://www.kaggle.com"),
        ("isic", "cannot be fetched. Get it from https://challenge.isic-archive.com/.* here: ISIC_2019_Training_Gr"),
        ("isic-64", "data set 'isic' cannot be fetched"),
        ("isic-64:skip-missing", "data set 'isic' cannot be fetched"),
        ("mine.npz", "is a file of your own"),
        ("mnits", "unknown data set 'mnits'.*did you mean 'mnist'"),
        ("../mnist", r"data path .* does not exist"),
    ],
)
def test_what_cannot_be_fetched_is_said(data_folder, name, message):
    with pytest.raises(DataError, match=message):
        fetch(name)
    assert names(data_folder) == []


@pytest.mark.parametrize("mirror", ["file:///etc/", "example.org", "ftp://example.org/", "", "http://"])
def test_a_mirror_must_be_a_web_address(data_folder, mirror):
    with pytest.raises(DataError, match=re.escape(f"mirror {mirror!r} is not an address; give one such as https:")):
        fetch("mnist", mirror=mirror)
    assert names(data_folder) == []


def test_every_recipe_puts_its_files_where_they_are_looked_for():
    recipes = {name: source.recipe for name, source in SOURCES.items() if source.recipe}
    assert len(recipes) == 11
    for name, recipe in recipes.items():
        looked_for = {file for layout in SOURCES[name].layouts for file in layout.files}
        for file in recipe.files:
            assert re.fullmatch("[0-9a-f]{32}|[0-9a-f]{64}", file.checksum)
            for target in [place for _, place in file.unpack] or [file.target]:
                assert target.removesuffix(".gz") in looked_for
        assert all(re.fullmatch("https?://.*/", mirror) for mirror in recipe.mirrors)


def test_a_folder_that_may_not_be_entered_is_named(tmp_path):
    with without_permission(tmp_path), pytest.raises(DataError, match=r"mat may not be read by this user \(Permission"):
        fetch("svhn", to=tmp_path)


@pytest.mark.usefixtures("svhn")
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "fifo", "folder"])
def test_what_lies_in_place_of_the_part_is_not_written_through(data_folder, tmp_path, kind):
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    part = data_folder / "train_32x32.mat.part"
    {
        "link": lambda: part.symlink_to(precious),
        "dangling link": lambda: part.symlink_to(tmp_path / "made"),
        "hard link": lambda: part.hardlink_to(precious),
        "fifo": lambda: os.mkfifo(part),
        "folder": part.mkdir,
    }[kind]()
    with pytest.raises(DataError, match=r"train_32x32.mat.part cannot be written: .*; remove .*, or choose another"):
        quick()
    assert precious.read_bytes() == b"mine"
    assert not (tmp_path / "made").exists()
    assert list(data_folder.iterdir()) == [part]
