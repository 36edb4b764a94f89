"""What a search tells those who watch it: the command line, tests, later a service."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something the user should know, such as generators whose orders differ between grids."""

    text: str


@dataclass(frozen=True)
class StageStarted:
    """A stage begins.

    Attributes:
        name: ``explore``, ``select`` or ``compare``.
        total: how many children it will come to at most.
    """

    name: str
    total: int


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


Event = Notice | StageStarted | Visited | Trained | Retrained
Listener = Callable[[Event], None]
