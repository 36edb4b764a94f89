"""Whatever happens in whatever order: no search is lost, none runs twice, and none is in two states."""

import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aen_service.database import Database
from aen_service.errors import UnavailableError
from aen_service.searches.launcher import Launcher, Started
from aen_service.searches.process_file import Attempt
from aen_service.searches.records import Searches, SearchRecord
from aen_service.searches.scheduler import Scheduler
from aen_service.searches.states import (
    ACTIVE,
    CANCEL,
    ENDED,
    RESUME,
    STATES,
    STOP,
    TRANSITIONS,
)
from aen_service.settings import Limits, Settings

PARALLEL, RESUMES = 2, 2
MOMENTS = ("never", "before the start", "after the start", "cannot start")


class ServiceKilledError(BaseException):
    """The service is killed."""


@dataclass
class World(Launcher):
    """The processes of this machine, which live on when a service is killed."""

    alive: set[str] = field(default_factory=set)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    signals: Counter[str] = field(default_factory=Counter)
    moment: str = "never"

    def start(self, record: SearchRecord) -> Started:
        if self.moment == "before the start":
            raise ServiceKilledError
        if self.moment == "cannot start":
            raise UnavailableError("the disk is full")
        assert record.id not in self.alive, "it runs twice"
        self.alive.add(record.id)
        self.attempts[record.id] = Attempt(record.starts)
        if self.moment == "after the start":
            raise ServiceKilledError
        return Started()

    def find(self, record: SearchRecord) -> Started | None:
        return Started() if record.id in self.alive else None

    def stop(self, record: SearchRecord, *, kill: bool = False) -> bool:
        del kill
        self.signals[record.id] += 1
        return record.id in self.alive

    def attempt(self, record: SearchRecord) -> Attempt | None:
        return self.attempts.get(record.id)

    def end(self, search: str, code: int | None) -> None:
        self.alive.discard(search)
        self.attempts[search] = replace(self.attempts[search], code=code)


class Lifecycle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.settings = Settings(root=Path(self.folder.name), parallel=PARALLEL, limits=Limits(resumes=RESUMES))
        self.settings.folder.mkdir()
        self.database = Database("sqlite://")
        self.searches = Searches(self.database)
        self.world = World()
        self.known: list[str] = []
        self.scheduler = Scheduler(self.settings, self.searches, self.world)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def one(self, number: int) -> str:
        return self.known[number % len(self.known)]

    @rule()
    def submit(self) -> None:
        place = self.searches.place()
        path = f"x-{len(self.known)}"
        record = self.searches.add(path=path, name="x", state="queued", queued=place, request={})
        self.known.append(record.id)

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 9))
    def stop(self, number: int) -> None:
        before = self.searches.get(self.one(number)).state
        done = self.searches.carry(self.one(number), CANCEL) or self.searches.carry(self.one(number), STOP)
        assert done == (before in {"queued", "running"})

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 9))
    def resume(self, number: int) -> None:
        before = self.searches.get(self.one(number)).state
        done = self.searches.carry(self.one(number), RESUME, queued=self.searches.place(), starts=0)
        assert done == (before in {"stopped", "failed", "lost"})

    @precondition(lambda self: self.known)
    @rule(number=st.integers(0, 9), place=st.integers(1, 5))
    def move(self, number: int, place: int) -> None:
        before = self.searches.queue()
        if self.one(number) in before:
            self.searches.move(self.one(number), place)
            assert sorted(self.searches.queue()) == sorted(before)
            assert self.searches.queue().index(self.one(number)) == min(place, len(before)) - 1

    @precondition(lambda self: self.world.alive)
    @rule(number=st.integers(0, 9), code=st.sampled_from([0, 1, 130, None]))
    def end(self, number: int, code: int | None) -> None:
        alive = sorted(self.world.alive)
        self.world.end(alive[number % len(alive)], code)

    @rule(moment=st.sampled_from(MOMENTS))
    def step(self, moment: str) -> None:
        self.world.moment = moment
        try:
            self.scheduler.step()
        except ServiceKilledError:
            self.restart()
        self.world.moment = "never"

    @rule()
    def restart(self) -> None:
        self.scheduler = Scheduler(self.settings, self.searches, self.world)

    @rule()
    def settle(self) -> None:
        """Left alone for a moment, the service knows how every search is."""
        self.world.moment = "never"
        for _ in range(3):
            self.scheduler.wake()
            self.scheduler.step()
        states = {search: self.searches.get(search).state for search in self.known}
        assert {search for search, state in states.items() if state in {"running", "stopping"}} == self.world.alive
        waiting = sum(state == "queued" for state in states.values())
        assert len(self.world.alive) == PARALLEL or not waiting
        for search, state in states.items():
            if state == "stopping":
                assert self.world.signals[search] > 0

    @invariant()
    def no_search_is_lost(self) -> None:
        records = {record.id: record for record in self.searches.where()}
        assert records.keys() == set(self.known)
        assert all(record.state in STATES for record in records.values())
        assert len(self.world.alive) <= PARALLEL
        for search in self.world.alive:
            assert records[search].state in {"running", "stopping"}, "a process works for a search that does not run"
        assert all(record.starts <= RESUMES + 1 for record in records.values())


Lifecycle.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
TestLifecycle = Lifecycle.TestCase


def test_the_states_are_those_that_transitions_lead_to() -> None:
    assert set(STATES) == {transition.after for transition in TRANSITIONS}
    assert set(STATES) == {*ACTIVE, *ENDED}
    assert not set(ACTIVE) & set(ENDED)


def test_of_two_stops_at_the_same_time_one_is_carried_out(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    searches = Searches(database)
    record = searches.add(path="x", name="x", state="running", request={})
    assert [searches.carry(record.id, STOP) for _ in range(2)] == [True, False]
    with suppress(KeyError):
        assert searches.update("none", state="stopped") is False
    with pytest.raises(Exception, match="there is no search 'none'"):
        searches.get("none")
    database.close()
