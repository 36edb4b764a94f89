"""A tiny search that runs in a few seconds, and one finished run of it for all tests of a worker.

Reports that a test of a search builds have no pictures, which take longer than the search; see `_no_pictures`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.tiny_search import TINY
from markupsafe import Markup

from aen._typing import JsonDict
from aen_agents.config import SearchConfig
from aen_agents.report import build_report
from aen_agents.report.picture import Picture, Table
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

# One worker: more would take longer to start than all of these children to train.
EXHAUSTIVE: JsonDict = TINY | {"agent": {"name": "exhaustive", "seeds": 3}, "evaluator": {"workers": 1}}

_DRAWN = Picture.__dict__["drawn"]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out of the reports that a test builds; `pictures` draws them."""

    def empty(_cls: type, title: str, text: str, _draw: object, table: Table) -> Picture:
        return Picture(title, text, Markup(), Markup(), table)

    monkeypatch.setattr(Picture, "drawn", classmethod(empty))


@pytest.fixture
def pictures(_no_pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the pictures of the reports that a test builds."""
    monkeypatch.setattr(Picture, "drawn", _DRAWN)


@pytest.fixture
def tiny_config() -> SearchConfig:
    return SearchConfig.model_validate(TINY)


def run(config: SearchConfig, path: Path) -> tuple[RunFolder, JsonDict]:
    folder = RunFolder.create(config, path)
    summary = Search(config, lambda _: None).run(folder).to_json()
    build_report(folder)
    return folder, summary


def run_with_pictures(config: SearchConfig, path: Path) -> tuple[RunFolder, JsonDict]:
    """Run a search for many tests, whichever of them is the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Picture, "drawn", _DRAWN)
        return run(config, path)


@pytest.fixture
def run_search() -> Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]:
    return run


@pytest.fixture(scope="session")
def exhausted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, JsonDict]:
    return run_with_pictures(SearchConfig.model_validate(EXHAUSTIVE), tmp_path_factory.mktemp("runs") / "exhaustive")


@pytest.fixture
def exhaustive_config() -> SearchConfig:
    return SearchConfig.model_validate(EXHAUSTIVE)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, JsonDict]:
    return run_with_pictures(SearchConfig.model_validate(TINY), tmp_path_factory.mktemp("runs") / "tiny")
