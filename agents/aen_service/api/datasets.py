"""Data sets: upload, list, describe, show samples and delete."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.responses import FileResponse
from pydantic import BaseModel

from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.datasets.datasets import Dataset
from aen_service.datasets.inspection import SAMPLES_FILE, SMALL_FILE
from aen_service.errors import NotFoundError

router = APIRouter(prefix="/datasets", tags=["datasets"])
_SORTED_BY = ("created", "name", "bytes")
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "an npz, Parquet or Arrow file, or a zip of class folders; the pairs of IDX "
                            "files by the field given several times",
                        },
                        "name": {"type": "string", "maxLength": 100, "description": "by default that of the file"},
                        "skip_broken": {
                            "type": "string",
                            "enum": ["true", "false"],
                            "description": "true: leave out images that cannot be read, and files in two classes",
                        },
                    },
                }
            }
        },
    }
}


class ClassCount(BaseModel):
    """A class and how many images it has."""

    label: str
    count: int


class DatasetRow(BaseModel):
    """A data set in a list."""

    id: str
    name: str
    bytes: int
    created: float
    kind: str
    images: int


class DatasetOut(DatasetRow):
    """A data set, as `aen data describe` describes it.

    ``shape`` is channels, rows and columns; ``search`` says what a search of it would do.
    """

    shape: list[int]
    dtype: str
    signals: bool
    classes: list[ClassCount]
    parts: dict[str, int]
    divided: list[str]
    near_duplicates: int
    groups: int
    notices: list[str]
    search: list[str]
    searchable: bool


class DatasetPage(BaseModel):
    """A page of the list of data sets."""

    total: int
    page: int
    size: int
    items: list[DatasetRow]


class ClassSamples(BaseModel):
    """Images of a class, each a PNG in base64."""

    label: str
    images: list[str]


class Samples(BaseModel):
    """Images of the first classes; none for signals."""

    classes: list[ClassSamples]


def _row(found: Dataset) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("id", "name", "bytes", "created")} | {
        name: found.description[name] for name in ("kind", "images")
    }


def dataset_out(found: Dataset) -> DatasetOut:
    """Return a data set for a client."""
    said = found.description
    rows, _, columns = str(said["grid"]).partition("x")
    kept = ("dtype", "signals", "parts", "divided", "near_duplicates", "groups", "notices", "search")
    return DatasetOut(
        **_row(found),
        shape=[said["channels"], int(rows), int(columns or rows)],
        classes=[ClassCount(label=label, count=count) for label, count in said["classes"].items()],
        searchable=said["config"] is not None,
        **{name: said[name] for name in kept},
    )


@router.post("", status_code=status.HTTP_201_CREATED, openapi_extra=_FORM)
async def upload_dataset(request: Request, token: OperatorToken, service: TheService, response: Response) -> DatasetOut:
    """Upload a data set: a form with the fields ``file``, ``name``, ``skip_broken``. After an error nothing is kept."""
    length = request.headers.get("content-length", "")
    found = await service.datasets.add(
        token,
        aiter(request.stream()),
        request.headers.get("content-type", ""),
        int(length) if length.isdecimal() else None,
    )
    response.headers["Location"] = f"/api/v1{router.prefix}/{found.id}"
    return dataset_out(found)


@router.get("")
def list_datasets(
    _token: AnyToken,
    service: TheService,
    *,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=200)] = 50,
    sort: Annotated[str, Query(pattern=rf"^-?({'|'.join(_SORTED_BY)})$")] = "-created",
) -> DatasetPage:
    """Return a page of the uploaded data sets."""
    total, found = service.datasets.page(page, size, sort)
    return DatasetPage(total=total, page=page, size=size, items=[DatasetRow(**_row(one)) for one in found])


@router.get("/{dataset}")
def get_dataset(dataset: str, _token: AnyToken, service: TheService) -> DatasetOut:
    """Describe a data set."""
    return dataset_out(service.datasets.get(dataset))


@router.get("/{dataset}/samples", response_model=Samples, responses={200: {"content": {"image/png": {}}}})
def get_samples(
    dataset: str,
    _token: AnyToken,
    service: TheService,
    form: Annotated[Literal["png", "json"], Query(alias="format", description="one sheet, or small images")] = "png",
) -> Response:
    """Return images of each class: a sheet with a row for each class, or small PNGs in JSON."""
    found = service.datasets.get(dataset)
    path = service.datasets.folder(found) / (SAMPLES_FILE if form == "png" else SMALL_FILE)
    if not path.is_file():
        raise NotFoundError("signals have no pictures.", argument="format")
    return FileResponse(path, media_type="image/png" if form == "png" else "application/json")


@router.delete("/{dataset}", status_code=status.HTTP_204_NO_CONTENT)
def delete_dataset(dataset: str, _token: OperatorToken, service: TheService) -> None:
    """Delete a data set and its files; not while a search that waits or runs uses it."""
    service.datasets.remove(dataset)
