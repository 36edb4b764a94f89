"""A service over one run that was made without training."""

import pytest
from helpers.made_runs import make_run


@pytest.fixture
def run(service):
    """The folder of a run below the root; the keys of its children are in `keys`."""
    return service.settings.root / "made"


@pytest.fixture
def keys(service, run):
    found = make_run(run)
    service.index.step(find=True)
    return found


@pytest.fixture
def get(service, client, keys):  # noqa: ARG001 - they are there first
    """Return the JSON of a part of the run's search."""
    search = service.searches.where()[0].id

    def ask(part, expected=200, **params):
        answer = client.get(f"/api/v1/searches/{search}{part}", params=params)
        assert answer.status_code == expected, answer.text
        return answer.json()

    return ask
