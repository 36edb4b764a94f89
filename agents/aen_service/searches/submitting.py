"""Submitting a search: its config is checked and written, and the search waits in the queue."""

import secrets
import shutil

import sqlalchemy as sa

from aen._files import make_folder, write_atomically
from aen_agents.config import SearchConfig
from aen_agents.runs.folders import new_folder
from aen_service.database import SEARCHES
from aen_service.datasets.datasets import Dataset, hidden_paths
from aen_service.errors import ConflictError, InvalidRequestError, QuotaError, UnavailableError
from aen_service.searches.launcher import CONFIG_FILE
from aen_service.searches.records import ACTIVE, SearchRecord
from aen_service.searches.submission import SearchRequest, config_of
from aen_service.service import Service
from aen_service.tokens import Token

_COMPLETE_SECONDS = 60.0


def submit(service: Service, token: Token, given: SearchRequest, idempotency: str | None) -> tuple[SearchRecord, bool]:
    """Have a search wait in the queue.

    Args:
        service: the service.
        token: who submits it.
        given: the request.
        idempotency: of two requests with the same text one is carried out.

    Returns:
        The search, and whether it is new.

    Raises:
        AenError: the config cannot work.
        ConflictError: an earlier request with the same text asked for something else.
        QuotaError: the token has too many searches.
    """
    request = given.model_dump(mode="json")
    earlier = _earlier(service, token, request, idempotency)
    if earlier is not None:
        return earlier, False
    check_queue(service, token, 0)
    dataset = None if given.dataset is None else service.datasets.get(given.dataset)
    with hidden_paths(service, dataset):
        config = _config(service, given, dataset)
    config = config.model_copy(update={"store": str(service.settings.store)})
    limit = service.settings.limits.children
    if config.agent.has_budget and config.budget.children > limit:
        raise InvalidRequestError(
            f"budget.children is {config.budget.children:,}, above the {limit:,} of this service.",
            argument="budget.children",
        )
    budget = config.budget.children if config.agent.has_budget else 0
    check_queue(service, token, budget)
    search = secrets.token_hex(12)
    folder = service.settings.folder / "searches" / search
    try:
        make_folder(folder)
        write_atomically(folder / CONFIG_FILE, config.to_yaml(), durable=True)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UnavailableError(f"the search cannot be written: {error.strerror}.") from error
    try:
        record = service.searches.add(
            id=search,
            token=token.id,
            path=new_folder(config.name).name,
            name=config.name,
            agent=config.agent.name,
            data=config.data.name if dataset is None else dataset.name,
            state="queued",
            queued=service.searches.place(),
            budget=budget,
            request=request,
            idempotency=idempotency,
        )
    except sa.exc.IntegrityError:  # the same request at the same time
        earlier = _earlier(service, token, request, idempotency)
        if earlier is None:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return earlier, False
    except UnavailableError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    service.scheduler.wake()
    return record, True


def _config(service: Service, given: SearchRequest, dataset: Dataset | None) -> SearchConfig:
    """Return the config of a request; where the images decide, a helper looks at them."""
    place = None
    if dataset is not None:
        place, given = service.datasets.place(dataset.id), given.over(service.datasets.overrides(dataset.id))
    if not given.is_default:
        return config_of(given, place)
    question = {"request": given.model_dump(mode="json"), "dataset": place}
    found = service.helpers.ask("aen_service.computing.checking:complete", question, seconds=_COMPLETE_SECONDS)
    return SearchConfig.model_validate(found["config"])


def check_queue(service: Service, token: Token, budget: int) -> None:
    """Check that a token may have one more search wait.

    Args:
        service: the service.
        token: whose search it is.
        budget: children that it may train.

    Raises:
        QuotaError: it may not.
    """
    limits = service.settings.limits
    together = sa.func.coalesce(sa.func.sum(SEARCHES.c.budget), 0).label("children")
    query = sa.select(sa.func.count().label("searches"), together)
    mine = SEARCHES.c.token == token.id, SEARCHES.c.state.in_(ACTIVE)
    found = service.database.rows(query.where(*mine))[0]
    searches, children = found.searches, found.children
    if searches >= limits.queued:
        raise QuotaError(f"{searches} searches of this token wait or run, the most allowed; wait until one ends.")
    if children + budget > limits.active_children:
        raise QuotaError(
            f"the searches of this token that wait or run have budgets of {children:,} children together; with "
            f"{budget:,} more they exceed the {limits.active_children:,} allowed. Wait until one ends, or lower "
            "budget.children.",
            argument="budget.children",
        )


def _earlier(
    service: Service, token: Token, request: dict[str, object], idempotency: str | None
) -> SearchRecord | None:
    if idempotency is None:
        return None
    found = service.searches.where(SEARCHES.c.token == token.id, SEARCHES.c.idempotency == idempotency)
    if found and found[0].request != request:
        raise ConflictError("an earlier request with this Idempotency-Key asked for another search; choose a new key.")
    return found[0] if found else None
