"""What a search tells those who watch it: the command line, tests, later a service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aen._typing import JsonDict


@dataclass(frozen=True)
class Notice:
    """Something the user should know, such as generators whose orders differ between grids."""

    text: str


@dataclass(frozen=True)
class StageStarted:
    """A stage begins.

    Attributes:
        name: ``explore``, ``select``, ``compare`` or ``test``.
        total: how much it will come to at most.
        unit: of what.
        steps: the agent's steps after which it ends even so; None: there is no such limit.
    """

    name: str
    total: int
    unit: str = "children"
    steps: int | None = None


@dataclass(frozen=True)
class Visited:
    """The agent came to a state.

    Attributes:
        step: environment steps so far; 0 is the start.
        visits: first visits so far, of what the budget counts.
        first: whether this was one of them.
        state: the bits as one number.
        factors: the chosen factors.
        group: name of the group they generate.
        class_key: the canonical class.
        accuracy: validation accuracy.
        reward: of the step.
        epsilon: with which the action was drawn.
        best: best validation accuracy so far.
    """

    step: int
    visits: int
    first: bool
    state: int
    factors: str
    group: str
    class_key: str
    accuracy: float
    reward: float
    epsilon: float
    best: float


@dataclass(frozen=True)
class Trained:
    """The exhaustive agent knows a class on one more seed.

    Attributes:
        state: the class's representative, bits as one number.
        factors: its factors, or what else was chosen.
        class_key: the canonical class.
        seed: of the child.
        accuracy: validation accuracy.
    """

    state: int
    factors: str
    class_key: str
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Retrained:
    """A child of a later stage is done.

    Attributes:
        factors: its factors, or what else was chosen.
        accuracy: validation accuracy.
    """

    factors: str
    accuracy: float


@dataclass(frozen=True)
class SliceTrained:
    """A child of a layer-wise method was trained for one more slice: a generation's part of an epoch, or an epoch.

    Attributes:
        method: its name, such as ``equinas_e`` or ``static_c4``.
        seed: of the method's run; the initial weights, the batches and all choices follow from it.
        slice: number of the slice from 1; the generation of an evolutionary search.
        epochs: trained so far along the chain of parents, this slice counted.
        key: of the evaluation.
        parent: key of the evaluation from whose weights it went on, or None.
        factors: the groups, for display.
        groups: of the layers in their order; a mixed child has none.
        class_key: the canonical class.
        accuracy: validation accuracy.
        train_loss: mean cross-entropy on the training images.
        parameters: number of free parameters.
        selected: whether it went on: always, but in an evolutionary search only the next population does.
        record: what the child notes: `distance_to_base` of each layer and, of a mixed child, `temperature`, `alphas`
            and `shares`, a list for each layer; None if it diverged.
    """

    method: str
    seed: int
    slice: int
    epochs: float
    key: str
    parent: str | None
    factors: str
    groups: tuple[str, ...]
    class_key: str
    accuracy: float
    train_loss: float
    parameters: int
    selected: bool
    record: JsonDict | None


@dataclass(frozen=True)
class ChildLogged:
    """Something happened to a child on a worker; for logs. It may be told from another thread than the search's.

    Attributes:
        key: of the spec.
        worker: name of the worker.
        what: ``finished``, ``failed`` for good, or ``requeued`` after a fault.
        status: of the evaluation, or what the fault was: ``timeout``, ``out_of_memory``, ``died``, ``error``.
        seconds: of its training, as far as it came.
        detail: the fault in words, or nothing.
    """

    key: str
    worker: str
    what: Literal["finished", "failed", "requeued"]
    status: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class WorkerLogged:
    """A worker came or went; for logs. It may be told from another thread than the search's.

    Attributes:
        worker: its name.
        what: ``started`` or ``lost``.
        node: name or address of the machine that it is on.
        detail: why it was lost, or what it has: process number, device.
    """

    worker: str
    what: Literal["started", "lost"]
    node: str
    detail: str = ""


Event = Notice | StageStarted | Visited | Trained | SliceTrained | Retrained | ChildLogged | WorkerLogged
Listener = Callable[[Event], None]
