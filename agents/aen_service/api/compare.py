"""Comparing searches."""

import math
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from aen_service.access import AnyToken, TheService
from aen_service.api.paging import finite
from aen_service.api.progress import CurveOut, curve_out
from aen_service.api.searches import SearchOut, search_out
from aen_service.computing.comparing import question_of
from aen_service.errors import InvalidRequestError
from aen_service.reading.compare import Winner, winner_of
from aen_service.service import Service

router = APIRouter(tags=["compare"])
_FEWEST, _MOST = 2, 8
_SECONDS = 30.0


class CurveOfSearch(CurveOut):
    """The learning curve of a search."""

    search: str


class VerdictOut(BaseModel):
    """The verdict of a complete search; ``by_seed`` are the winner's validation accuracies on ``seeds``."""

    search: str
    kind: str
    text: str
    winner: str
    group: str
    class_key: str
    parameters: int
    accuracy: float | None
    interval: tuple[float | None, float | None]
    seeds: list[int]
    by_seed: list[float | None]


class DifferenceOut(BaseModel):
    """The difference of two winners on the validation images, ``a`` minus ``b``, paired by seed, with its interval.

    Null where they cannot be compared; ``note`` says why.
    """

    a: str
    b: str
    difference: float | None
    low: float | None
    high: float | None
    seeds: int
    note: str


class ComparisonOut(BaseModel):
    """Searches side by side."""

    searches: list[SearchOut]
    curves: list[CurveOfSearch]
    verdicts: list[VerdictOut]
    differences: list[DifferenceOut]


@router.get("/compare")
def compare(
    _token: AnyToken,
    service: TheService,
    search: Annotated[list[str], Query(max_length=_MOST)],
    points: Annotated[int, Query(ge=4, le=2000)] = 300,
) -> ComparisonOut:
    """Compare 2 to 8 searches: ``?search=ID&search=ID``."""
    chosen = list(dict.fromkeys(search))
    if len(chosen) < _FEWEST:
        raise InvalidRequestError(
            f"search names {len(chosen)} search; give 2 to {_MOST} different ones.", argument="search"
        )
    records = [service.searches.get(each) for each in chosen]
    readers = [service.readers.of(record) for record in records]
    winners = [winner_of(record.id, reader) for record, reader in zip(records, readers, strict=True)]
    complete = [winner for winner in winners if winner is not None]
    found = [search_out(service, record) for record in records]
    for each in found:
        each.view = None
    return ComparisonOut(
        searches=found,
        curves=[
            CurveOfSearch(search=record.id, **curve_out(reader.curve(), points).model_dump())
            for record, reader in zip(records, readers, strict=True)
        ],
        verdicts=[_verdict(winner) for winner in complete],
        differences=_differences(complete, service),
    )


def _differences(winners: list[Winner], service: Service) -> list[DifferenceOut]:
    if len(winners) < _FEWEST:
        return []
    question = question_of(winners)
    found = service.helpers.ask("aen_service.computing.comparing:compare", question, seconds=_SECONDS, remember=True)
    items = []
    for each in found["items"]:
        mean, low, high = map(finite, each["interval"] or [math.nan] * 3)
        items.append(
            DifferenceOut(
                a=each["a"], b=each["b"], difference=mean, low=low, high=high, seeds=each["seeds"], note=each["note"]
            )
        )
    return items


def _verdict(winner: Winner) -> VerdictOut:
    low, high = winner.row["validation_accuracy_interval"]
    return VerdictOut(
        search=winner.search,
        kind=winner.kind,
        text=winner.text,
        winner=winner.row["decomposition"],
        group=winner.row["group"],
        class_key=winner.row["class_key"],
        parameters=winner.row["parameters"],
        accuracy=finite(winner.row["validation_accuracy_mean"]),
        interval=(finite(low), finite(high)),
        seeds=list(winner.by_seed),
        by_seed=[finite(value) for value in winner.by_seed.values()],
    )
