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
        # A subclass may vary what an inherited space does not, so the attribute of a base class does not count.
        one_key = vars(type(space)).get("one_key_a_class", False)
        find = _sharing_keys(self._space.spec_of) if one_key else self._space.spec_of
        self.child_at: Callable[[tuple[int, ...]], ChildSpec] = remember(find)
        self.number_at: Callable[[tuple[int, ...]], int] = remember(self._space.number_of)

    def __reduce__(self) -> Any:  # noqa: ANN401 - what pickle asks for
        """Pickle and copy it empty (for spaces whose own `__getstate__` does not leave it out)."""
        return StateMemo, (self._space,)


def _sharing_keys(spec_of: "Callable[[tuple[int, ...]], ChildSpec]") -> "Callable[[tuple[int, ...]], ChildSpec]":
    """Return `spec_of`, with the key of a child whose class a table knows noted from an earlier child of the class."""
    keys: dict[str, str] = {}

    def find(state: tuple[int, ...]) -> "ChildSpec":
        spec = spec_of(state)
        class_key = spec.noted("class_key")
        if class_key is None:
            return spec
        key = keys.get(class_key)
        if key is None:
            key = keys[class_key] = spec.key  # hashing a whole spec takes longer than all else of a new state
        return spec.noting(key=key)

    return find


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
