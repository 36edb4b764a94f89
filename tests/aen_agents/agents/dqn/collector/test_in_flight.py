"""Never more new classes on their way than the budget has left."""

from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st

from aen_agents.agents.dqn.collector.in_flight import InFlightClasses

KEYS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=2)


def visits_of(children, known=(), counted="classes"):
    seen = dict.fromkeys(known, 0.5)
    return SimpleNamespace(
        counted=counted, budget=SimpleNamespace(children=children), first_visits=len(seen), accuracy_of_class=seen
    )


@example(room=1, known={"b"}, plans=[["a", "c"], ["b"]])
@given(st.integers(1, 6), st.sets(st.sampled_from("abcdefgh"), max_size=3), st.lists(KEYS, max_size=12))
def test_no_more_are_added_than_there_is_room_for_and_all_are_removed(room, known, plans):
    in_flight = InFlightClasses(visits_of(len(known) + room, known))
    out = []
    for keys in plans:
        before, new = len(in_flight), sum(in_flight.is_new(key) for key in set(keys))
        if in_flight.try_add(keys):
            out.append(keys)
        else:
            assert before
            assert new > in_flight.room
            assert len(in_flight) == before
        # Of those that were first, when nothing was on its way, there may be more than there is room for: two.
        assert len({key for keys in out for key in keys} - known) <= max(room, 2)
    for keys in out:
        in_flight.remove(keys)
    assert len(in_flight) == 0
    assert in_flight.room == room


def test_a_class_that_one_walker_asks_for_twice_and_another_once():
    in_flight = InFlightClasses(visits_of(10))
    assert in_flight.try_add(["a", "a"])
    assert in_flight.try_add(["a"])
    in_flight.remove(["a", "a"])
    assert not in_flight.is_new("a")
    in_flight.remove(["a"])
    assert in_flight.is_new("a")


def test_where_states_are_counted_there_is_always_room():
    in_flight = InFlightClasses(visits_of(1, counted="states"))
    assert all(in_flight.try_add([key]) for key in "abc")
