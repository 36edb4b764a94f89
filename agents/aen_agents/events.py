"""The events of a search, and the type of the listeners that receive them.

Listeners are the command line, the run's log, the service and tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from aen._typing import JsonDict


@dataclass(frozen=True)
class Notice:
    """A message for the user, such as: generators have different orders on different grids."""

    text: str


@dataclass(frozen=True)
class StageStarted:
    """A stage has started.

    Attributes:
        name: ``explore``, ``select``, ``compare`` or ``test``.
        total: the most that the stage processes, in `unit`.
        unit: what `total` counts.
        steps: the largest number of the agent's steps in the stage; None: no limit.
    """

    name: str
    total: int
    unit: str = "children"
    steps: int | None = None


@dataclass(frozen=True)
class Visited:
    """The agent has reached a state.

    Attributes:
        step: environment steps so far; 0 is the start.
        visits: first visits so far, of the classes or states that the budget counts.
        first: whether this was a first visit.
        state: the state's bits as one integer.
        factors: the chosen factors.
        group: name of the group they generate.
        class_key: the canonical class.
        accuracy: validation accuracy.
        reward: the reward of the step.
        epsilon: the probability of a random action at this step.
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
    """The exhaustive agent has the result of a class on one more seed.

    Attributes:
        state: the class's representative, its bits as one integer.
        factors: its factors, or what else was chosen.
        class_key: the canonical class.
        seed: the child's seed.
        accuracy: validation accuracy.
    """

    state: int
    factors: str
    class_key: str
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Retrained:
    """A child of a stage after exploring is trained.

    Attributes:
        factors: its factors, or what else was chosen.
        accuracy: validation accuracy.
        key: the spec's key; empty: not known.
    """

    factors: str
    accuracy: float
    key: str = ""


@dataclass(frozen=True)
class SliceTrained:
    """A child of a layer-wise method was trained for one more slice: a generation's part of an epoch, or an epoch.

    Attributes:
        method: its name, such as ``equinas_e`` or ``static_c4``.
        seed: seed of the method's run; it determines the initial weights, the batches and all choices.
        slice: number of the slice from 1; the generation of an evolutionary search.
        epochs: epochs trained along the chain of parents, this slice included.
        key: the evaluation's key.
        parent: key of the evaluation whose weights it inherited, or None.
        factors: the groups, for display.
        groups: groups of the layers, in order; empty for a mixed child.
        class_key: the canonical class.
        accuracy: validation accuracy.
        train_loss: mean cross-entropy on the training images.
        parameters: number of free parameters.
        selected: whether it is trained further; in an evolutionary search only the next population is.
        record: figures of the child: `distance_to_base` of each layer and, for a mixed child, `temperature`, `alphas`
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
    """A child finished, failed or was requeued on a worker; for logs. It may be emitted from any thread.

    Attributes:
        key: the spec's key.
        worker: name of the worker.
        what: ``finished``, ``failed`` for good, or ``requeued`` after a fault.
        status: status of the evaluation, or the kind of fault: ``timeout``, ``out_of_memory``, ``died``, ``error``.
        seconds: seconds of training, up to the fault if there was one.
        detail: description of the fault, or an empty string.
    """

    key: str
    worker: str
    what: Literal["finished", "failed", "requeued"]
    status: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class WorkerLogged:
    """A worker started or was lost; for logs. It may be emitted from any thread.

    Attributes:
        worker: its name.
        what: ``started`` or ``lost``.
        node: name or address of its machine.
        detail: why it was lost, or its process number and device.
    """

    worker: str
    what: Literal["started", "lost"]
    node: str
    detail: str = ""


@dataclass(frozen=True)
class SpaceLogged:
    """The classes of the space, for logs; emitted at the start of a search whose space has an order by inclusion.

    Attributes:
        states: number of states.
        classes: number of different networks.
        closed_sets: closed set of each class by its key.
        names: name of each closed set, by the class's key.
    """

    states: int
    classes: int
    closed_sets: Mapping[str, int]
    names: Mapping[str, str]


@dataclass(frozen=True)
class AgentLogged:
    """What a DQN knew when it chose an action; for logs. It is emitted about twice a second at most.

    Attributes:
        step: environment steps so far, this one included.
        epsilon: the probability of a random action.
        loss: loss of the last gradient step; None: none was taken yet.
        state: the bits, or the numbers, of the state in which the action was chosen.
        actions: a name for each action; empty if an earlier event of the process has them.
        q_values: estimated value of each action in that state.
        action: number of the action that was chosen.
        explored: whether another action than that of the highest value was chosen, which happens at random only.
    """

    step: int
    epsilon: float
    loss: float | None
    state: tuple[float, ...]
    actions: tuple[str, ...]
    q_values: tuple[float, ...]
    action: int
    explored: bool


Event = (
    Notice
    | StageStarted
    | Visited
    | Trained
    | SliceTrained
    | Retrained
    | ChildLogged
    | WorkerLogged
    | SpaceLogged
    | AgentLogged
)
Listener = Callable[[Event], None]
