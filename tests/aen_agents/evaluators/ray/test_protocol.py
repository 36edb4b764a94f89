"""The digest by which workers with other sources are recognised."""

import shutil
from pathlib import Path

import pytest

from aen_agents.evaluators.ray import protocol
from aen_agents.evaluators.ray.protocol import sources_digest


@pytest.fixture(scope="module")
def ours():
    return sources_digest()


@pytest.fixture
def sources(ours, tmp_path, monkeypatch):
    """A copy of the files of the package, in place of the package itself; the digest of that is cached."""
    assert ours
    for file in Path(protocol.__file__).parent.glob("*.py"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(protocol, "__file__", str(tmp_path / "protocol.py"))
    return tmp_path


def digest():
    return sources_digest.__wrapped__()  # not the cached one


@pytest.mark.usefixtures("sources")
def test_the_digest_does_not_depend_on_where_the_sources_are(ours):
    assert digest() == ours


@pytest.mark.parametrize("name", ["protocol.py", "worker.py"])
def test_the_digest_changes_with_the_worker_protocol(sources, ours, name):
    with (sources / name).open("a") as file:
        file.write("# changed\n")
    assert digest() != ours


def test_the_digest_does_not_change_with_what_workers_do_not_run(sources, ours):
    (sources / "dispatcher.py").write_text("")
    assert digest() == ours
