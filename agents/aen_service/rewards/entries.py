"""The children that a `RemoteEvaluator` waits for, and their futures."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from aen._fields import fields_of
from aen._typing import JsonDict
from aen.children.spec import ChildSpec
from aen.data.own.paths import split_pin
from aen.errors import AenError, SpecError
from aen.results.evaluation import Evaluation


@dataclass
class Entry:
    """A child that the service evaluates.

    Attributes:
        spec: the child.
        content: the JSON that is sent.
        keep: whether its weights are wanted.
        futures: of all who wait for it.
        tries: how often its weights were not there when they were fetched.
    """

    spec: ChildSpec
    content: bytes
    keep: bool = False
    futures: list[Future[Evaluation]] = field(default_factory=list)
    tries: int = 0


@dataclass(frozen=True)
class Canceller:
    """Notices that a future was cancelled, and tells its key."""

    tell: Callable[[str], None]
    key: str

    def __call__(self, future: "Future[Evaluation]") -> None:
        """Look at a future that is done."""
        if future.cancelled():
            self.tell(self.key)


def content_of(spec: ChildSpec, datasets: Mapping[str, str], *, keep: bool) -> bytes:
    """Return the JSON of an item of a request.

    Args:
        spec: the child.
        datasets: identifiers of uploaded data sets by path.
        keep: whether its weights are wanted.

    Raises:
        SpecError: it needs weights of an uploaded data set.
    """
    item: JsonDict = {"key": spec.key, "spec": spec.to_json()} | ({"keep_weights": True} if keep else {})
    dataset = datasets.get(split_pin(spec.data.name)[0])
    if dataset is not None and (keep or spec.parent is not None):
        raise SpecError(
            f"{'keep_weights' if keep else 'parent'}: weights of children on uploaded data belong to the path that the "
            "data have on the service; use a LocalEvaluator, or submit the search to the service."
        )
    return json.dumps(item if dataset is None else item | {"dataset": dataset}).encode()


def evaluation_in(item: JsonDict) -> Evaluation | None:
    """Return the evaluation of a result that a service sends, or None; fields of later versions are left out."""
    content = item.get("evaluation")
    fields = {f.name for f in fields_of(Evaluation)}
    return None if content is None else Evaluation(**{k: v for k, v in content.items() if k in fields})


def settle(future: "Future[Evaluation]", outcome: Evaluation | AenError) -> None:
    """Finish a future, unless it was cancelled."""
    if future.set_running_or_notify_cancel():
        if isinstance(outcome, Evaluation):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
