"""A small part of `kills.py`."""

import pytest
from torture import kills

pytestmark = pytest.mark.skipif(kills.why_not() is not None, reason=str(kills.why_not()))


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    return {"local": kills.whole_run("local")}


@pytest.mark.slow  # runs/resume/test_kills.py and evaluators/test_orphans.py kill searches and workers as well
@pytest.mark.parametrize("target", ["driver", "worker"])
def test_a_search_that_is_killed_leaves_nothing_and_is_resumed(target: str, expected: dict[str, object]) -> None:
    chain = kills.run_chain(kills.Chain(target, kills=1, seed=1), expected)
    assert chain.failures == []


def test_kills_are_shared_among_the_targets() -> None:
    chains = kills.chains_of(100, 0, list(kills.TARGETS))
    assert sum(chain.kills for chain in chains) == 100
    assert {chain.target for chain in chains} == set(kills.TARGETS)
