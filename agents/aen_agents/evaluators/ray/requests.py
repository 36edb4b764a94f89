"""Builds the requests that workers get, and turns their results into evaluations."""

import functools
from pathlib import Path
from typing import Any

from aen._files import make_folder, write_atomically
from aen._reading import MAX_WEIGHTS, read_bytes
from aen.children.spec import ChildSpec
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray.protocol import TrainRequest, TrainResult, pack
from aen_agents.evaluators.ray.slots import Slot
from aen_agents.evaluators.ray.work_units import WorkUnit


class RequestBuilder:
    """Builds requests from work units, and evaluations from results.

    Args:
        folder: of weights, on this machine; None: no weights are kept.
        debug: whether children are checked against their parents.
        needs_data: whether workers need data sets.
    """

    def __init__(self, folder: Path | None, *, debug: bool, needs_data: bool) -> None:
        self._folder = folder
        self._debug = debug
        self._needs_data = needs_data
        self._data: dict[str, Any] = {}

    def request(self, unit: WorkUnit, slot: Slot) -> TrainRequest:
        """Return the request for a unit, with the parents' weights if the worker cannot reach the folder."""
        folder = self._folder
        shared = folder is not None and slot.info is not None and slot.info.node == self._node
        parents: dict[str, bytes] = {}
        if folder is not None and not shared:
            for spec in unit.specs.values():
                file = folder / f"{spec.parent}.safetensors"
                if spec.parent is not None and file.is_file():
                    parents[spec.parent] = read_bytes(file, MAX_WEIGHTS)
        return TrainRequest(
            specs=unit.texts,
            data=unit.data,
            size=unit.size,
            micro_batches=unit.micro_batches,
            keep_weights=unit.keep_weights,
            parents=parents,
            folder=str(folder) if shared else None,
            debug=self._debug,
        )

    @functools.cached_property
    def _node(self) -> str | None:
        """The id of the node that shares this process's file system; None for a Ray client, which shares none."""
        import ray

        client: bool = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return None if client else ray.get_runtime_context().get_node_id()

    def data(self, unit: WorkUnit) -> Any:  # noqa: ANN401 - a Ray reference
        """Return a reference to the unit's data set in the object store, which the workers of a machine share."""
        if unit.data not in self._data:
            self._data[unit.data] = self._put(next(iter(unit.specs.values())))
        return self._data[unit.data]

    def _put(self, spec: ChildSpec) -> Any:  # noqa: ANN401 - a Ray reference
        import ray

        if not self._needs_data:
            return None
        from aen.data import load_dataset  # imported here for start-up time: it loads torch

        return ray.put(pack(load_dataset(spec.data)))

    def evaluations(self, unit: WorkUnit, result: TrainResult, worker: str) -> list[tuple[Evaluation, ChildSpec]]:
        """Return the evaluations of a unit's children; weights that were sent are written first.

        Args:
            unit: that was requested.
            result: without a fault.
            worker: its name.

        Raises:
            WorkerError: the result is for other children, or weights cannot be written.
        """
        self._write(result)
        evaluations = []
        for (key, spec), values in zip(unit.specs.items(), result.evaluations, strict=True):
            evaluation = Evaluation(**values)
            if evaluation.key != key:
                raise WorkerError(
                    f"{worker} returned the evaluation of {evaluation.key}, expected {key}; install the same aen on "
                    "every machine of the cluster."
                )
            evaluations.append((evaluation, spec))
        return evaluations

    def _write(self, result: TrainResult) -> None:
        """Write the weight files of a result, each of them atomically."""
        folder = self._folder
        for name, content in result.weights.items():
            if folder is None or Path(name).name != name:
                raise WorkerError(f"a worker sent weights with the file name {name!r}, which is not valid.")
            try:
                make_folder(folder)
                write_atomically(folder / name, content, durable=True)
            except OSError as error:
                raise WorkerError(f"weights cannot be written to {folder}: {error.strerror or error}") from error
