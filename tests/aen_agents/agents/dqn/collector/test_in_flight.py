"""Never more new classes on their way than the budget has left."""

from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st

from aen_agents.agents.dqn.collector.in_flight import Flights

KEYS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=2)


def visits_of(children, known=(), counted="classes"):
    seen = dict.fromkeys(known, 0.5)
    return SimpleNamespace(
        counted=counted, budget=SimpleNamespace(children=children), first_visits=len(seen), accuracy_of_class=seen
    )


@example(room=1, known={"b"}, plans=[["a", "c"], ["b"]])
@given(st.integers(1, 6), st.sets(st.sampled_from("abcdefgh"), max_size=3), st.lists(KEYS, max_size=12))
def test_no_more_set_out_than_there_is_room_for_and_all_land(room, known, plans):
    flights = Flights(visits_of(len(known) + room, known))
    out = []
    for keys in plans:
        before, new = len(flights), sum(flights.is_new(key) for key in set(keys))
        if flights.set_out(keys):
            out.append(keys)
        else:
            assert before
            assert new > flights.room
            assert len(flights) == before
        # Of those that were first, when nothing was on its way, there may be more than there is room for: two.
        assert len({key for keys in out for key in keys} - known) <= max(room, 2)
    for keys in out:
        flights.land(keys)
    assert len(flights) == 0
    assert flights.room == room


def test_a_class_that_one_walker_asks_for_twice_and_another_once():
    flights = Flights(visits_of(10))
    assert flights.set_out(["a", "a"])
    assert flights.set_out(["a"])
    flights.land(["a", "a"])
    assert not flights.is_new("a")
    flights.land(["a"])
    assert flights.is_new("a")


def test_where_states_are_counted_there_is_always_room():
    flights = Flights(visits_of(1, counted="states"))
    assert all(flights.set_out([key]) for key in "abc")
