"""Small data files that stand for much: they are read in time linear in their size, or refused."""

import gzip
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aen.data.files import read_file
from aen.data.matlab import _unpacked
from aen.data.npz import OpenNpz, look_into_npz
from aen.data.own.scan import scan
from aen.data.sets.idx import read_idx
from aen.errors import DataError

pytestmark = pytest.mark.timeout(120)


class _Counted:
    """Counts the bytes that are given to zlib."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given = 0
        make = zlib.decompressobj

        def decompressobj(*arguments: int, **names: int) -> object:
            inner = make(*arguments, **names)
            counted = self

            class Wrapped:
                def decompress(self, data: bytes, most: int = 0) -> bytes:
                    counted.given += len(data)
                    return inner.decompress(data, most)

                def __getattr__(self, name: str) -> object:
                    return getattr(inner, name)

            return Wrapped()

        monkeypatch.setattr(zlib, "decompressobj", decompressobj)


def test_many_gzip_members_are_unpacked_in_linear_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.gz"
    content = gzip.compress(b"") * 20_000 + gzip.compress(b"ab") * 1_000
    path.write_bytes(content)
    counted = _Counted(monkeypatch)
    assert read_file(path) == b"ab" * 1_000
    assert counted.given < 2_000 * 21_000  # not half a million for each member


@pytest.mark.parametrize("tail", [b"", b"\0" * 500], ids=["whole", "padded"])
def test_members_of_all_sizes_are_joined(tail: bytes, tmp_path: Path) -> None:
    parts = [b"", os.urandom(3_000_000), b"x", b"\0" * 5_000_000, b""]
    path = tmp_path / "x.gz"
    path.write_bytes(b"".join(map(gzip.compress, parts)) + tail)
    assert read_file(path) == b"".join(parts)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"") * 100_001)
    with pytest.raises(DataError, match="more than 100,000 members"):
        read_file(path)


def test_a_compressed_matlab_element_is_unpacked_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(2_000_000) + b"\0" * 60_000_000
    packed = zlib.compress(content, 1)
    counted = _Counted(monkeypatch)
    assert _unpacked(memoryview(packed)) == content
    assert counted.given == len(packed)


def test_an_npz_header_that_claims_to_be_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    head = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 10_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", head)
        archive.writestr("labels.npy", head)
    with OpenNpz(path) as file, pytest.raises(DataError, match="its header is too large"):
        file.header("images")


def test_an_npz_file_of_very_many_members_is_looked_at_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(DataError, match="it needs the arrays") as caught:
        look_into_npz(path)
    assert len(str(caught.value)) < 3_100


@pytest.mark.parametrize("shape", [(2**31, 28, 28), (2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1)])
def test_idx_headers_that_announce_too_much(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *shape))
    with pytest.raises(DataError):
        read_idx(path, 3)


def test_a_parquet_file_of_very_many_rows_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    column = pa.array(np.zeros(10_000_001, np.int8))
    pq.write_table(pa.table({"image": column, "label": column}), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="announces 10,000,001 rows"):
        scan(path).load()


def test_an_arrow_file_with_offsets_outside_of_its_buffers_is_refused(tmp_path: Path) -> None:
    good, bad = (np.array(ends, np.int32).tobytes() for ends in ([0, 1234, 2468], [0, 2**30, 2**30 + 5]))
    columns = pa.record_batch({"image": [b"a" * 1234] * 2, "label": [0, 1]})
    path = tmp_path / "x.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, columns.schema) as writer:
        writer.write_batch(columns)
    content = path.read_bytes()
    assert content.count(good) == 1
    path.write_bytes(content.replace(good, bad))
    with pytest.raises(DataError, match="not a table that can be read"):
        scan(path).load()


def test_class_folders_that_are_too_deep_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (folder / "b" / "/".join("d" * 150)).mkdir(parents=True)
    (folder / "a" / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="more than 100 folders deep"):
        scan(folder)


@pytest.mark.parametrize("name", ["x.npz", "x.csv", "x.parquet", "x.arrow", "images-idx3-ubyte", "x.csv.gz"])
def test_a_pipe_in_place_of_a_data_file_is_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / "labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match=r"neither a file nor a folder|no plain file|named pipe"):
        scan(tmp_path / name).load()
    with pytest.raises(DataError, match="named pipe"):
        read_file(tmp_path / name)


def test_a_png_of_very_many_pixels_is_refused_undecoded(tmp_path: Path) -> None:
    from PIL import Image

    content = io.BytesIO()
    Image.new("1", (100_000, 1_000)).save(content, "PNG")
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(content.getvalue())
    from aen.data.own.decode import BrokenImageError, decode

    with pytest.raises(BrokenImageError, match="decompression bomb"):
        decode(content.getvalue(), (8, 8), colour=False)


@pytest.mark.parametrize(("offset", "value"), [(6, 208), (8, 1)], ids=["version", "encrypted"])
def test_an_npz_file_of_another_zip_version_or_encrypted_is_refused(offset: int, value: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=np.zeros((6, 4, 4), np.uint8), labels=np.arange(6) % 2)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value  # of the first entry of the zip directory
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz"):
        look_into_npz(path)
