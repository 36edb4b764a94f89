"""A small configuration file."""

from pathlib import Path

import pytest


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\ndata: {moves: [rot90]}\n")
    return file
