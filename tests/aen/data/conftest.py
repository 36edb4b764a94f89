import pytest

import aen.data.find


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty data folder, and no other: $AEN_DATA."""
    folder = tmp_path / "data_sets"
    folder.mkdir()
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setattr(aen.data.find, "SHARED_FOLDER", tmp_path / "shared")
    monkeypatch.setenv("AEN_DATA", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder
