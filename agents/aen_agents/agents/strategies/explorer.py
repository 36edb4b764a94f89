"""StrategyExplorer: a search by a strategy that is asked for children and told their results."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pkgutil import resolve_name
from typing import Any

from aen.children import ChildSpec
from aen.evaluators import stream
from aen.results import Evaluation
from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.final_stage import conclude
from aen_agents.agents.selection import exploring_seeds
from aen_agents.agents.strategies.base import Candidate, Outcome, SearchStrategy, SearchView
from aen_agents.agents.time_limit import OUT_OF_TIME
from aen_agents.agents.trained_history import TrainedHistory
from aen_agents.events import StageStarted, Trained
from aen_agents.runs.files import write_file


class StrategyExplorer:
    """A strategy at work on a task; see `aen_agents.agents.base.Explorer`.

    A resumed search asks the strategy from the start; what was trained before is looked up.
    """

    packages: tuple[str, ...] = ("scipy",)

    def __init__(self, task: Task) -> None:
        self.task = task
        self.seeds = exploring_seeds(task.config)
        self.classes = {c.key: c for c in task.space.classes}
        self.budget = task.config.budget.children
        self._accuracies: dict[str, list[float]] = {}
        self._visited: set[str] = set()
        self._children = 0
        self._stopped: str | None = None

    @cached_property
    def view(self) -> SearchView:
        """What the strategy knows; made when exploring begins, since the images are tested just before."""
        task = self.task
        return SearchView(
            space=task.space,
            symmetry=task.folder.symmetry_test(),
            children=self.budget,
            seeds=len(self.seeds),
            epochs=max(int(task.child.training.epochs), 1),
            images=task.child.data.validation,
            seed=task.config.seed,
            at_once=self._at_once(),
        )

    def _at_once(self) -> int:
        """Return how many children are trained side by side; a resumed search keeps it, and so asks for the same."""
        file = self.task.folder.path / "agent" / "strategy.json"
        try:
            return max(int(json.loads(file.read_text(encoding="utf-8"))["at_once"]), 1)
        except (OSError, ValueError, KeyError, TypeError):
            parallel = self.task.config.evaluator.parallel
            found = self.task.evaluator.parallelism if parallel else 1
            write_file(file, json.dumps({"at_once": found}) + "\n")
            return found

    @cached_property
    def strategy(self) -> SearchStrategy:
        """The strategy; made when exploring begins."""
        settings: Any = self.task.config.agent
        made: SearchStrategy = resolve_name(settings.strategy)(self.view, settings)
        return made

    def explore(self) -> None:
        """Ask, train and tell until the strategy is at its end or the budget is used up."""
        self.task.listener(StageStarted("explore", min(self.budget, self.strategy.most)))
        history = TrainedHistory(self.task.folder)
        while self._stopped is None:
            left = self.budget - self._children
            asked = list(self.strategy.ask())[:left] if left > 0 else []
            if left <= 0:
                self._stopped = "the budget of children is used up"
            elif not asked:
                every = len(self._visited) == len(self.view.keys)
                self._stopped = "every class is known" if every else "the agent has nothing more to train"
            else:
                self._train(asked, history)
        history.finish()

    def _train(self, asked: list[Candidate], history: TrainedHistory) -> None:
        """Train candidates side by side and tell their results in the order in which they were asked."""
        specs = [self._spec(candidate) for candidate in asked]
        done: dict[int, Evaluation] = {}
        for place, evaluation in self._evaluated(specs):
            done[place] = evaluation
            event = Trained(
                state=self.task.space.number_of(self.classes[asked[place].class_key].representative),
                factors=specs[place].name,
                class_key=evaluation.class_key,
                seed=specs[place].seed,
                accuracy=evaluation.validation_accuracy,
            )
            # The history has whole trainings alone, whose accuracies can be compared.
            if asked[place].epochs is None:
                history.add(self._children + place, event, evaluation.key)
            self.task.listener(event)
        for place, evaluation in sorted(done.items()):
            candidate, ok = asked[place], evaluation.status == "ok"
            outcome = Outcome(
                accuracy=evaluation.validation_accuracy if ok else None,
                loss=evaluation.validation_loss if ok else None,
                parameters=evaluation.parameters,
                seconds=evaluation.seconds,
            )
            self._visited.add(candidate.class_key)
            if ok and candidate.epochs is None:
                self._accuracies.setdefault(candidate.class_key, []).append(evaluation.validation_accuracy)
            self.strategy.tell(candidate, outcome)
        self._children += len(done)
        if len(done) < len(asked):
            self._stopped = OUT_OF_TIME

    def _evaluated(self, specs: list[ChildSpec]) -> Iterator[tuple[int, Evaluation]]:
        """Yield (place, evaluation) of children: first of those in the store, then of the others, while there is time.

        A resumed search so gets back all that it had, even if its time is used up. Its first children are trained,
        whatever the time.
        """
        known = {} if self.task.store is None else self.task.store.get_many([spec.key for spec in specs])
        missing = []
        for place, spec in enumerate(specs):
            if spec.key in known:
                yield place, known[spec.key]
            else:
                missing.append(place)
        first = not self._visited and len(missing) == len(specs)
        trained = 0

        def over() -> bool:
            return not (first and trained == 0) and self.task.limit.reached()

        for number, evaluation in stream(self.task.evaluator, [specs[place] for place in missing], until=over):
            trained += 1
            yield missing[number], evaluation

    def _spec(self, candidate: Candidate) -> ChildSpec:
        spec = self.task.space.spec(self.classes[candidate.class_key]).with_seed(self.seeds[candidate.seed])
        if candidate.epochs is None:
            return spec
        return replace(spec, training=replace(spec.training, epochs=candidate.epochs))

    def found(self) -> list[str]:
        """Return the classes trained, best first, as the strategy recommends them."""
        return self.strategy.recommend(self._accuracies)

    def accuracies(self) -> dict[str, float]:
        """Return the mean accuracy of each class over its seeds, without those that diverged."""
        return {key: sum(values) / len(values) for key, values in self._accuracies.items()}

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, compare, and measure the winner on the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> Exploration:
        """Return the counts of children and classes."""
        return Exploration(
            steps=self._children,
            states_visited=sum(self.classes[key].states for key in self._visited),
            classes_visited=len(self._visited),
            stopped_because=self._stopped,
        )
