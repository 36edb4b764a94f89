"""Futures that continue one another."""

from collections.abc import Callable
from concurrent.futures import Future

from aen.errors import AenError
from aen.results.evaluation import Evaluation


def after(first: Future[Evaluation], start: Callable[[], Future[Evaluation]]) -> Future[Evaluation]:
    """Return the future of an evaluation that starts when another one is done; an error of either is its error.

    Args:
        first: the other one.
        start: starts the evaluation.
    """
    outer: Future[Evaluation] = Future()
    outer.set_running_or_notify_cancel()

    def pass_on(inner: Future[Evaluation]) -> None:
        error = inner.exception()
        if error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())

    def begin(done: Future[Evaluation]) -> None:
        if done.exception() is not None:
            pass_on(done)
            return
        try:
            inner = start()
        except AenError as error:
            outer.set_exception(error)
        else:
            inner.add_done_callback(pass_on)

    first.add_done_callback(begin)
    return outer
