"""What functions return is kept in files without pickles, and is what was computed, bit for bit."""

import pickle
import zipfile

import numpy as np
import pytest

from aen.nn.steerable.array_cache import ArrayCache


@pytest.fixture
def calls():
    return []


@pytest.fixture
def cached(tmp_path, calls):
    """A cached function that returns what the test puts into `cached.result`."""
    tmp_path.chmod(0o700)

    def function(*args, **kwargs):
        calls.append((args, kwargs))
        return looked_up.result

    looked_up = ArrayCache(tmp_path).cache(function)
    return looked_up


RESULTS = [
    np.arange(6.0).reshape(2, 3).T,
    (np.float64([0.1, np.nan]), [((0, 1), 2), ((1, 1), 1)]),
    [np.zeros((0, 3), np.int64), None, True, 0.1, "text"],
]


@pytest.mark.parametrize("result", RESULTS, ids=["array", "tuple", "list"])
def test_what_is_read_is_what_was_computed(cached, calls, result):
    cached.result = result
    cached((0, 1), N=4)
    found = cached((0, 1), N=4)
    assert len(calls) == 1
    assert pickle.dumps(found) == pickle.dumps(result) or repr(found) == repr(result)
    assert type(found) is type(result)


def test_different_arguments_are_different_questions(cached, calls):
    cached.result = np.zeros(1)
    for args in [((0, 1),), ([0, 1],), ((0,), 1), (0, 1), ("0", 1), (0.0, 1), (True,), ()]:
        for kwargs in ({}, {"N": 4}, {"N": 8}):
            cached(*args, **kwargs)
            cached(*args, **kwargs)
    assert len(calls) == 24


class Unknown:
    """A type that JSON does not have."""


def test_other_types_are_computed_each_time(cached, calls, tmp_path):
    for result in (Unknown(), np.array([None]), {"a": 1}, np.ma.masked_array([1])):
        cached.result = result
        assert cached(1) is result
    cached.result = np.zeros(1)
    cached(Unknown())
    assert len(calls) == 5
    assert list(tmp_path.iterdir()) == []


def evil(path):
    """A file whose array is a pickle that would make a file when it is loaded."""

    class Evil:
        def __reduce__(self):
            return open, (str(path), "w")

    return np.array([Evil()], dtype=object)


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "flipped", "pickle", "npz with a pickle", "another's", "no structure"]
)
def test_a_damaged_file_is_computed_again_and_nothing_is_executed(cached, calls, tmp_path, damage):
    cached.result = np.arange(100.0)
    cached(1)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    if damage == "pickle":
        file.write_bytes(pickle.dumps(evil(tmp_path / "ran")))
    elif damage == "npz with a pickle":
        with np.load(file) as stored:
            structure = stored["structure"]
        np.savez(file, structure=structure, array0=evil(tmp_path / "ran"))
    elif damage == "another's":
        cached(2)
        (other,) = [path for path in tmp_path.iterdir() if path != file]
        other.replace(file)
        calls.pop()
    elif damage == "no structure":
        with zipfile.ZipFile(file, "w") as emptied:
            emptied.writestr("a", b"")
    else:
        at = len(whole) // 2
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        file.write_bytes({"empty": b"", "cut": whole[:at], "flipped": flipped}[damage])
    np.testing.assert_array_equal(cached(1), np.arange(100.0))
    assert len(calls) == 2
    assert not (tmp_path / "ran").exists()
    cached(1)
    assert len(calls) == 2, "the file was written again"


def test_without_a_folder_or_with_ignored_arguments_nothing_is_kept(tmp_path, calls):
    def function(x):
        calls.append(x)

    assert ArrayCache(None).cache(function) is function
    assert ArrayCache(tmp_path).cache(ignore=["x"])(function) is function
