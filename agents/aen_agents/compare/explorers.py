"""Any agent on a table: its own explorer, whose children are looked up instead of trained."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from aen._reading import sealed
from aen.bench import Table, TableEvaluator
from aen.children import ChildSpec
from aen.evaluators import Evaluator
from aen.evaluators.tabular import KnownFuture
from aen.results import Evaluation
from aen.symmetry import SymmetryTest
from aen_agents.agents.base import Task
from aen_agents.agents.registry import make_explorer
from aen_agents.agents.selection import exploring_seeds
from aen_agents.compare.trace import Trained
from aen_agents.config import SearchConfig
from aen_agents.runs.folder import RunFolder

_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory; the folder in it has a random name
_NEVER = 1e9  # seconds


class BudgetUsedError(Exception):
    """The agent asks for one more child than the budget allows."""


class RecordingEvaluator(Evaluator):
    """Looks children up in a table and records each that is asked for the first time.

    Args:
        table: the table.
        seeds: the table's seed for each seed that the agent may ask for.
        children: the budget.
        found: returns the classes that the agent has seen, best first; it is set once the agent exists.

    Attributes:
        trace: the children so far.
    """

    def __init__(self, table: Table, seeds: dict[int, int], children: int) -> None:
        self.table, self.seeds, self.children = table, seeds, children
        self.found: Callable[[], list[str]] = list
        self.trace: list[Trained] = []
        self._training = table.definition.child.training
        self._evaluators: dict[int | None, TableEvaluator] = {None: TableEvaluator(table)}
        self._known: dict[tuple[str, int, float], Evaluation] = {}
        self._accuracies: dict[str, list[float]] = {}
        self._shorter: dict[str, list[float]] = {}
        self._open = False  # whether the recommendation after the last child is still to be asked for

    def submit(self, specs: Sequence[ChildSpec], *, keep_weights: bool = False) -> list[Future[Evaluation]]:
        """Look the specs up; the futures are done."""
        del keep_weights
        self.settle()
        return [KnownFuture(self._look_up(spec)) for spec in specs]

    def start(self) -> None:
        """Nothing has to be started."""
        return

    def close(self) -> None:
        """Nothing has to be closed."""
        return

    def settle(self) -> None:
        """Ask the agent, which knows the last child by now, for its recommendation."""
        if not self._open:
            return
        self._open = False
        found = self.found()
        # An agent that takes children in rounds knows those of the running round only at its end.
        if found and self._accuracies.keys() <= set(found):
            self.trace[-1] = replace(self.trace[-1], recommended=self.table.place_of_class[found[0]])

    def _look_up(self, spec: ChildSpec) -> Evaluation:
        key = spec.class_key, spec.seed, float(spec.training.epochs)
        known = self._known.get(key)
        if known is None:
            if len(self.trace) == self.children:
                raise BudgetUsedError
            known = self._known[key] = self._record(spec)
        return known

    def _record(self, spec: ChildSpec) -> Evaluation:
        whole = spec.training.epochs == self._training.epochs
        epochs = None if whole else int(spec.training.epochs)
        if epochs not in self._evaluators:
            self._evaluators[epochs] = TableEvaluator(self.table, epoch=epochs)
        training = replace(spec.training, epochs=self._training.epochs)
        asked = replace(spec, training=training).with_seed(self.seeds[spec.seed])
        found = self._evaluators[epochs].look_up(asked)
        place = self.table.place_of_class[spec.class_key]
        if found.status == "ok":
            accuracies = self._accuracies if whole else self._shorter
            accuracies.setdefault(spec.class_key, []).append(found.validation_accuracy)
        told = self._accuracies or self._shorter  # shorter trainings count until there is a whole one
        best = min(told, key=lambda each: (-fmean(told[each]), each), default=spec.class_key)
        self.trace.append(
            Trained(
                place=place,
                seed=self.table.definition.seeds.index(asked.seed),
                epoch=int(found.epochs),
                accuracy=found.validation_accuracy,
                seconds=found.seconds,
                recommended=self.table.place_of_class[best],
            )
        )
        self._open = True
        return replace(found, key=spec.key, seed=spec.seed)


def run_explorer(
    config: SearchConfig, table: Table, symmetry: SymmetryTest | None, *, children: int, seed: int
) -> list[Trained]:
    """Return what an agent's explorer trains on a table until its end or until the budget is used up.

    A child counts when its class is first asked for on a seed. The recommendation after a child is the explorer's own
    first class; within a round of children whose results it takes together, the class of the best mean so far.

    Args:
        config: with the sections `agent`, `environment` and `budget.steps`.
        table: the table.
        symmetry: the test of its training images.
        children: the budget.
        seed: of the agent's random choices, and of the order of the table's seeds.
    """
    definition = table.definition
    count = len(definition.seeds)
    config = _limited(config, children, count, seed)
    asked = exploring_seeds(config)
    seeds = {each: definition.seeds[(seed + place) % count] for place, each in enumerate(asked)}
    # The children of environments have the seed of the space's child.
    evaluator = RecordingEvaluator(table, {definition.child.seed: seeds[asked[0]]} | seeds, children)
    with _run_folder(symmetry) as folder:
        task = Task(
            config=config,
            child=definition.child,
            space=definition.space,
            hidden=None,
            evaluator=evaluator,
            folder=folder,
            listener=lambda _: None,
            notice=lambda _: None,
        )
        explorer: Any = make_explorer(task)
        explorer.checkpoint_seconds = _NEVER  # the run is not resumed
        evaluator.found = explorer.found
        with suppress(BudgetUsedError):
            explorer.explore()
        evaluator.settle()
    return evaluator.trace


def _limited(config: SearchConfig, children: int, seeds: int, seed: int) -> SearchConfig:
    """Return the config of a run.

    The evaluator counts the children, since agents count different things. An agent that plans its rounds by the
    budget is told the number; one that counts states may visit as many as there are.
    """
    agent = config.agent
    if agent.exploring_seeds > seeds:
        agent = agent.model_copy(update={"seeds": seeds})
    # Of states there are more than children.
    counted = 10**9 if getattr(agent, "first_visits", "classes") == "states" else children
    budget = config.budget.model_copy(update={"children": counted})
    return config.model_copy(update={"seed": seed, "agent": agent, "budget": budget})


@contextmanager
def _run_folder(symmetry: SymmetryTest | None) -> Iterator[RunFolder]:
    """Provide the folder that an explorer writes to; it is removed at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="aen-compare-", dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        folder = RunFolder(Path(place))
        (folder.path / "agent").mkdir()
        if symmetry is not None:
            folder.symmetry_test_file.write_text(json.dumps(sealed(symmetry.to_json() | {"run_id": None})))
        yield folder
