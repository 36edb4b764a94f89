"""The racing agent: classes on one seed, then the best of them on more and more seeds; docs/agents/racing.md."""

from collections.abc import Sequence
from typing import cast

from aen.evaluators import stream
from aen.results import Evaluation
from aen.results.search_result import Exploration
from aen.results.verdict import ClassVerdict
from aen_agents.agents.base import Task
from aen_agents.agents.final_stage import conclude
from aen_agents.agents.plausible import most_plausible_first
from aen_agents.agents.race import Race
from aen_agents.agents.selection import exploring_seeds
from aen_agents.agents.time_limit import OUT_OF_TIME
from aen_agents.agents.trained_history import TrainedHistory
from aen_agents.config import RacingConfig
from aen_agents.events import StageStarted, Trained

_SMALLEST_ROUND = 3  # no symmetry, the most plausible class and one other


class RacingExplorer:
    """Rounds of children, each on a class's next seed; see `aen_agents.agents.base.Explorer`.

    The children of a round are chosen before it begins, so that nothing depends on the order in which they finish. What
    an earlier start of the run has trained is looked up and takes part in the same rounds.
    """

    packages: tuple[str, ...] = ("scipy",)

    def __init__(self, task: Task) -> None:
        self.task = task
        self.agent = cast("RacingConfig", task.config.agent)
        self.seeds = exploring_seeds(task.config)
        self.classes = {c.key: c for c in task.space.classes}
        self.budget = min(task.config.budget.children, len(self.classes) * len(self.seeds))
        self._baseline = task.space.baseline.key
        self._trained: dict[str, list[Evaluation]] = {}
        self._behind: set[str] = set()
        # No symmetry and the most plausible class take part in every round.
        self._always: list[str] = []
        self._stopped: str | None = None

    def explore(self) -> None:
        """Train round after round until one class is left or the budget is used up."""
        task = self.task
        task.listener(StageStarted("explore", self.budget))
        history = TrainedHistory(task.folder)
        order = [c.key for c in most_plausible_first(task.space, task.folder.symmetry_test())]
        order = [self._baseline, *(key for key in order if key != self._baseline)]
        self._always = order[:2]
        most = max(int(self.agent.first_round * self.budget), _SMALLEST_ROUND)
        self._train(order[:most], history, self.agent.first_round)
        while self._stopped is None:
            race = self._race()
            self._behind |= race.behind(self.agent.level) - {self._baseline}
            self._stopped = self._why_stopped(race)
            if self._stopped is None:
                self._train(self._next_round(race), history, 1.0)
        history.finish()

    def found(self) -> list[str]:
        """Return the classes trained: those that are not known to be worse, then the others, the best expected first.

        At equal expectation the smaller network stands first. Those that diverged are last.
        """
        expected, trained = self._race().expected(), self._trained
        return sorted(
            trained,
            key=lambda key: (
                key in self._behind and key != self._baseline,
                -expected.get(key, -1.0),
                trained[key][0].parameters,
                key,
            ),
        )

    def accuracies(self) -> dict[str, float]:
        """Return the mean accuracy of each class, without the effects of its seeds and without those that diverged."""
        return dict(self._race().means)

    def conclude(self) -> ClassVerdict:
        """Select on fresh seeds, compare, and measure the winner on the test images once."""
        return conclude(self.task, self.found())

    def figures(self) -> Exploration:
        """Return the counts of children and classes."""
        return Exploration(
            steps=self._children,
            states_visited=sum(self.classes[key].states for key in self._trained),
            classes_visited=len(self._trained),
            stopped_because=self._stopped,
        )

    @property
    def _children(self) -> int:
        return sum(len(evaluations) for evaluations in self._trained.values())

    def _accuracies(self) -> dict[str, list[float]]:
        """Return the accuracies of each class on its seeds, without classes of which one diverged or failed."""
        return {
            key: [e.validation_accuracy for e in evaluations]
            for key, evaluations in self._trained.items()
            if all(e.status == "ok" for e in evaluations)
        }

    def _race(self) -> Race:
        return Race.of(self._accuracies(), self.task.child.data.validation)

    def _left(self) -> list[str]:
        """Return the classes that are not known to be worse than another one, in the order of training."""
        return [key for key in self._accuracies() if key not in self._behind]

    def _why_stopped(self, race: Race) -> str | None:
        left = self._left()
        if self.task.limit.reached():
            return OUT_OF_TIME
        if self._children >= self.budget and self.budget == self.task.config.budget.children:
            return "the budget of children is used up"
        if race.noise is not None and len([key for key in left if key != self._baseline]) <= 1:
            return "one class is left"
        if all(len(self._trained[key]) == len(self.seeds) for key in left):
            return f"every class left is known on {len(self.seeds)} seeds"
        return None

    def _next_round(self, race: Race) -> list[str]:
        """Return the classes to train on one more seed: those of every round, then the best first."""
        expected = race.expected()
        left = sorted(self._left(), key=lambda key: (key not in self._always, -expected[key], key))
        open_ = [key for key in left if len(self._trained[key]) < len(self.seeds)]
        unused, in_time = self.budget - self._children, self.task.limit.children_left()
        unused = unused if in_time is None else min(unused, in_time)
        most = max(int(self.agent.later_rounds * unused), _SMALLEST_ROUND)
        return open_[: min(most, self.budget - self._children)]

    def _train(self, keys: Sequence[str], history: TrainedHistory, share: float) -> None:
        """Train classes on their next seeds, side by side, until the time is used up.

        Args:
            keys: the classes.
            history: gets a line for each child.
            share: of the time of exploring that may be used.
        """
        space, before, limit = self.task.space, self._children, self.task.limit
        seeds = [self.seeds[len(self._trained.get(key, ()))] for key in keys]
        specs = [space.spec(self.classes[key]).with_seed(seed) for key, seed in zip(keys, seeds, strict=True)]
        done: dict[int, Evaluation] = {}

        def over() -> bool:
            """Return whether no more is to be trained. The search's first children are, whatever the time."""
            return bool(done or self._trained) and limit.reached(share)

        for place, evaluation in stream(self.task.evaluator, specs, until=over):
            done[place] = evaluation
            event = Trained(
                state=space.number_of(self.classes[keys[place]].representative),
                factors=specs[place].name,
                class_key=evaluation.class_key,
                seed=seeds[place],
                accuracy=evaluation.validation_accuracy,
            )
            history.add(before + place, event, evaluation.key)
            self.task.listener(event)
        for place, evaluation in sorted(done.items()):
            self._trained.setdefault(keys[place], []).append(evaluation)
