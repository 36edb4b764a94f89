"""What goes to workers and comes back from them: orders, data sets, evaluations, files of weights."""

import functools
from pathlib import Path
from typing import Any

from aen.children.spec import ChildSpec
from aen.evaluators.processes import WorkerError
from aen.results.evaluation import Evaluation
from aen_agents.evaluators.ray.slots import Slot
from aen_agents.evaluators.ray.work_units import Unit
from aen_agents.evaluators.ray.worker import Order, Outcome


class Orders:
    """Makes orders of units, and evaluations of outcomes.

    Args:
        folder: of weights, here; None: none are kept.
        debug: whether children are checked against their parents.
        needs_data: whether workers are to be handed data sets.
    """

    def __init__(self, folder: Path | None, *, debug: bool, needs_data: bool) -> None:
        self._folder = folder
        self._debug = debug
        self._needs_data = needs_data
        self._data: dict[str, Any] = {}

    def order(self, unit: Unit, slot: Slot) -> Order:
        """Return the order of a unit, with the weights of parents if the worker cannot reach the folder."""
        folder = self._folder
        shared = folder is not None and slot.hello is not None and slot.hello.node == self._node
        parents: dict[str, bytes] = {}
        if folder is not None and not shared:
            for spec in unit.specs.values():
                file = folder / f"{spec.parent}.safetensors"
                if spec.parent is not None and file.is_file():
                    parents[spec.parent] = file.read_bytes()
        return Order(
            specs=unit.texts,
            data=unit.data,
            size=unit.size,
            parts=unit.parts,
            keep_weights=unit.keep_weights,
            parents=parents,
            folder=str(folder) if shared else None,
            debug=self._debug,
        )

    @functools.cached_property
    def _node(self) -> str | None:
        """The id of the node whose files are this process's; None: a client of a cluster shares none."""
        import ray

        client: bool = ray.util.client.ray.is_connected()  # type: ignore[no-untyped-call]
        return None if client else ray.get_runtime_context().get_node_id()

    def data(self, unit: Unit) -> Any:  # noqa: ANN401 - a Ray reference
        """Return the unit's data set in the object store, where all workers of a machine share it."""
        if unit.data not in self._data:
            self._data[unit.data] = self._put(next(iter(unit.specs.values())))
        return self._data[unit.data]

    def _put(self, spec: ChildSpec) -> Any:  # noqa: ANN401 - a Ray reference
        import ray

        if not self._needs_data:
            return None
        from aen.data import load_dataset
        from aen_agents.evaluators.ray.worker import pack

        return ray.put(pack(load_dataset(spec.data)))

    def evaluations(self, unit: Unit, outcome: Outcome, worker: str) -> list[tuple[Evaluation, ChildSpec]]:
        """Return what a worker's outcome says of a unit's children; weights that travelled are written first.

        Args:
            unit: that was ordered.
            outcome: without a fault.
            worker: its name.

        Raises:
            WorkerError: the outcome is of other children, or weights cannot be written.
        """
        self._write(outcome)
        results = []
        for (key, spec), values in zip(unit.specs.items(), outcome.evaluations, strict=True):
            evaluation = Evaluation(**values)
            if evaluation.key != key:
                raise WorkerError(f"{worker} answered for {evaluation.key}, asked was {key}: its aen is another.")
            results.append((evaluation, spec))
        return results

    def _write(self, outcome: Outcome) -> None:
        """Write weights that travelled; they appear whole or not at all."""
        folder = self._folder
        for name, content in outcome.weights.items():
            if folder is None or Path(name).name != name:
                raise WorkerError(f"a worker sent weights by the name {name!r}, which is none.")
            part = folder / f"{name}.part"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content)
                part.replace(folder / name)
            except OSError as error:
                raise WorkerError(f"weights cannot be written to {folder}: {error.strerror or error}") from error
