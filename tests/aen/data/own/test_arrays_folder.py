"""The file of arrays in memory is trusted only if it is this user's and has the content."""

from pathlib import Path

import numpy as np
import pytest

from aen.data.own.arrays import from_arrays
from aen.errors import DataError

IMAGES, LABELS = np.zeros((4, 3, 3), np.uint8), [0, 1, 0, 1]


def test_a_planted_file_of_the_same_size_is_written_again(tmp_path):
    path = Path(from_arrays(IMAGES, LABELS))
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))
    assert from_arrays(IMAGES, LABELS) == str(path)
    assert path.read_bytes() == content
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    from_arrays(IMAGES, LABELS)
    assert not path.is_symlink()


def test_without_a_folder_of_ones_own_the_message_has_the_remedy(own_cache):
    own_cache.mkdir()
    own_cache.chmod(0o777)
    with pytest.raises(DataError, match=r"others can write to it; point AEN_CACHE at a folder that only you can write"):
        from_arrays(IMAGES, LABELS)
