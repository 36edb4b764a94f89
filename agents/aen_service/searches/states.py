"""The states of a search, and the only ways from one to another.

    submit -> queued -> running -> complete | stopped | failed | lost
                 |         |-> stopping -> stopped | complete
                 |         |-> queued   (its process died, and may be started again)
                 `-> stopped            (before it was started)
    stopped, failed, lost -> queued     (resumed)

``running`` is written before the process is started, and what follows from a process that has ended is written after
it has ended: a service that is killed in between looks at the process itself. `Searches.carry` makes a change only if
the search is still in a state from which it may be made, so that of two requests at the same time one is refused.
"""

from dataclasses import dataclass
from typing import Literal, get_args

State = Literal["queued", "running", "stopping", "complete", "stopped", "failed", "lost"]
STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("queued", "running", "stopping")
BEGUN: tuple[State, ...] = ("running", "stopping")
ENDED: tuple[State, ...] = ("complete", "stopped", "failed", "lost")


@dataclass(frozen=True)
class Transition:
    """A way from some states to one.

    Attributes:
        before: the states in which a search may be.
        after: the state in which it is then.
    """

    before: tuple[State, ...]
    after: State


START = Transition(("queued",), "running")
CANCEL = Transition(("queued",), "stopped")
STOP = Transition(("running",), "stopping")
RETRY = Transition(("running",), "queued")  # its process died
POSTPONE = Transition(("running",), "queued")  # its process could not be started now
RESUME = Transition(("stopped", "failed", "lost"), "queued")
COMPLETE = Transition(BEGUN, "complete")
FAIL = Transition(("running",), "failed")
LOSE = Transition(("running",), "lost")
END = Transition(BEGUN, "stopped")
ADOPT = Transition((*BEGUN, *ENDED), "running")  # a process that is not the service's works on its run folder
VANISH = Transition(ENDED, "lost")  # its run folder was removed
FIND = Transition(("lost",), "complete")  # the run folder is there again, and holds a complete run
TRANSITIONS = (START, CANCEL, STOP, RETRY, RESUME, COMPLETE, FAIL, LOSE, END, ADOPT, VANISH, FIND)
