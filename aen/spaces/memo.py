"""StateMemo: the children of the states of a space that were asked for last."""

import copy
import functools
import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aen.children.spec import ChildSpec

# States that are remembered of a space: about 1.5 KiB each.
MAX_STATES = 2**14

# The memos in use, by class and content of their spaces.
_MEMOS: "weakref.WeakValueDictionary[Hashable, StateMemo]" = weakref.WeakValueDictionary()


class StateMemo:
    """The children of the states of a space that were asked for last, at most `MAX_STATES`; usable from any thread.

    Args:
        space: the space; a copy of it is kept.

    Attributes:
        child_at: returns the child of a state, a tuple of whole numbers.
        number_at: returns a state as one number.
    """

    def __init__(self, space: Any) -> None:  # noqa: ANN401 - a Space, whose module imports this one
        self._space = copy.copy(space)  # a copy: attributes of `space` may be set later
        remember = functools.lru_cache(maxsize=MAX_STATES)
        self.child_at: Callable[[tuple[int, ...]], ChildSpec] = remember(self._space.spec_of)
        self.number_at: Callable[[tuple[int, ...]], int] = remember(self._space.number_of)

    def __reduce__(self) -> Any:  # noqa: ANN401 - what pickle asks for
        """Pickle and copy it empty (for spaces whose own `__getstate__` does not leave it out)."""
        return StateMemo, (self._space,)


def memo_of(space: Any, content: Hashable) -> StateMemo:  # noqa: ANN401 - a Space
    """Return the memo of a space, which all spaces of its class with this content share; None: its own."""
    if content is None:
        return StateMemo(space)
    key = (type(space), content)
    found = _MEMOS.get(key)
    if found is None:
        found = StateMemo(space)
        found = _MEMOS.setdefault(key, found)
    return found
