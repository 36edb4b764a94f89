import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from aen.data.matlab import read_mat

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8"]


def written(arrays: dict[str, object], *, compressed: bool) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=compressed)
    return buffer.getvalue()


@given(
    kind=st.sampled_from(TYPES),
    shape=st.lists(st.integers(0, 4), min_size=2, max_size=4),
    compressed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_equals_scipy(kind, shape, compressed, seed):
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(kind)
    content = written({"other": "text", "X": values, "y": [[3.5]]}, compressed=compressed)
    ours, theirs = read_mat(content, ("X", "y", "missing")), loadmat(io.BytesIO(content))
    assert sorted(ours) == ["X", "y"]
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype
        assert np.array_equal(array, theirs[name])


def test_big_endian_numbers_are_read():
    # Another byte order than savemat writes: the header's mark, and every number, turned around by hand.
    values = np.array([[1, 2], [3, 700]], ">i2")
    array = np.array([6, 8], ">u4").tobytes() + np.array([10, 0], ">u4").tobytes()
    array += np.array([5, 8, 2, 2], ">u4").tobytes()
    array += np.array([(1 << 16) | 1], ">u4").tobytes() + b"X\0\0\0"
    array += np.array([3, 8], ">u4").tobytes() + values.tobytes(order="F")
    content = b" " * 124 + b"\x01\x00MI" + np.array([14, len(array)], ">u4").tobytes() + array
    assert read_mat(content, ["X"])["X"].tolist() == values.tolist()
    assert loadmat(io.BytesIO(content))["X"].tolist() == values.tolist()


@pytest.mark.parametrize("value", [1j * np.ones((2, 2)), "text", {"a": 1}, np.array([[1, "b"]], object)])
def test_other_arrays_are_refused(value):
    content = written({"X": value}, compressed=False)
    with pytest.raises(ValueError, match="'X' does not hold real numbers"):
        read_mat(content, ["X"])
    assert read_mat(content, ["y"]) == {}


def test_sparse_arrays_are_refused():
    from scipy.sparse import eye_array

    with pytest.raises(ValueError, match="real numbers"):
        read_mat(written({"X": eye_array(3)}, compressed=True), ["X"])


@pytest.mark.parametrize("compressed", [False, True])
def test_any_changed_byte_is_read_or_refused(compressed):
    content = written(
        {"X": np.arange(24, dtype="u1").reshape(2, 3, 4), "y": np.ones((4, 1), "u1")}, compressed=compressed
    )
    refused = 0
    for place in range(124, len(content)):
        for change in (1, 8, 12, 0x80, 0xFF):
            damaged = bytearray(content)
            damaged[place] ^= change
            try:
                read_mat(bytes(damaged), ("X", "y"))
            except ValueError:
                refused += 1
    assert refused > 100


def test_any_cut_is_read_or_refused():
    content = written({"X": np.arange(24, dtype="u1"), "y": np.ones((4, 1), "u1")}, compressed=True)
    assert len(read_mat(content, ("X", "y"))) == 2
    for size in range(len(content)):
        try:
            assert len(read_mat(content[:size], ("X", "y"))) < 2
        except ValueError:
            continue


def test_content_that_unpacks_to_gigabytes_is_refused():
    code = (
        "import resource, struct, zlib; from aen.data import matlab; from aen.data.matlab import read_mat\n"
        "bomb = zlib.compress(bytes(2**28))\n"
        "content = b' ' * 124 + b'\\x00\\x01IM' + struct.pack('<II', 15, len(bomb)) + bomb\n"
        "matlab._MOST = 2**20\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_mat(content, ['X'])\n"
        "except ValueError as error: print(error)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "more than 1,048,576 bytes" in done.stdout
