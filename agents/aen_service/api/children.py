"""The children of a search, and its classes."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from aen_service.access import AnyToken, TheService
from aen_service.api.paging import Page, Size, finite, whole
from aen_service.reading.names import missing_names
from aen_service.reading.table import CLASSES_SORTED_BY, SORTED_BY, ChildTable

router = APIRouter(prefix="/searches/{search}", tags=["children"])


class ChildOut(BaseModel):
    """A child. Accuracies and losses are on the validation images, except ``train_``; null: not known."""

    key: str
    class_key: str
    factors: str
    group: str
    stage: str
    seed: int | None
    status: str
    accuracy: float | None
    train_accuracy: float | None
    loss: float | None
    train_loss: float | None
    parameters: int | None
    epochs: float | None
    seconds: float | None
    device: str
    finished: float | None


class ChildPage(BaseModel):
    """A page of the children of a search."""

    total: int
    page: int
    size: int
    items: list[ChildOut]


class ClassOut(BaseModel):
    """A class, by the children that exploring trained of it: mean and highest accuracy, and how many there are."""

    class_key: str
    factors: str
    group: str
    accuracy: float | None
    best: float | None
    children: int
    parameters: int | None
    role: str


class ClassPage(BaseModel):
    """A page of the classes of a search."""

    total: int
    page: int
    size: int
    items: list[ClassOut]


@router.get("/children")
def list_children(
    search: str,
    _token: AnyToken,
    service: TheService,
    *,
    page: Page = 1,
    size: Size = 50,
    sort: Annotated[str, Query(pattern=rf"^-?({'|'.join(SORTED_BY)})$")] = "-accuracy",
    status: Annotated[str | None, Query(max_length=20)] = None,
    name: Annotated[str | None, Query(max_length=100)] = None,
) -> ChildPage:
    """Return a page of a search's children, sorted and filtered: ``sort=-accuracy&status=ok&name=rot90``.

    ``name`` is part of the factors. A search whose store cannot be read here has what its history says.
    """
    reader = service.readers.of(service.searches.get(search))
    table = reader.table()
    order = table.order(sort.removeprefix("-"), descending=sort.startswith("-"))
    if status is not None or name:
        order = order[table.where(status=status, name=name)[order]]
    places = order[(page - 1) * size : page * size].tolist()
    items = [_child(table, place) for place in places]
    names = missing_names(reader, [item.key for item in items if not item.factors])
    for item in items:
        item.factors = item.factors or names.get(item.key, "")
    return ChildPage(total=len(order), page=page, size=size, items=items)


def _child(table: ChildTable, place: int) -> ChildOut:
    numbers = {name: float(column[place]) for name, column in table.numbers.items()}
    wholes = {name: whole(numbers.pop(name)) for name in ("seed", "parameters")}
    texts = {
        name: table.text(name, place) for name in ("key", "class_key", "factors", "group", "stage", "status", "device")
    }
    return ChildOut(**texts, **wholes, **{name: finite(value) for name, value in numbers.items()})


@router.get("/classes")
def list_classes(
    search: str,
    _token: AnyToken,
    service: TheService,
    *,
    page: Page = 1,
    size: Size = 50,
    sort: Annotated[str, Query(pattern=rf"^-?({'|'.join(CLASSES_SORTED_BY)})$")] = "-accuracy",
    name: Annotated[str | None, Query(max_length=100)] = None,
) -> ClassPage:
    """Return a page of the classes that a search has trained, sorted and filtered by a part of their factors."""
    reader = service.readers.of(service.searches.get(search))
    table, roles = reader.table(), reader.roles()
    found, column = table.by_class, sort.removeprefix("-")
    keys = found.keys
    if column in ("accuracy", "best", "children", "parameters"):
        values = np.asarray(getattr(found, column), dtype=np.float64)
        order = np.argsort(-values if sort.startswith("-") else values, kind="stable").tolist()
    else:
        text = {
            "class_key": lambda key: key,
            "role": lambda key: roles.get(key, ""),
            "factors": table.factors_of_class,
            "group": table.group_of_class,
        }[column]
        known = table.class_orders.get(sort)
        if known is None or column == "role":
            known = sorted(range(len(keys)), key=lambda place: text(keys[place]), reverse=sort.startswith("-"))
            table.class_orders[sort] = known
        order = known
    if name:
        order = [place for place in order if name.lower() in table.factors_of_class(keys[place]).lower()]
    items = [
        ClassOut(
            class_key=keys[place],
            factors=table.factors_of_class(keys[place]),
            group=table.group_of_class(keys[place]),
            accuracy=finite(float(found.accuracy[place])),
            best=finite(float(found.best[place])),
            children=int(found.children[place]),
            parameters=int(found.parameters[place]) or None,
            role=roles.get(keys[place], ""),
        )
        for place in order[(page - 1) * size : page * size]
    ]
    return ClassPage(total=len(order), page=page, size=size, items=items)
