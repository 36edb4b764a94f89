"""Search: runs a configuration from exploring to the verdict on the test images."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

from aen._reading import sealed
from aen.children import ChildSpec
from aen.data import find_source, load_dataset
from aen.errors import AenError, ConfigError, GroupError, SpecError, StoreError
from aen.evaluators import Evaluator, stream
from aen.results.database_errors import shown
from aen.results.provenance import Provenance, Seconds
from aen.results.search_result import SearchResult
from aen.results.store import ResultStore
from aen.spaces import Space
from aen.symmetry import SymmetryTest, symmetry_test
from aen.symmetry.testing import check_testable
from aen.training import cpu_threads
from aen_agents.agents.base import Explorer, Task
from aen_agents.agents.factor_effects import factors_of, generator_effects_of
from aen_agents.agents.recorded import lost_children
from aen_agents.agents.registry import check_agent, make_explorer
from aen_agents.agents.selection import check_final_child, fresh_seeds
from aen_agents.agents.statement import state
from aen_agents.agents.time_limit import TimeLimit
from aen_agents.config import SearchConfig
from aen_agents.config.changes import change_notices, keep_choices, with_choices
from aen_agents.errors import explain_full_disk
from aen_agents.evaluators.factory import (
    check_evaluator,
    make_evaluator,
    population_of,
    resolve_evaluator,
    workers_of,
)
from aen_agents.events import Listener, Notice, SpaceLogged
from aen_agents.monitoring.guard import FolderGuard, rescue
from aen_agents.monitoring.monitor import SearchMonitor
from aen_agents.problem import check_space, child_of, space_of
from aen_agents.runs.best import what_is_wrong_with_best
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.shared_weights import sharing, sqlite_file


def _processor() -> str:
    """Return the processor's name, which Python does not know on Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


_MOST_LOGGED = 1000  # classes of a space that are logged; more cannot be told apart in a picture


class Search:
    """A search that is started, followed through events, and can be interrupted and resumed without loss.

    Args:
        config: what to search.
        listener: called with every event.
        evaluator: makes the evaluator, in place of the config's section `evaluator`, from the keyword arguments `store`
            and `weights_folder`: ``partial(RemoteEvaluator, url, token)`` for example. The search closes it.

    Raises:
        AenError: the config cannot work: unknown data set, a factor that does not fit a grid, too few images, ...
    """

    def __init__(
        self, config: SearchConfig, listener: Listener, *, evaluator: Callable[..., Evaluator] | None = None
    ) -> None:
        self.config = config
        self._evaluator = evaluator
        self.child = child_of(config)
        check_space(config)
        check_agent(config, self.child, self.space)
        self._data_notices = find_source(self.child.data.name, self.child.data.rules).notices
        load_dataset(self.child.data)
        self._check_symmetry_test()
        check_final_child(config, self.child)
        check_evaluator(config)
        self.notices: list[str] = []
        self._listener = self.monitor = SearchMonitor(config, listener)

    @cached_property
    def space(self) -> Space:
        """The children to choose among; on large grids the first access takes seconds."""
        return space_of(self.config)

    def run(self, folder: RunFolder) -> SearchResult:
        """Run the search and return its result, which is also written to the folder as ``summary.json``.

        A KeyboardInterrupt leaves a summary with status ``interrupted`` and is raised again. The same config in the
        same folder afterwards resumes the search and gives the same figures. `children_trained` and the seconds
        ``explore`` and ``total`` are those of this start alone; `children_trained_in_all` and the seconds ``in_all``
        are those of all starts of the run together.

        Raises:
            FullDiskError: there is no room left; the message says how to resume.
            AenError: the search cannot be run, or its store or cluster was lost.
        """
        with folder.locked():
            folder.initialise(self.config)  # again: the folder was not locked since it was created
            folder.check_key_version(self.child.key_version)
            folder.check_data(self.child.data.name)
            folder.note_data(self.child.data.name)
            return self._run_locked(folder)

    def _run_locked(self, folder: RunFolder) -> SearchResult:
        with self.monitor.over(folder), explain_full_disk(folder.path):
            started = time.perf_counter()
            self._resolve(folder)
            return self._run(folder, started)

    def what_is_lost(self, folder: RunFolder, result: SearchResult) -> str | None:
        """Return what a complete run has lost, as a clause, or None; `run` trains it again.

        Args:
            folder: of the run.
            result: of the run.

        Raises:
            RunFolderError: a file of the run is damaged, or its data has changed.
        """
        folder.check_data(self.child.data.name)
        if result.verdict is None or not folder.has_key_version(self.child.key_version):
            return None
        self._adopt(folder)
        damaged = what_is_wrong_with_best(folder)
        file = folder.store_file if self.config.store is None else sqlite_file(self.config.store)
        if damaged is not None:
            return damaged
        if file is not None and not file.exists():
            return f"its store {file} is missing"
        with suppress(StoreError), ResultStore(self.config.store or folder.store_file, create=False) as store:
            lost = lost_children(self.config, self.space, store, folder.history(), result)
            return f"{lost} not in its store {shown(store.where)}" if lost.keys else None
        return None

    def _adopt(self, folder: RunFolder) -> None:
        """Take what the config leaves to aen from the run, which may have been started by another version of it."""
        config = keep_choices(folder.config(), self.config)
        if config.child != self.config.child:
            self.child = child_of(config)
            self.__dict__.pop("space", None)
        self.config = with_choices(config, self.child)

    def _resolve(self, folder: RunFolder) -> None:
        """Choose what the config leaves to aen, such as the device, and record it in the folder."""
        self._adopt(folder)
        self.config, said = resolve_evaluator(self.config, self.child)
        check_evaluator(self.config)
        folder.record(self.config)
        for text in said:  # not in the summary: its provenance has them
            self._listener(Notice(text))

    def _run(self, folder: RunFolder, started: float) -> SearchResult:
        clock: dict[str, float] = {}
        # An agent's own arithmetic, too, depends on the number of threads in its last bits.
        with (
            ResultStore(self.config.store or folder.store_file) as store,
            self._weights(folder, store) as weights,
            cpu_threads(self.config.evaluator.threads),
            closing(self._make_evaluator(store, weights)) as evaluator,
        ):
            self.monitor.evaluator = evaluator
            file = folder.store_file if self.config.store is None else sqlite_file(self.config.store, resolve=False)
            guard = FolderGuard(folder, self.config, file, weights, self.monitor.gone_before)
            self.monitor.guard, self.monitor.rescue = guard, partial(rescue, store, guard)
            # Not in the summary, which must not depend on how often the search was resumed.
            for change in change_notices(folder.config(), self.config):
                self._listener(Notice(change))
            evaluator.start()  # workers start while the classes are found
            for remark in (*self._data_notices, *self.space.remarks()):
                self._notice(remark)
            limit = TimeLimit.of(
                self.config, seconds=lambda: self.monitor.in_all()[1], trained=lambda: evaluator.trained
            )
            task = Task(
                config=self.config,
                child=self.child,
                space=self.space,
                hidden=self._hidden(),
                evaluator=evaluator,
                folder=folder,
                listener=self._listener,
                notice=self._notice,
                store=store,
                limit=limit,
            )
            explorer = make_explorer(task)
            result = self._head(explorer)
            try:
                result = replace(result, symmetry_test=self._symmetry_test(folder, clock))
                limit.begin()
                self._log_space(result.closed_sets)
                self._train_lost(task)
                explorer.explore()
                clock["explore"] = time.perf_counter() - started
                factors = factors_of(self.space, explorer.accuracies(), seed=self.config.seed)
                effects = generator_effects_of(self.space, explorer.accuracies(), factors)
                result = replace(result, factors=factors, effects=effects)
                result = replace(result, verdict=explorer.conclude())
                result = replace(result, selection_seeds=tuple(fresh_seeds(self.config.seed, limit.selection.seeds)))
                result = replace(result, statement=state(result))
            finally:
                exploration, trained = explorer.figures(), evaluator.trained
                clock["total"] = time.perf_counter() - started
                trained_in_all, clock["in_all"] = self.monitor.in_all()
                result = replace(
                    result,
                    exploration=exploration,
                    children_trained=trained,
                    children_trained_in_all=trained_in_all,
                    seconds=Seconds.from_json(clock),
                    notices=tuple(self.notices),
                )
                summary = sealed(result.to_json() | {"run_id": folder.run_id})
                write_file(folder.summary_file, json.dumps(summary, indent=2) + "\n")
        return result

    def _make_evaluator(self, store: ResultStore, weights: Path) -> Evaluator:
        if self._evaluator is not None:
            return self._evaluator(store=store, weights_folder=weights)
        return make_evaluator(self.config, store, weights, self._listener)

    def _log_space(self, closed_sets: Mapping[str, int]) -> None:
        """Log the classes of a space that is small enough to be drawn, so that a picture can show it meanwhile."""
        if 0 < len(closed_sets) <= _MOST_LOGGED:
            names = {key: self.space.closed_set_name(closed_set) for key, closed_set in closed_sets.items()}
            self._listener(SpaceLogged(self.space.states, len(self.space.classes), closed_sets, names))

    def _train_lost(self, task: Task) -> None:
        """Train what the history has and the store has lost; agents that resume do not ask for it again."""
        if task.store is None:
            return
        lost = lost_children(task.config, task.space, task.store, task.folder.history())
        if lost.keys:  # not in the summary, which must not depend on how often the search was resumed
            text = f"{lost} not in the store {shown(task.store.where)}: trained again"
            self._listener(Notice(text))
        for _ in stream(task.evaluator, lost.specs):
            pass

    @contextmanager
    def _weights(self, folder: RunFolder, store: ResultStore) -> Iterator[Path]:
        """Use the folder of weights inside the block."""
        weights = folder.weights_for(self.config.store)
        if weights == folder.weights:
            yield weights
            return

        with sharing(weights, folder.weights, store):
            yield weights

    def _check_symmetry_test(self) -> None:
        """Check that the images can be tested, if the agent cannot work without that."""
        if not self.config.agent.needs_symmetry_test:
            return
        train = load_dataset(self.child.data).train
        try:
            check_testable(train.images, train.labels, self.space.symmetry_factors())
        except AenError as error:
            raise ConfigError(
                f"agent {self.config.agent.name} needs the symmetry test of the images, which cannot be made: {error} "
                "Choose another agent."
            ) from error

    def _symmetry_test(self, folder: RunFolder, clock: dict[str, float]) -> SymmetryTest | None:
        """Test the training images for the symmetries on offer, or read what an earlier start of the run found."""
        factors = self.space.symmetry_factors() if self.config.symmetry_test else ()
        if not factors:
            return None
        found = folder.symmetry_test()
        if found is None:
            started, train = time.perf_counter(), load_dataset(self.child.data).train
            try:
                found = symmetry_test(train.images, train.labels, factors, seed=self.config.seed)
            except AenError as error:
                self._listener(Notice(f"the images were not tested for symmetries: {error}"))
                return None
            content = sealed(found.to_json() | {"run_id": folder.run_id})
            write_file(folder.symmetry_test_file, json.dumps(content, indent=2) + "\n")
            clock["symmetry_test"] = time.perf_counter() - started
        # Not in the summary's notices: it has the whole test.
        self._listener(Notice(found.sentence()))
        return found

    def _notice(self, text: str) -> None:
        self.notices.append(text)
        self._listener(Notice(text))

    def _head(self, explorer: Explorer) -> SearchResult:
        """Return the result of a search that has not begun to explore."""
        space = self.space
        return SearchResult(
            name=self.config.name,
            agent=self.config.agent.name,
            seed=self.config.seed,
            selection_seeds=tuple(fresh_seeds(self.config.seed, self.config.selection.seeds)),
            states=space.states,
            classes=len(space.classes),
            baseline_name=space.baseline_name,
            closed_sets=space.closed_sets(),
            provenance=Provenance(
                packages={name: version(name) for name in ("aen", "torch", "numpy", *explorer.packages)},
                python=platform.python_version(),
                machine=platform.platform(),
                processor=_processor(),
                cores=os.cpu_count(),
                device=self.config.evaluator.device,
                threads=self.config.evaluator.threads,
                workers=workers_of(self.config),
                population=population_of(self.config),
            ),
            seconds=Seconds(total=0.0),
        )

    def _hidden(self) -> ChildSpec | None:
        """Return the child with the hidden group, by which the images were moved, if they were and the space has it."""
        data = self.child.data  # a benchmark's name stands for its moves there
        if not data.moves:
            return None
        try:
            hidden = self.space.spec_of_moves(data.moves)
        except GroupError as error:
            self._notice(f"the hidden group does not act on every grid of the child: {error}")
            return None
        except SpecError as error:
            self._notice(f"no child of this search has the hidden group: {error}")
            return None
        if hidden is not None and data.angles == "any" and "rot90" in data.moves:
            self._notice("turns by any angle are more than the group of rot90, with which the winner is compared")
        return hidden
