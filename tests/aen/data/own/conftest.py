import numpy as np
import pytest
from helpers.own_folders import pictures, write_class_folders


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """A folder of class folders: 30 grey images of 12x12, in three classes."""
    root = tmp_path / "shapes"
    write_class_folders(root, pictures(30), np.repeat(["circle", "cross", "star"], 10))
    return root
