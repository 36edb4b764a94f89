"""Lanes: each method on each seed goes its own way, slice by slice; all share one evaluator."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aen.children import EquiNASSpec
from aen.errors import AenError, RunFolderError
from aen.evaluators import Evaluator
from aen.results import Evaluation
from aen_agents.agents.layerwise.method import Member, Method, best
from aen_agents.events import SliceTrained
from aen_agents.runs.folder import write_atomically


class Took(Protocol):
    """What `Lanes.run` tells of a slice."""

    def __call__(self, lane: "Lane", events: Sequence[SliceTrained]) -> None:
        """Take note of a slice: `events` are its children, the best first."""
        ...


@dataclass
class Lane:
    """A method on its way, for one seed.

    Attributes:
        method: what is done.
        seed: of all that is drawn.
        file: where what is needed to go on is kept, after every slice.
        slice: how many slices are done.
        members: what the last of them left, the best first.
        ended: why it ended before its last slice; None: it did not.
        before: the final member of the method that this one comes after.
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
        """Whether there is nothing left to train."""
        return self.ended is not None or self.slice >= self.method.slices

    @property
    def final(self) -> Member | None:
        """The best of what the method came to so far; None: nothing, or all of it diverged."""
        return best(self.members)

    def specs(self) -> list[EquiNASSpec]:
        """Return the children of the next slice."""
        if self.slice == 0:
            return self.method.start(self.seed, self.before)
        return self.method.offspring(self.members, self.seed, self.slice + 1)

    def take(self, specs: Sequence[EquiNASSpec], evaluations: Sequence[Evaluation]) -> list[SliceTrained]:
        """Take in a slice: what goes on are the members now. Returns what happened, the best first."""
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
        going_on = {member.key for member in selected}
        candidates.sort(key=lambda m: (-m.accuracy, m.evaluation.parameters, m.key))
        return [member.event(self.method.name, number, selected=member.key in going_on) for member in candidates]

    def save(self) -> None:
        """Write what is needed to go on."""
        state = {"slice": self.slice, "ended": self.ended, "members": [member.to_json() for member in self.members]}
        write_atomically(self.file, json.dumps(state) + "\n")

    def restore(self) -> None:
        """Go on from what `save` wrote, if it did.

        Raises:
            RunFolderError: the file is damaged.
        """
        if not self.file.is_file():
            return
        try:
            state = json.loads(self.file.read_text(encoding="utf-8"))
            self.members = [Member.from_json(member) for member in state["members"]]
            self.slice, self.ended = int(state["slice"]), state["ended"]
        except (ValueError, KeyError, TypeError, AttributeError, AenError) as error:
            raise RunFolderError(
                f"{self.file} is damaged: {error}. Remove it: {self.method.name} starts anew."
            ) from error


class Lanes:
    """Several lanes on one evaluator: while one waits for its slice, others train.

    Args:
        methods: by name; those named first start first.
        seeds: each method is run on each.
        evaluator: keeps weights.
        weights: the folder in which it keeps them; those that nothing can go on from any more are removed.
        states: the folder of what is needed to go on.

    Attributes:
        lanes: one for each method and seed, method by method.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        seeds: Sequence[int],
        *,
        evaluator: Evaluator,
        weights: Path,
        states: Path,
    ) -> None:
        self.evaluator, self.weights = evaluator, weights
        states.mkdir(parents=True, exist_ok=True)
        self.lanes = [
            Lane(method, seed, states / f"{name}-{seed}.json") for name, method in methods.items() for seed in seeds
        ]
        for lane in self.lanes:
            lane.restore()
        self._flying: dict[Future[Evaluation], list[tuple[int, int]]] = {}
        self._specs: dict[int, list[EquiNASSpec]] = {}
        self._landed: dict[int, dict[int, Evaluation]] = {}

    @property
    def total(self) -> int:
        """How many slices all lanes have."""
        return sum(lane.method.slices for lane in self.lanes)

    def lane(self, method: str, seed: int) -> Lane:
        """Return a lane."""
        return next(lane for lane in self.lanes if (lane.method.name, lane.seed) == (method, seed))

    def run(self, took: Took) -> None:
        """Train until every lane is done.

        Args:
            took: is told what happened in each slice before that is saved.
        """
        while True:
            self._start()
            if not self._flying:
                return
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: self._flying[f][0]):
                for number, place in self._flying.pop(future):
                    self._landed[number][place] = future.result()
            for number in [n for n, specs in self._specs.items() if len(self._landed[n]) == len(specs)]:
                self._finish(number, took)

    def _start(self) -> None:
        """Submit the next slice of as many lanes as there are hands for."""
        starting: list[tuple[int, int, EquiNASSpec]] = []
        for number, lane in enumerate(self.lanes):
            if len(self._flying) + len(starting) >= self.evaluator.capacity:
                break
            if lane.done or number in self._specs or not self._ready(lane):
                continue
            specs = lane.specs()
            if not specs:
                lane.ended = f"there is nothing to start from: {lane.method.after} came to no network"
                continue
            self._specs[number], self._landed[number] = specs, {}
            starting += [(number, place, spec) for place, spec in enumerate(specs)]
        if starting:
            futures = self.evaluator.submit([spec for _, _, spec in starting], keep_weights=True)
            for future, (number, place, _) in zip(futures, starting, strict=True):
                self._flying.setdefault(future, []).append((number, place))

    def _ready(self, lane: Lane) -> bool:
        """Say whether a lane can start: the method that it comes after has ended."""
        if lane.method.after is None:
            return True
        first = self.lane(lane.method.after, lane.seed)
        lane.before = first.final
        return first.done

    def _finish(self, number: int, took: Took) -> None:
        lane, specs, landed = self.lanes[number], self._specs.pop(number), self._landed.pop(number)
        earlier = [member.key for member in lane.members]
        events = lane.take(specs, [landed[place] for place in range(len(specs))])
        took(lane, events)
        lane.save()
        self._prune({*earlier, *(event.key for event in events)})

    def _prune(self, keys: set[str]) -> None:
        """Remove the weights of these keys that no lane goes on from."""
        needed = {member.key for lane in self.lanes for member in lane.members}
        needed |= {spec.key for specs in self._specs.values() for spec in specs}
        for key in keys - needed:
            (self.weights / f"{key}.safetensors").unlink(missing_ok=True)
