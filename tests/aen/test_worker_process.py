"""Workers: what they answer, and what they leave to the process that started them."""

import pickle
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from aen._cache import private_folder
from aen._worker_process import WorkerProcess


def serve_cache(connection: Connection) -> None:
    """Answer whether there is a cache, as a worker."""
    connection.recv()
    connection.send(private_folder("worker"))


def test_an_unusable_cache_is_reported_by_the_parent_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    worker = WorkerProcess("test_worker_process:serve_cache")
    assert worker.ask(pickle.dumps(None)) is None
    worker.end()
    assert "is not used" not in capfd.readouterr().err
    assert not worker.is_alive()


def test_a_worker_that_has_ended_is_an_error() -> None:
    worker = WorkerProcess("aen.evaluators.worker:no_such_function")
    with pytest.raises((OSError, EOFError)):
        worker.ask(pickle.dumps(None))
    worker.end()
