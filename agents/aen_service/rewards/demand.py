"""Demand: the children that are wanted, by whom, and in which order they are trained."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aen.children.spec import ChildSpec
from aen.errors import AenError, DamagedFileError, StoreError
from aen.results.evaluation import Evaluation
from aen.results.store import ResultStore
from aen_service.rewards.batches import Batch, answer, notify
from aen_service.rewards.weights import KeptWeights

_TRIES = 3  # of a child whose weights, or those of its parent, are lost meanwhile


@dataclass
class Wanted:
    """A child that is wanted: by which batches or heirs, and whether the evaluator has it.

    Attributes:
        spec: the child.
        token: in whose turn it is trained.
        keep: whether its weights are wanted.
        batches: that wait for it.
        heirs: keys of children that wait for its weights.
        waits: whether it waits for the weights of its parent.
        given: whether the evaluator has it.
        tries: how often the evaluator had it before.
    """

    spec: ChildSpec
    token: str
    keep: bool = False
    batches: set[Batch] = field(default_factory=set)
    heirs: set[str] = field(default_factory=set)
    waits: bool = False
    given: bool = False
    tries: int = 0


class Demand:
    """The children that are wanted; a child whose parent's weights are missing waits until this is trained again.

    Whoever uses it holds a lock.

    Args:
        weights: those that are kept.
        store: returns the store, where the specs of parents are.
    """

    def __init__(self, weights: KeptWeights, store: Callable[[], ResultStore]) -> None:
        self._weights, self._store = weights, store
        self._wanted: dict[str, Wanted] = {}
        self._waiting: dict[str, deque[str]] = {}  # keys by token: one of each in turn
        self._orphans: list[str] = []  # wanted ones whose parents are not known
        self.given = 0

    @property
    def waiting(self) -> int:
        """How many children the evaluator does not have yet."""
        return len(self._wanted) - self.given

    def parents(self) -> set[str]:
        """Return the keys of the weights that children inherit which are wanted now."""
        return {wanted.spec.parent for wanted in self._wanted.values() if wanted.spec.parent is not None}

    def add(self, batch: Batch, spec: ChildSpec, *, keep: bool) -> None:
        """Have a batch want a child, and perhaps its weights."""
        self._want(spec, batch.token, keep=keep).batches.add(batch)
        self._fail_orphans()

    def remove(self, batch: Batch, key: str) -> None:
        """Have a batch want a child no more."""
        wanted = self._wanted.get(key)
        if wanted is not None:
            wanted.batches.discard(batch)
            self._drop(wanted)

    def next(self, count: int) -> list[tuple[ChildSpec, bool]]:
        """Take children that are wanted, of each token in turn, each with whether its weights are."""
        specs: list[tuple[ChildSpec, bool]] = []
        while self._waiting and len(specs) < count:
            token = next(iter(self._waiting))
            queue = self._waiting.pop(token)
            wanted = self._wanted.get(queue.popleft())
            if queue:
                self._waiting[token] = queue  # the token comes last now
            if wanted is not None and not wanted.given and not wanted.waits:
                wanted.given = True
                self.given += 1
                specs.append((wanted.spec, wanted.keep))
        return specs

    def finished(self, key: str, evaluation: Evaluation | None, error: BaseException | None) -> None:
        """Give an outcome to all who wait for it; a child whose weights were lost meanwhile is trained again."""
        self.given -= 1
        wanted = self._wanted[key]
        wanted.tries += 1
        if wanted.tries < _TRIES and self._is_lost(wanted, evaluation, error):
            self._prepare(wanted)
        else:
            del self._wanted[key]
            outcome = evaluation if evaluation is not None else error
            self._give(wanted, outcome or StoreError("the evaluation gave no result."))
        self._fail_orphans()

    def _want(self, spec: ChildSpec, token: str, *, keep: bool) -> Wanted:
        """Want a child; it is queued once its parent's weights are there, for which the parent is trained again."""
        wanted = self._wanted.get(spec.key)
        if wanted is None:
            wanted = self._wanted[spec.key] = Wanted(spec, token, keep)
            self._prepare(wanted)
        wanted.keep |= keep
        return wanted

    def _prepare(self, wanted: Wanted) -> None:
        parent = wanted.spec.parent
        wanted.given, wanted.waits = False, parent is not None and not self._weights.use(parent)
        if not wanted.waits or parent is None:
            self._waiting.setdefault(wanted.token, deque()).append(wanted.spec.key)
            return
        known = self._wanted.get(parent)
        if known is None:
            try:
                found = self._store().specs([parent])
            except AenError:
                found = {}
            if parent not in found:
                self._orphans.append(wanted.spec.key)
                return
            known = self._want(found[parent], wanted.token, keep=True)
        known.keep = True
        known.heirs.add(wanted.spec.key)

    def _fail_orphans(self) -> None:
        """Answer those whose parents this service does not know."""
        while self._orphans:
            wanted = self._wanted.pop(self._orphans.pop(), None)
            if wanted is not None:
                self._give(
                    wanted,
                    StoreError(
                        f"parent {wanted.spec.parent} is not in the store of this service; evaluate it here first."
                    ),
                )

    def _give(self, wanted: Wanted, outcome: Evaluation | BaseException) -> None:
        """Give a child's outcome to all who wait for it."""
        key = wanted.spec.key
        for batch in wanted.batches:
            answer(batch, key, outcome)
            notify(batch)
        for name in sorted(wanted.heirs):
            heir = self._wanted.get(name)
            if heir is None or not heir.waits:
                continue
            if isinstance(outcome, Evaluation) and outcome.status == "ok":
                self._prepare(heir)
                continue
            del self._wanted[name]
            why = outcome if isinstance(outcome, BaseException) else f"its training {outcome.status}"
            self._give(heir, StoreError(f"the weights of its parent {key} cannot be made again: {why}"))

    def _drop(self, wanted: Wanted) -> None:
        """Forget a child that nobody wants and no worker has; its place in the queue is skipped."""
        if wanted.batches or wanted.heirs or wanted.given:
            return
        self._wanted.pop(wanted.spec.key, None)
        parent = self._wanted.get(wanted.spec.parent or "")
        if parent is not None:
            parent.heirs.discard(wanted.spec.key)
            self._drop(parent)

    def _is_lost(self, wanted: Wanted, evaluation: Evaluation | None, error: BaseException | None) -> bool:
        """Return whether weights are missing that were there, or that came to be wanted during the training."""
        if evaluation is not None:
            return wanted.keep and evaluation.status == "ok" and not self._weights.has(wanted.spec.key)
        parent = wanted.spec.parent
        if parent is not None and isinstance(error, DamagedFileError):
            self._weights.remove(parent)
        return parent is not None and not self._weights.has(parent)
