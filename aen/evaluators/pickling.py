"""A clear error for evaluators that cannot be pickled, because they hold locks, threads or connections."""

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
        _dump(contents)
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


def _dump(contents: object) -> None:
    try:  # AsyncVectorEnv and Ray send by it what pickle alone cannot, such as functions made in place
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        pickle.dumps(contents)
    else:
        cloudpickle.dumps(contents)
