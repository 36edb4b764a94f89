"""A small part of `service_kills.py`."""

import pytest
from torture import service_kills

pytestmark = pytest.mark.skipif(service_kills.why_not() is not None, reason=str(service_kills.why_not()))


@pytest.mark.slow  # aen_service/searches/test_scheduler.py kills processes of searches, and services, as well
def test_a_service_and_its_searches_survive_kills() -> None:
    round_ = service_kills.run_round(service_kills.Round(seed=1, servers=1, searches=1))
    assert round_.failures == []
    assert round_.killed[0] == 1


def test_kills_are_shared_among_the_rounds() -> None:
    rounds = service_kills.rounds_of(20, 5)
    assert [sum(round_.servers for round_ in rounds), sum(round_.searches for round_ in rounds)] == [20, 20]
    assert max(round_.searches for round_ in rounds) <= service_kills.KILLS
    assert len({round_.seed for round_ in rounds}) == len(rounds)
