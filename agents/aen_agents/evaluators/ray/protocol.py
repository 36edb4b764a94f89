"""What the search and its workers exchange: requests, results, data sets, and the check that both run the same code.

Specs and evaluations travel as JSON, so that a worker whose trainer does not need torch does not import it.
"""

import functools
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from aen._typing import JsonDict
    from aen.data.dataset import Dataset

FaultKind = Literal["timeout", "out_of_memory", "died", "error", "invalid"]


@dataclass(frozen=True)
class Versions:
    """The versions that must agree between the search and its workers; with others, results could differ.

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
        """Return the versions of this process."""
        from importlib.metadata import version

        # The GPU and the CPU build of one torch release are compatible.
        torch = version("torch").partition("+")[0]
        return cls(f"{version('aen')} ({sources_digest()})", ".".join(platform.python_version_tuple()[:2]), torch)


@functools.cache
def sources_digest() -> str:
    """Return eight hexadecimal digits for the sources of `aen`, on which results depend, and of the worker protocol."""
    import aen

    package, here = Path(str(aen.__file__)).parent, Path(__file__).parent
    sources = [(file, file.relative_to(package)) for file in sorted(package.rglob("*.py"))]
    sources += [(file, file.relative_to(here)) for file in (here / "protocol.py", here / "worker.py")]
    digest = hashlib.sha256()
    for file, name in sources:
        digest.update(name.as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker reports when it is ready.

    Attributes:
        versions: that it runs.
        node: id of its node in the cluster.
        host: name of its machine.
        pid: its process id.
        devices: its value of CUDA_VISIBLE_DEVICES.
    """

    versions: Versions
    node: str
    host: str
    pid: int
    devices: str


@dataclass(frozen=True)
class TrainRequest:
    """One training: of a child, or of a population of children side by side.

    Attributes:
        specs: as JSON, by key.
        data: key of the data set, which the worker has already or gets with the request.
        size: size of the population; a smaller one is padded to it. 1 trains a child alone.
        micro_batches: number of parts in which a batch goes through the network.
        keep_weights: whether the trained weights are to be kept.
        parents: contents of the parents' weight files, by key of the parent.
        folder: the folder of weights, if the worker can reach it; None: weights are sent with requests and results.
        debug: whether children are checked against their parents.
    """

    specs: Mapping[str, str]
    data: str
    size: int = 1
    micro_batches: int = 1
    keep_weights: bool = False
    parents: Mapping[str, bytes] = field(default_factory=dict)
    folder: str | None = None
    debug: bool = False


@dataclass(frozen=True)
class TrainResult:
    """The result of a request.

    Attributes:
        evaluations: as JSON values, in the order of the request's specs; empty after a fault.
        weights: contents of weight files by name, if they are sent.
        seconds: duration of the training.
        fault: kind of the error, or None.
        traceback: of the error.
    """

    evaluations: "Sequence[JsonDict]"
    weights: Mapping[str, bytes]
    seconds: float
    fault: FaultKind | None = None
    traceback: str = ""


class Trainer(Protocol):
    """Trains the children of a request. It is pickled and sent to the worker.

    Attributes:
        needs_data: whether it needs data sets.
    """

    needs_data: bool

    def warm(self) -> None:
        """Do what can be done before the first request, such as imports."""
        ...

    def train(self, request: TrainRequest, dataset: Any) -> "tuple[Sequence[JsonDict], Mapping[str, bytes]]":  # noqa: ANN401 - result of `pack`, or None
        """Train the children of a request.

        Args:
            request: what to train.
            dataset: what `pack` returned; None if the trainer needs no data.

        Returns:
            The evaluations as JSON values, and the weight files to send back, by name.
        """
        ...


def pack(dataset: "Dataset") -> "JsonDict":
    """Return a data set as a dictionary of arrays, which the workers of a machine share in its object store."""
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
    """Return the data set of a dictionary made by `pack`. Its tensors are views of read-only memory."""
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
