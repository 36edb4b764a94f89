"""Who is given what: fair shares, what was at fault goes alone, and not to the worker that it failed at."""

from collections import deque

import pytest
from helpers.ray_trainers import specs

from aen_agents.evaluators.ray.protocol import Versions, WorkerInfo
from aen_agents.evaluators.ray.slots import Call, Slot, take_share
from aen_agents.evaluators.ray.work_units import WorkUnit

INFO = WorkerInfo(Versions("", "", ""), "node", "host", 1, "")


def crew(count):
    return [Slot(number, info=INFO) for number in range(count)]


def waiting(count, **options):
    return deque(WorkUnit({spec.key: spec}, "data", **options) for spec in specs(count))


@pytest.mark.parametrize(
    ("count", "workers", "worth", "share"), [(100, 2, 8, 8), (100, 2, 64, 25), (3, 2, 64, 1), (1, 4, 1, 1)]
)
def test_as_many_as_are_worth_a_call_but_a_fair_share(count, workers, worth, share):
    units, slots = waiting(count), crew(workers)
    before = list(units)
    assert take_share(units, slots[0], slots, worth=worth) == before[:share]
    assert list(units) == before[share:]


def test_what_was_at_fault_goes_alone():
    units, slots = waiting(40), crew(1)
    units[0].alone = units[3].alone = True
    assert [len(take_share(units, slots[0], slots, worth=64)) for _ in range(3)] == [1, 2, 1]


def test_a_worker_is_spared_what_failed_at_it_while_another_is_as_free():
    (units, slots) = waiting(1, shunned=0), crew(2)
    assert take_share(units, slots[0], slots, worth=1) == []
    assert len(units) == 1
    slots[1].add(Call(list(waiting(1))))  # now it is not
    assert len(take_share(units, slots[0], slots, worth=1)) == 1
    units = waiting(1, shunned=0)
    slots[1] = Slot(1)  # nor is one that is not ready
    assert len(take_share(units, slots[0], slots, worth=1)) == 1


def test_others_go_before_what_a_worker_shuns():
    units, slots = waiting(2), crew(2)
    first, second = units
    first.shunned = 0
    assert take_share(units, slots[0], slots, worth=1) == [second]
    assert take_share(units, slots[1], slots, worth=1) == [first]
