"""Runs every method on every seed, slice by slice, in parallel on one evaluator."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from aen._files import is_blank, make_folder
from aen._reading import MALFORMED, MAX_RESULTS, read_json
from aen.children import EquiNASSpec
from aen.errors import AenError, RunFolderError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen_agents.agents.layerwise.method import Member, Method, best, rank
from aen_agents.errors import UnreadableError
from aen_agents.events import SliceTrained
from aen_agents.runs.files import write_file


class OnSlice(Protocol):
    """A callback of `MethodRuns.run_all`, called after each slice."""

    def __call__(self, run: "MethodRun", events: Sequence[SliceTrained], /) -> None:
        """Handle a slice of a run; `events` are those of its children, the best first."""
        ...


@dataclass
class MethodRun:
    """The run of a method on one seed.

    Attributes:
        method: the method.
        seed: seed of all random draws.
        file: the file to which the state is saved after every slice.
        slice: number of finished slices.
        members: the members selected after the last of them, the best first.
        ended: the reason if the run ended before its last slice; otherwise None.
        before: the final member of the method that this one starts from, if there is one.
    """

    method: Method
    seed: int
    file: Path
    slice: int = 0
    members: list[Member] = field(default_factory=list)
    ended: str | None = None
    before: Member | None = None

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self.ended is not None or self.slice >= self.method.slices

    @property
    def final(self) -> Member | None:
        """The best member so far; None: there is none, or all diverged."""
        return best(self.members)

    def specs(self) -> list[EquiNASSpec]:
        """Return the children of the next slice."""
        if self.slice == 0:
            return self.method.start(self.seed, self.before)
        return self.method.offspring(self.members, self.seed, self.slice + 1)

    def take(self, specs: Sequence[EquiNASSpec], evaluations: Sequence[Evaluation]) -> list[SliceTrained]:
        """Finish a slice: select the members that are trained further.

        Args:
            specs: the children of the slice.
            evaluations: their evaluations, in the same order.

        Returns:
            The events of the children, the best first.
        """
        parents = [*self.members, *([] if self.before is None else [self.before])]
        so_far = {member.key: member.epochs for member in parents}
        candidates = [
            Member(spec, evaluation, round(so_far.get(spec.parent or "", 0.0) + spec.training.epochs, 9))
            for spec, evaluation in zip(specs, evaluations, strict=True)
        ]
        selected = self.method.select(candidates)
        number = self.slice + 1
        if selected:
            self.slice, self.members = number, selected
        else:
            self.ended = f"all children of slice {number} diverged; a lower training.learning_rate may help"
        selected_keys = {member.key for member in selected}
        candidates.sort(key=rank)
        return [member.event(self.method.name, number, selected=member.key in selected_keys) for member in candidates]

    def save(self) -> None:
        """Write the state that `restore` reads."""
        state = {"slice": self.slice, "ended": self.ended, "members": [member.to_json() for member in self.members]}
        write_file(self.file, json.dumps(state) + "\n")

    def restart(self) -> None:
        """Go back to the state before the first slice."""
        self.slice, self.members, self.ended = 0, [], None

    def restore(self) -> None:
        """Restore the state that `save` wrote, if there is one.

        Raises:
            RunFolderError: the file is damaged or may not be read.
        """
        try:
            if is_blank(self.file):
                return
            state = read_json(self.file, MAX_RESULTS)
            self.members = [Member.from_json(member) for member in state["members"]]
            self.slice, self.ended = int(state["slice"]), state["ended"]
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnreadableError.of(self.file, error) from error
        except (*MALFORMED, AenError) as error:
            raise RunFolderError(
                f"{self.file} is damaged: {error}. Remove it: {self.method.name} then starts again."
            ) from error


class MethodRuns:
    """The runs of all methods on all seeds, in parallel on one evaluator.

    Args:
        methods: the methods by name, in the order in which they start.
        seeds: the seeds of each method.
        evaluator: trains the children; it must keep weights.
        weights: the folder of the weights; those that are no longer needed are removed.
        states: the folder of the runs' saved states.
        store: where results are kept: of those that are there already, weights are not needed before they are used.
        shared: whether other searches use the same store and weights, so that weights are not removed but forgotten.

    Attributes:
        runs: one for each method and seed, method by method.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        seeds: Sequence[int],
        *,
        evaluator: Evaluator,
        weights: Path,
        states: Path,
        store: ResultStore | None = None,
        shared: bool = False,
    ) -> None:
        self.evaluator, self.weights, self.store, self.shared = evaluator, weights, store, shared
        make_folder(states)
        self.runs = [
            MethodRun(method, seed, states / f"{name}-{seed}.json")
            for name, method in methods.items()
            for seed in seeds
        ]
        for run in self.runs:
            run.restore()
        self._in_flight: dict[Future[Evaluation], list[tuple[int, int]]] = {}
        self._specs: dict[int, list[EquiNASSpec]] = {}
        self._results: dict[int, dict[int, Evaluation]] = {}
        self._recorded: set[str] = set()

    def restart_unstored(self, keys: Mapping[tuple[str, int], set[str]]) -> None:
        """Start those runs again from the first slice that have children whose results the store does not have.

        Nothing that is stored is trained again.

        Args:
            keys: of the children in the history, by method and seed.
        """
        self._recorded = set().union(*keys.values())
        if self.store is None:
            return
        for run in self.runs:
            known = {member.key: member.accuracy for member in run.members}
            recorded = {*known, *keys.get((run.method.name, run.seed), ())}
            stored = self.store.get_many(sorted(recorded))
            same = all(stored[key].validation_accuracy == known[key] for key in known.keys() & stored.keys())
            if recorded - stored.keys() or not same:
                run.restart()
                run.save()

    @property
    def total(self) -> int:
        """The number of slices of all runs."""
        return sum(run.method.slices for run in self.runs)

    def run_of(self, method: str, seed: int) -> MethodRun:
        """Return the run of a method on a seed."""
        return next(run for run in self.runs if (run.method.name, run.seed) == (method, seed))

    def run_all(self, on_slice: OnSlice) -> None:
        """Train until every run has ended.

        Args:
            on_slice: called with the run and the events of each slice, before the run's state is saved.
        """
        while True:
            self._start()
            if not self._in_flight:
                # Of an earlier start that ended between saving a slice and removing the weights it no longer needed.
                self._prune(self._recorded)
                return
            done, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: self._in_flight[f][0]):
                for number, place in self._in_flight.pop(future):
                    self._results[number][place] = future.result()
            for number in [n for n, specs in self._specs.items() if len(self._results[n]) == len(specs)]:
                self._finish(number, on_slice)

    def _start(self) -> None:
        """Submit the next slices of as many runs as the evaluator has capacity for."""
        starting: list[tuple[int, int, EquiNASSpec]] = []
        for number, run in enumerate(self.runs):
            if len(self._in_flight) + len(starting) >= self.evaluator.capacity:
                break
            if run.done or number in self._specs or not self._ready(run):
                continue
            specs = run.specs()
            if not specs:
                run.ended = f"there is no network to start from: {run.method.after} has no result"
                continue
            self._specs[number], self._results[number] = specs, {}
            starting += [(number, place, spec) for place, spec in enumerate(specs)]
        if starting:
            for future, (number, place, _) in zip(self._submit([s for *_, s in starting]), starting, strict=True):
                self._in_flight.setdefault(future, []).append((number, place))

    def _submit(self, specs: Sequence[EquiNASSpec]) -> list[Future[Evaluation]]:
        """Submit specs; weights are wanted of those that are not stored yet.

        What another search, or an earlier start, has trained and removed the weights of would be trained again
        otherwise. Where a child is to inherit them, the evaluator trains its parent again.
        """
        keys = [spec.key for spec in specs]
        known = {} if self.store is None else self.store.get_many(keys)
        futures: dict[str, Future[Evaluation]] = {}
        for keep in (True, False):
            some = {key: spec for key, spec in zip(keys, specs, strict=True) if (key not in known) is keep}
            submitted = self.evaluator.submit(list(some.values()), keep_weights=keep) if some else []
            futures |= dict(zip(some, submitted, strict=True))
        return [futures[key] for key in keys]

    def final(self, method: str, seed: int) -> Member | None:
        """Return the best member of a run, with its weights in their folder; None: all diverged."""
        member = self.run_of(method, seed).final
        if member is None:
            return None
        (future,) = self.evaluator.submit([member.spec], keep_weights=True)
        return replace(member, evaluation=replace(member.evaluation, weights=future.result().weights))

    def _ready(self, run: MethodRun) -> bool:
        """Return whether a run can start: the method that it starts from, if any, has ended."""
        if run.method.after is None:
            return True
        first = self.run_of(run.method.after, run.seed)
        run.before = first.final
        return first.done

    def _finish(self, number: int, on_slice: OnSlice) -> None:
        run, specs, results = self.runs[number], self._specs.pop(number), self._results.pop(number)
        earlier = [member.key for member in run.members]
        events = run.take(specs, [results[place] for place in range(len(specs))])
        on_slice(run, events)
        run.save()
        self._prune({*earlier, *(event.key for event in events)})

    def _prune(self, keys: set[str]) -> None:
        """Remove the weights of these keys that no run needs any more."""
        needed = {member.key for run in self.runs for member in run.members}
        needed |= {spec.key for specs in self._specs.values() for spec in specs}
        if self.shared and self.store is not None:
            self.store.forget_weights(keys - needed)
            return
        for key in keys - needed:
            (self.weights / f"{key}.safetensors").unlink(missing_ok=True)
