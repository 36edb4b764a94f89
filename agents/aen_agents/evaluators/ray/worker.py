"""The Ray actor that trains children, and the trainer that it uses by default."""

import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aen.errors import AenError
from aen_agents.evaluators.ray.protocol import (
    FaultKind,
    Trainer,
    TrainRequest,
    TrainResult,
    Versions,
    WorkerInfo,
    unpack,
)

if TYPE_CHECKING:
    from aen._typing import JsonDict


class ChildTrainer:
    """Trains children with `aen.evaluators.worker.train`.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: CPU threads.
    """

    needs_data = True

    def __init__(self, *, device: str = "cpu", threads: int = 1) -> None:
        self.device = device
        self.threads = threads
        self._datasets: dict[str, Any] = {}

    def warm(self) -> None:
        """Import what training needs, and initialise the device."""
        import torch

        import aen.evaluators.worker  # noqa: F401

        torch.zeros(1, device=self.device)

    def train(self, request: TrainRequest, dataset: Any) -> "tuple[Sequence[JsonDict], Mapping[str, bytes]]":  # noqa: ANN401 - result of `pack`
        """Train a child or a population."""
        from aen.children import ChildSpec
        from aen.evaluators.worker import train

        specs = [ChildSpec.from_json(json.loads(text)) for text in request.specs.values()]
        if request.data not in self._datasets:
            self._datasets = {request.data: unpack(dataset).to(self.device)}  # one at a time: they can be large
        with ExitStack() as stack:
            if request.folder is not None:
                folder = Path(request.folder)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aen-worker-")))
            for key, content in request.parents.items():
                (folder / f"{key}.safetensors").write_bytes(content)
            evaluations = train(
                specs,
                self._datasets[request.data],
                size=request.size,
                device=self.device,
                threads=self.threads,
                weights_folder=folder if request.keep_weights else None,
                parents_folder=folder,
                debug=request.debug,
                **({"micro_batches": request.micro_batches} if request.micro_batches > 1 else {}),
            )
            sent = [] if request.folder else [e.weights for e in evaluations if e.weights is not None]
            files = {name: (folder / name).read_bytes() for name in sent}
        return [asdict(evaluation) for evaluation in evaluations], files


class Worker:
    """The actor: holds a trainer and the data set that it used last.

    Args:
        trainer: trains the children.
        path: folders from which the search imports modules, for plug-ins.
    """

    def __init__(self, trainer: Trainer, path: Sequence[str] = ()) -> None:
        sys.path += [entry for entry in path if entry not in sys.path]  # last: nothing there replaces installed modules
        # Ctrl-C is handled by the process that the user started; it stops its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._trainer = trainer
        self._data: dict[str, Any] = {}

    def info(self) -> WorkerInfo:
        """Prepare the trainer, then describe this worker."""
        import ray

        self._trainer.warm()
        return WorkerInfo(
            versions=Versions.here(),
            node=ray.get_runtime_context().get_node_id(),
            host=socket.gethostname(),
            pid=os.getpid(),
            devices=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        )

    def train(self, requests: Sequence[TrainRequest], data: Sequence[tuple[str, Any]]) -> list[TrainResult]:
        """Carry out some requests, one after the other.

        Args:
            requests: what to train.
            data: key and reference of each data set that they need.
        """
        return [self._train(request, dict(data)[request.data]) for request in requests]

    def _train(self, request: TrainRequest, reference: Any) -> TrainResult:  # noqa: ANN401 - a Ray reference
        started = time.perf_counter()
        try:
            evaluations, files = self._trainer.train(request, self._dataset(request.data, reference))
        except Exception as error:  # noqa: BLE001 - any error becomes a result: the search continues
            return TrainResult([], {}, time.perf_counter() - started, _fault(error), traceback.format_exc())
        return TrainResult(evaluations, files, time.perf_counter() - started)

    def _dataset(self, key: str, reference: Any) -> Any:  # noqa: ANN401 - a Ray reference
        if key not in self._data and reference is not None:
            import ray

            self._data = {key: ray.get(reference)}
        return self._data.get(key)


def _fault(error: Exception) -> FaultKind:
    if isinstance(error, AenError):
        return "invalid"  # caused by the spec: it would fail on every worker
    if "torch" not in sys.modules:  # importing it takes seconds, and it cannot be the cause
        return "out_of_memory" if isinstance(error, MemoryError) else "error"
    from aen.training.memory import is_out_of_memory

    return "out_of_memory" if is_out_of_memory(error) else "error"
