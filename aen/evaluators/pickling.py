"""Pickles for other processes, and a clear error for evaluators that hold locks, threads or connections."""

import pickle
from contextvars import ContextVar

from aen.errors import AenError, SpecError

# The objects whose contents are being tried; contents may refer to their owner.
_trying: ContextVar[frozenset[int]] = ContextVar("_trying", default=frozenset())


def check_picklable(owner: object, contents: object, what: str = "evaluator") -> None:
    """Check that an object can be pickled.

    Args:
        owner: the object.
        contents: what is pickled of it.
        what: the argument that it is, for the message.

    Raises:
        SpecError: it cannot.
    """
    if id(owner) in _trying.get():
        return
    token = _trying.set(_trying.get() | {id(owner)})
    try:
        pickled(contents)
    except AenError:
        raise
    except Exception as error:
        raise SpecError(
            f"{what} is a {type(owner).__name__}, which cannot be sent to another process: {error}; step the "
            "environments in this process (vectorization_mode='sync', or aen_envs.ChildVectorEnv, which trains in "
            "parallel all the same), or give an evaluator that can be pickled, such as a LocalEvaluator with a store."
        ) from error
    finally:
        _trying.reset(token)


def pickled(contents: object) -> bytes:
    """Return the pickle of an object; with cloudpickle also of functions and classes that the main script defines."""
    try:  # AsyncVectorEnv and Ray use it, too
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        return pickle.dumps(contents)
    content: bytes = cloudpickle.dumps(contents)
    return content
