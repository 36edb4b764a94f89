"""The agents that choose a group for each layer, EquiNAS_E and EquiNAS_D, beside their baselines.

A method is a way of training, from the first weights to a network. The search compares methods, not architectures: each
method runs on every seed from the first weights and chooses by validation alone, and its final network is measured on
the test images once.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from aen._typing import JsonDict
from aen.children import EquiNASSpec
from aen.data import load_test_split
from aen.errors import SpecError
from aen.results.accuracy import Comparison, TestAccuracy, TestDifference, ValidationAccuracy, ValidationDifference
from aen.results.result_rows import MethodRow
from aen.results.search_result import Exploration
from aen.results.verdict import MethodVerdict
from aen.training import load_child, measure_test
from aen_agents.agents.base import Task
from aen_agents.agents.final_stage import keep_best
from aen_agents.agents.layerwise.method import Member, Method
from aen_agents.agents.layerwise.registry import NO_SYMMETRY, methods_of
from aen_agents.agents.layerwise.runs import MethodRun, MethodRuns
from aen_agents.agents.selection import exploring_seeds
from aen_agents.config import LayerwiseConfig
from aen_agents.events import SliceTrained, StageStarted
from aen_agents.runs.files import write_file
from aen_agents.runs.history import HistoryFile
from aen_agents.runs.lost import check_not_lost


@dataclass(frozen=True)
class MethodResult:
    """The final networks of a method.

    Attributes:
        method: the method.
        finals: its final network on each seed; None: all diverged.
        test: test accuracy of each, or nothing before they are measured on the test images.
    """

    method: Method
    finals: tuple[Member | None, ...]
    test: tuple[float, ...] = ()

    @property
    def validation(self) -> list[float]:
        """Validation accuracy on each seed; 0 where all diverged."""
        return [0.0 if member is None else member.accuracy for member in self.finals]

    @property
    def parameters(self) -> list[int]:
        """Number of parameters on each seed."""
        return [0 if member is None else member.evaluation.parameters for member in self.finals]

    @property
    def best(self) -> Member | None:
        """The final network with the highest validation accuracy."""
        return max((m for m in self.finals if m is not None), key=lambda m: m.accuracy, default=None)

    def minus(self, other: "MethodResult") -> Comparison:
        """Return the differences to another method, paired by seed."""
        return Comparison(
            ValidationDifference.between(self.validation, other.validation, clip=True),
            TestDifference.between(self.test, other.test, clip=True),
        )

    def row(self, seeds: Sequence[int], *, minus_no_symmetry: Comparison | None) -> MethodRow:
        """Return the method's row of the search's result.

        Args:
            seeds: on which it was run.
            minus_no_symmetry: the differences to the network without symmetry; None with a single seed.
        """
        best = self.best
        return MethodRow(
            method=self.method.name,
            title=self.method.title,
            decomposition=self.method.title if best is None else f"{self.method.title}: {best.spec.name}",
            group="" if best is None else best.spec.group,
            class_key=self.method.name,
            parameters=0 if best is None else best.evaluation.parameters,
            seeds=tuple(seeds),
            keys=tuple(None if member is None else member.key for member in self.finals),
            layer_groups=tuple(None if m is None or m.spec.mixed else tuple(m.spec.layer_groups) for m in self.finals),
            parameters_of_seeds=tuple(self.parameters),
            epochs=tuple(0.0 if member is None else member.epochs for member in self.finals),
            validation=ValidationAccuracy.of(self.validation),
            test=TestAccuracy.of(self.test),
            minus_no_symmetry=minus_no_symmetry,
        )


class LayerwiseExplorer:
    """EquiNAS_E or EquiNAS_D, and the baselines, at work on a task; see `aen_agents.agents.base.Explorer`."""

    packages: tuple[str, ...] = ()

    def __init__(self, task: Task) -> None:
        # The config is refused where the child is of another kind (`child_kinds`).
        agent, child = cast("LayerwiseConfig", task.config.agent), cast("EquiNASSpec", task.child)
        self.task = task
        self.seeds = exploring_seeds(task.config)
        self.methods = methods_of(agent, child)
        self.runs = MethodRuns(
            self.methods,
            self.seeds,
            evaluator=task.evaluator,
            weights=task.weights,
            store=task.store,
            shared=task.weights != task.folder.weights,
            states=task.folder.path / "agent" / "lanes",
        )
        self.trained = 0
        self.complete = False
        self._seen: dict[str, float] = {}

    def explore(self) -> None:
        """Run every method on every seed."""
        self._restart_without_history()
        recorded: dict[tuple[str, int], set[str]] = {}
        for line in self.task.folder.history():
            recorded.setdefault((line["method"], line["seed"]), set()).add(line["key"])
        self.runs.restart_unstored(recorded)
        history = self._history()
        self._growing = HistoryFile(self._file, keep=True)
        self.task.listener(StageStarted("explore", self.runs.total, "slices"))
        self.trained = len(history)
        self._seen = {line["class_key"]: line["accuracy"] for line in history}
        # What is done already was done by an earlier run in this folder.
        for run in self.runs.runs:
            best = {line["slice"]: line for line in reversed(history) if _of(line, run)}
            for number in range(1, run.slice + 1):
                self.task.listener(_event(best[number]))
        self.runs.run_all(self._took)
        for run in self.runs.runs:
            if run.ended is not None:
                self.task.notice(f"{run.method.title}, seed {run.seed}: {run.ended}")
        order = {name: place for place, name in enumerate(self.methods)}
        lines = sorted(
            self.task.folder.history(),
            key=lambda line: (order[line["method"]], self.seeds.index(line["seed"]), line["slice"]),
        )
        self._growing.close()
        self._write(lines)
        self.complete = True

    def found(self) -> list[str]:
        """Return the keys of the classes visited, best first."""
        return sorted(self._seen, key=lambda key: -self._seen[key])

    def accuracies(self) -> dict[str, float]:
        """Return nothing: children that were trained for slices of different lengths cannot be compared."""
        return {}

    def figures(self) -> Exploration:
        """Return how many slices were trained and how many classes were visited."""
        return Exploration(
            steps=self.trained,
            states_visited=len(self._seen),
            classes_visited=len(self._seen),
            stopped_because="every method is done" if self.complete else None,
        )

    def conclude(self) -> MethodVerdict:
        """Rank the methods by validation, and measure each one's final networks on the test images once."""
        task = self.task
        results = [self._result(method) for method in self.methods.values()]
        task.listener(StageStarted("test", len(results) * len(self.seeds), "networks"))
        results = [MethodResult(r.method, r.finals, tuple(self._test(r))) for r in results]
        winner = max(results, key=lambda r: (sum(r.validation), -sum(r.parameters)))
        baseline = next(r for r in results if r.method.name == NO_SYMMETRY)
        best = winner.best
        if best is None:
            raise SpecError("every method diverged on every seed; use a lower training.learning_rate.")
        keep_best(best.spec, best.evaluation, task)
        several = len(self.seeds) > 1
        rows = {
            result.method.name: result.row(self.seeds, minus_no_symmetry=result.minus(baseline) if several else None)
            for result in results
        }
        return MethodVerdict(
            methods=tuple(rows.values()),
            winner=replace(rows[winner.method.name], spec=best.spec.to_json()),
            baseline=rows[baseline.method.name],
            winner_minus_baseline=winner.minus(baseline),
        )

    def _result(self, method: Method) -> MethodResult:
        return MethodResult(method, tuple(self.runs.final(method.name, seed) for seed in self.seeds))

    def _test(self, result: MethodResult) -> list[float]:
        accuracies = []
        for member in result.finals:
            if member is None or member.evaluation.weights is None:
                accuracies.append(0.0)
                continue
            child = load_child(member.spec, self.task.weights / member.evaluation.weights)
            split = load_test_split(member.spec.data)
            threads = self.task.config.evaluator.threads
            accuracies.append(measure_test(child, split, threads=threads).test_accuracy)
        return accuracies

    def _took(self, run: MethodRun, events: Sequence[SliceTrained]) -> None:
        del run
        self.trained += len(events)
        for event in events:
            self._seen[event.class_key] = max(event.accuracy, self._seen.get(event.class_key, 0.0))
        check_not_lost(self._file)
        for event in events:
            self._growing.append(asdict(event))
        self._growing.mark()  # the state that is saved next needs these lines
        self.task.listener(events[0])

    @property
    def _file(self) -> Path:
        return self.task.folder.history_file

    def _restart_without_history(self) -> None:
        """Start those runs from the beginning whose slices the history lacks: the file was damaged or removed."""
        history = self.task.folder.history()
        for run in self.runs.runs:
            there = {line["slice"] for line in history if _of(line, run)}
            missing = next((number for number in range(1, run.slice + 1) if number not in there), None)
            if missing is not None:
                run.restart()
                self.task.notice(
                    f"{self._file} lacks slice {missing} of {run.method.name}, seed {run.seed}, which starts from the "
                    "beginning; results with their weights are not trained again"
                )

    def _history(self) -> list[JsonDict]:
        """Return the lines of the slices that every run has; others, written just before a stop, are dropped."""
        known = [
            line
            for line in self.task.folder.history()
            if any(_of(line, run) and line["slice"] <= run.slice + (run.ended is not None) for run in self.runs.runs)
        ]
        self._write(known)
        return known

    def _write(self, lines: Sequence[JsonDict]) -> None:
        write_file(self._file, "".join(f"{json.dumps(line)}\n" for line in lines))


def _of(line: JsonDict, run: MethodRun) -> bool:
    return bool((line["method"], line["seed"]) == (run.method.name, run.seed))


def _event(line: JsonDict) -> SliceTrained:
    return SliceTrained(**line | {"groups": tuple(line["groups"])})
