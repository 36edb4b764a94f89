"""A tiny search that runs in a few seconds, and one finished run of it for all tests of a worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.tiny_search import TINY

from aen._typing import JsonDict
from aen_agents.config import SearchConfig
from aen_agents.report import build_report
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search

# One worker: more would take longer to start than all of these children to train.
EXHAUSTIVE: JsonDict = TINY | {"agent": {"name": "exhaustive", "seeds": 3}, "evaluator": {"workers": 1}}


@pytest.fixture
def tiny_config() -> SearchConfig:
    return SearchConfig.model_validate(TINY)


def run(config: SearchConfig, path: Path) -> tuple[RunFolder, JsonDict]:
    folder = RunFolder.create(config, path)
    summary = Search(config, lambda _: None).run(folder).to_json()
    build_report(folder)
    return folder, summary


@pytest.fixture
def run_search() -> Callable[[SearchConfig, Path], tuple[RunFolder, JsonDict]]:
    return run


@pytest.fixture(scope="session")
def exhausted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, JsonDict]:
    return run(SearchConfig.model_validate(EXHAUSTIVE), tmp_path_factory.mktemp("runs") / "exhaustive")


@pytest.fixture
def exhaustive_config() -> SearchConfig:
    return SearchConfig.model_validate(EXHAUSTIVE)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, JsonDict]:
    return run(SearchConfig.model_validate(TINY), tmp_path_factory.mktemp("runs") / "tiny")
