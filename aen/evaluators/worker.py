"""What a worker process does: it trains the children that come over a connection."""

import functools
import pickle
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset, load_dataset
from aen.data.spec import DataSpec
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen.training import train_child, train_population


def train(
    specs: Sequence[ChildSpec],
    dataset: Dataset,
    *,
    size: int,
    device: str,
    threads: int,
    weights_folder: Path | None,
    parents_folder: Path | None = None,
    debug: bool = False,
    micro_batches: int = 1,
) -> list[Evaluation]:
    """Train children together: each alone if `size` is 1, otherwise as a population that is filled up to `size`."""
    where: dict[str, Any] = {
        "device": device,
        "threads": threads,
        "weights_folder": weights_folder,
        "micro_batches": micro_batches,
    }
    if size > 1:
        return train_population(specs, dataset, size=size, **where)
    return [train_child(spec, dataset, parents_folder=parents_folder, debug=debug, **where) for spec in specs]


@functools.lru_cache(maxsize=4)
def _dataset(spec: DataSpec, device: str) -> Dataset:
    return load_dataset(spec).to(device)


def serve(connection: Connection) -> None:
    """Train what comes over a connection, in a worker, until the connection ends."""
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        try:
            specs, options = pickle.loads(content)  # noqa: S301 - from the process that started this one
            answer = pickle.dumps((train(specs, _dataset(specs[0].data, options["device"]), **options), None))
        except Exception as error:  # noqa: BLE001 - it is raised by the future
            error.add_note(f"in a worker process:\n{traceback.format_exc()}")
            answer = _packed(error)
        connection.send_bytes(answer)


def _packed(error: Exception) -> bytes:
    try:
        content = pickle.dumps((None, error))
        pickle.loads(content)  # noqa: S301 - an error with other arguments than its message cannot be made again
    except Exception:  # noqa: BLE001 - pickle raises many kinds
        return pickle.dumps((None, WorkerError(f"{type(error).__name__}: {error}")))
    return content
