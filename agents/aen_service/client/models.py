"""What a service answers, as the client returns it."""

from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar

from aen._typing import JsonDict
from aen_service.searches.states import ENDED, State

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteSearch:
    """A search of a service. Times are seconds since 1970.

    Attributes:
        id: identifies it.
        name: of its config.
        state: queued, running, stopping, complete, stopped, failed or lost.
        message: why it is in this state, if there is more to say.
        agent: name of the agent.
        data: name of the data set.
        accuracy: of the winner, or of the best so far.
        children: number of children with a result.
        created: when it was submitted.
        started: when its process was started last.
        ended: when it ended.
        position: its place in the queue, from 1.
    """

    id: str
    name: str
    state: State
    message: str | None = None
    agent: str = ""
    data: str = ""
    accuracy: float | None = None
    children: int = 0
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    position: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it neither waits nor runs."""
        return self.state in ENDED

    @classmethod
    def from_json(cls, content: JsonDict) -> Self:
        """Return the search that an answer describes; what a later service adds is left out."""
        return cls(**{field.name: content[field.name] for field in fields(cls) if field.name in content})


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list.

    Attributes:
        total: items of all pages.
        page: number of this one, from 1.
        size: the most items of a page.
        items: of this page.
    """

    total: int
    page: int
    size: int
    items: list[T]

    @classmethod
    def from_json(cls, content: JsonDict, make: Any = dict) -> Self:  # noqa: ANN401 - a function or a type
        """Return the page that an answer describes."""
        return cls(content["total"], content["page"], content["size"], [make(item) for item in content["items"]])
