"""What clients do with searches that exist: stop, resume, move in the queue, clone and delete."""

import time

from pydantic import BaseModel, ConfigDict, Field

from aen._reading import MAX_SMALL, read_text
from aen._typing import JsonDict
from aen_agents.config.yaml_file import YAML_ERRORS, parse_yaml
from aen_service.errors import ConflictError
from aen_service.searches import removal
from aen_service.searches.launcher import CONFIG_FILE
from aen_service.searches.outside import interrupt, process_of
from aen_service.searches.records import SearchRecord
from aen_service.searches.states import CANCEL, RESUME, STOP
from aen_service.searches.submission import SearchRequest
from aen_service.searches.submitting import check_queue, submit
from aen_service.service import Service
from aen_service.settings import Settings
from aen_service.tokens import Token

_NOT_CLONED = ("store", "cluster", "evaluator")  # the service chooses them


class CloneRequest(BaseModel):
    """A search like another one, with changes."""

    model_config = ConfigDict(extra="forbid")

    overrides: JsonDict = Field(default_factory=dict, description="values by dotted key, such as {'seed': 1}")
    name: str | None = Field(None, max_length=100, description="name of the search; otherwise that of the other one")


def stop(service: Service, search: str) -> SearchRecord:
    """Stop a search as Ctrl-C does; one that waits leaves the queue.

    Raises:
        ConflictError: it neither waits nor runs, or runs outside of this service, where it cannot be stopped from here.
    """
    record = service.searches.get(search)
    if record.state == "running" and record.is_foreign:
        process = process_of(service.settings.root / record.path)
        if service.searches.carry(search, STOP):  # of two requests one: a second signal would cut its report short
            interrupt(process)
        return service.searches.get(search)
    if record.state != "stopping" and not (
        service.searches.carry(search, CANCEL, ended=time.time()) or service.searches.carry(search, STOP)
    ):
        state = service.searches.get(search).state
        raise ConflictError(f"the search is {state}; only one that waits or runs can be stopped.")
    service.scheduler.wake()
    return service.searches.get(search)


def resume(service: Service, token: Token, search: str) -> SearchRecord:
    """Have a search that was stopped, failed or was lost wait in the queue again.

    Raises:
        ConflictError: it is in another state.
        QuotaError: the token has too many searches.
    """
    record = service.searches.get(search)
    check_queue(service, token, record.budget)
    if not service.searches.carry(
        search, RESUME, queued=service.searches.place(), ended=None, starts=0, message=None, outside=False
    ):
        state = service.searches.get(search).state
        raise ConflictError(f"the search is {state}; only one that was stopped, failed or lost can be resumed.")
    service.scheduler.wake()
    return service.searches.get(search)


def move(service: Service, search: str, position: int) -> SearchRecord:
    """Give a search that waits another place in the queue.

    Raises:
        ConflictError: it does not wait.
    """
    record = service.searches.get(search)
    if record.state != "queued":
        raise ConflictError(f"the search is {record.state}; only one that waits can be moved in the queue.")
    service.searches.move(search, position)
    return service.searches.get(search)


def clone(service: Service, token: Token, search: str, given: CloneRequest) -> SearchRecord:
    """Submit a search like another one, with changes.

    Raises:
        AenError: as for `submit`.
    """
    request = request_of(service, search)
    request.name = given.name or request.name
    request.overrides = request.overrides | given.overrides
    return submit(service, token, request, None)[0]


def request_of(service: Service, search: str) -> SearchRequest:
    """Return the request by which a search was submitted, or would be.

    Raises:
        ConflictError: the config of its run cannot be read.
        NotFoundError: there is no such search.
    """
    record = service.searches.get(search)
    if record.request is None:
        return SearchRequest(config=_config_of_run(service.settings, record))
    return SearchRequest.model_validate(record.request)


def _config_of_run(settings: Settings, record: SearchRecord) -> JsonDict:
    """Return the config of a run that `aen search` made, without what the service chooses."""
    try:
        content = parse_yaml(read_text(settings.root / record.path / CONFIG_FILE, MAX_SMALL))
    except (OSError, *YAML_ERRORS) as error:
        why = getattr(error, "strerror", None) or error
        raise ConflictError(f"{CONFIG_FILE} of the run folder {record.path} cannot be read: {why}.") from error
    return {key: value for key, value in (content or {}).items() if key not in _NOT_CLONED}


def delete(service: Service, search: str) -> None:
    """Delete a search that has ended, and its files; see `aen_service.searches.removal.delete`."""
    removal.delete(service.settings, service.searches, search)
