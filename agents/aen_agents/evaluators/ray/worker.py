"""What runs in a Ray actor: children are trained in it, and it says who it is.

Specs and evaluations travel as JSON, so that a worker whose trainer needs no torch does not import it.
"""

import functools
import hashlib
import json
import os
import platform
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from aen.errors import AenError

if TYPE_CHECKING:
    from aen._typing import JsonDict
    from aen.data.dataset import Dataset

FaultKind = Literal["timeout", "out_of_memory", "died", "error", "invalid"]


@dataclass(frozen=True)
class Versions:
    """What must be the same in the search and in its workers, or results could differ.

    Attributes:
        aen: version of the project and a digest of its sources.
        python: version of Python, without its patch level.
        torch: version of torch.
    """

    aen: str
    python: str
    torch: str

    @classmethod
    def here(cls) -> "Versions":
        """Return those of this process."""
        from importlib.metadata import version

        # A GPU and a CPU build of one torch release go together.
        torch = version("torch").partition("+")[0]
        return cls(f"{version('aen')} ({sources_digest()})", ".".join(platform.python_version_tuple()[:2]), torch)


@functools.cache
def sources_digest() -> str:
    """Return eight hexadecimal digits for the sources of the package `aen`, on which every result depends."""
    import aen

    digest = hashlib.sha256()
    root = Path(str(aen.__file__)).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True)
class Hello:
    """A worker's answer to who it is.

    Attributes:
        versions: of what it runs.
        node: the id of its node in the cluster.
        host: the name of its machine.
        pid: its process number.
        devices: what it sees of CUDA_VISIBLE_DEVICES.
    """

    versions: Versions
    node: str
    host: str
    pid: int
    devices: str


@dataclass(frozen=True)
class Order:
    """One training: a child, or a population of children side by side.

    Attributes:
        specs: as JSON, by key.
        data: key of the data set, which the worker has or is handed with the order.
        size: the population is filled up to it; 1 trains a child alone.
        parts: in how many parts a batch goes through the network.
        keep_weights: whether the trained weights are wanted.
        parents: files of weights to go on from, by key.
        folder: the folder of weights, where the worker can reach it; None: files travel.
        debug: whether children are checked against their parents.
    """

    specs: Mapping[str, str]
    data: str
    size: int = 1
    parts: int = 1
    keep_weights: bool = False
    parents: Mapping[str, bytes] = field(default_factory=dict)
    folder: str | None = None
    debug: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    Attributes:
        evaluations: as JSON values, in the order's order; nothing after a fault.
        weights: files, by name, where they travel.
        seconds: that it took.
        fault: what went wrong, or None.
        traceback: of the fault.
    """

    evaluations: "Sequence[JsonDict]"
    weights: Mapping[str, bytes]
    seconds: float
    fault: FaultKind | None = None
    traceback: str = ""


class Trainer(Protocol):
    """Trains what an order says; it is pickled on its way to the worker.

    Attributes:
        needs_data: whether it is to be handed data sets.
    """

    needs_data: bool

    def warm(self) -> None:
        """Do what can be done before the first order, such as imports."""
        ...

    def train(self, order: Order, dataset: Any) -> "tuple[Sequence[JsonDict], Mapping[str, bytes]]":  # noqa: ANN401 - what `pack` made, or nothing
        """Return evaluations as JSON values, and files of weights that travel; `dataset` is what `pack` made."""
        ...


def pack(dataset: "Dataset") -> "JsonDict":
    """Return a data set as arrays, which all workers of a machine share in its object store."""
    return {
        "spec": dataset.spec.to_json(),
        "classes": dataset.classes,
        **{
            f"{name}_{what}": getattr(getattr(dataset, name), what).numpy()
            for name in ("train", "validation")
            for what in ("images", "labels")
        },
    }


def unpack(packed: Mapping[str, Any]) -> "Dataset":
    """Return the data set again. Its tensors are views of memory that nobody may write to, and nobody does."""
    import warnings

    import torch

    from aen.data.dataset import Dataset, Split
    from aen.data.spec import DataSpec

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        splits = {
            name: Split(*(torch.from_numpy(packed[f"{name}_{what}"]) for what in ("images", "labels")))
            for name in ("train", "validation")
        }
    return Dataset(DataSpec.from_json(packed["spec"]), packed["classes"], splits["train"], splits["validation"])


class ChildTrainer:
    """Trains children for real.

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
        """Import what training needs, and load it once on the device."""
        import torch

        import aen.evaluators.processes  # noqa: F401

        torch.zeros(1, device=self.device)

    def train(self, order: Order, dataset: Any) -> "tuple[Sequence[JsonDict], Mapping[str, bytes]]":  # noqa: ANN401 - what `pack` made, or nothing
        """Train a child or a population."""
        from aen.children import ChildSpec
        from aen.evaluators.processes import train

        specs = [ChildSpec.from_json(json.loads(text)) for text in order.specs.values()]
        if order.data not in self._datasets:
            self._datasets = {order.data: unpack(dataset).to(self.device)}  # one at a time: they can be large
        with tempfile.TemporaryDirectory(prefix="aen-worker-") as scratch:
            folder = Path(order.folder or scratch)
            for key, content in order.parents.items():
                (folder / f"{key}.safetensors").write_bytes(content)
            evaluations = train(
                specs,
                self._datasets[order.data],
                size=order.size,
                device=self.device,
                threads=self.threads,
                weights_folder=folder if order.keep_weights else None,
                parents_folder=folder,
                debug=order.debug,
                **({"parts": order.parts} if order.parts > 1 else {}),
            )
            travelling = [] if order.folder else [e.weights for e in evaluations if e.weights is not None]
            files = {name: (folder / name).read_bytes() for name in travelling}
        return [asdict(evaluation) for evaluation in evaluations], files


class Worker:
    """The actor: a trainer and the data sets that it was handed.

    Args:
        trainer: trains.
    """

    def __init__(self, trainer: Trainer) -> None:
        # Ctrl-C is for the process that the user started; it ends its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._trainer = trainer
        self._data: dict[str, Any] = {}

    def hello(self) -> Hello:
        """Get ready, and say who this is."""
        import ray

        self._trainer.warm()
        return Hello(
            versions=Versions.here(),
            node=ray.get_runtime_context().get_node_id(),
            host=socket.gethostname(),
            pid=os.getpid(),
            devices=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        )

    def train(self, orders: Sequence[Order], data: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Carry out some orders, one after the other.

        Args:
            orders: what to train.
            data: key and reference of each data set that they need.
        """
        return [self._carry_out(order, dict(data)[order.data]) for order in orders]

    def _carry_out(self, order: Order, reference: Any) -> Outcome:  # noqa: ANN401 - a Ray reference
        started = time.perf_counter()
        try:
            evaluations, files = self._trainer.train(order, self._dataset(order.data, reference))
        except Exception as error:  # noqa: BLE001 - whatever it is, the search shall hear of it and go on
            return Outcome([], {}, time.perf_counter() - started, _fault(error), traceback.format_exc())
        return Outcome(evaluations, files, time.perf_counter() - started)

    def _dataset(self, key: str, reference: Any) -> Any:  # noqa: ANN401 - a Ray reference
        if key not in self._data and reference is not None:
            import ray

            self._data = {key: ray.get(reference)}
        return self._data.get(key)


def _fault(error: Exception) -> FaultKind:
    if isinstance(error, AenError):
        return "invalid"  # the spec's fault: no other worker would do better
    if "torch" not in sys.modules:  # which takes seconds to import, and had no part in it
        return "out_of_memory" if isinstance(error, MemoryError) else "error"
    from aen.training.memory import is_out_of_memory

    return "out_of_memory" if is_out_of_memory(error) else "error"
