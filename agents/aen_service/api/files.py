"""What a run has written: summary, report and files; and exports, which are made when asked for."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response, status
from pydantic import BaseModel, ConfigDict

from aen._typing import JsonDict
from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.api.sending import send_file, tag_of
from aen_service.errors import ForbiddenError, NotFoundError
from aen_service.reading.artefacts import OPERATORS_ONLY, open_artefact
from aen_service.reading.artefacts import artefacts as artefacts_of
from aen_service.reading.exports import Format, make_export

router = APIRouter(prefix="/searches/{search}", tags=["files"])
# A report is a page of its own with styles and pictures in it: it needs neither scripts nor anything from elsewhere.
REPORT_CSP = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    206: {"description": "A part of the file"},
    304: {"description": "The client has it"},
    416: {"description": "The file has no such part"},
}

IfNoneMatch = Annotated[str | None, Header(max_length=200)]


class ArtefactOut(BaseModel):
    """A file of a run."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    bytes: int
    media: str
    modified: float


class ArtefactsOut(BaseModel):
    """The files of a run that can be downloaded, under ``files/NAME``."""

    total: int
    items: list[ArtefactOut]


class ExportIn(BaseModel):
    """An export to be made."""

    model_config = ConfigDict(extra="forbid")

    format: Format


@router.get("/summary")
def summary(search: str, _token: AnyToken, service: TheService) -> JsonDict:
    """Return the result as ``summary.json`` has it; numbers that are not finite are null."""
    record = service.searches.get(search)
    found = service.readers.of(record).summary()
    if found is None:
        raise NotFoundError(f"the search is {record.state} and has no summary yet.", argument="search")
    content: JsonDict = json.loads(json.dumps(found), parse_constant=lambda _: None)
    return content


@router.get("/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(search: str, _token: AnyToken, service: TheService, if_none_match: IfNoneMatch = None) -> Response:
    """Return the report, as a page without scripts that nothing else can be reached from."""
    record = service.searches.get(search)
    number, file = open_artefact(service.settings.root / record.path, "report.html")
    headers = {"Content-Security-Policy": REPORT_CSP}
    run = record.path.rpartition("/")[2]
    return send_file(number, file, run=run, asked=None, known=if_none_match, headers=headers, inline=True)


@router.get("/files")
def list_files(search: str, token: AnyToken, service: TheService) -> ArtefactsOut:
    """Return the files of the run that can be downloaded; a viewer cannot have the log as a file."""
    record = service.searches.get(search)
    found = artefacts_of(service.settings.root / record.path)
    items = [ArtefactOut.model_validate(file) for file in found if token.may_change or file.name not in OPERATORS_ONLY]
    return ArtefactsOut(total=len(items), items=items)


@router.get("/files/{name:path}", response_class=Response, responses=_FILE)
def get_file(
    search: str,
    name: str,
    token: AnyToken,
    service: TheService,
    *,
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    if_range: Annotated[str | None, Header(max_length=200)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return a file of the run, or the part that the header ``Range`` names."""
    record = service.searches.get(search)
    if name in OPERATORS_ONLY and not token.may_change:
        raise ForbiddenError(
            f"{name} is for operators, since it names processes and paths; GET .../log has its events."
        )
    number, file = open_artefact(service.settings.root / record.path, name)
    run = record.path.rpartition("/")[2]
    headers = {"Content-Security-Policy": REPORT_CSP}
    if if_range is not None and if_range != tag_of(file):
        range_ = None  # the client has a part of an earlier file
    return send_file(number, file, run=run, asked=range_, known=if_none_match, headers=headers, inline=False)


@router.post("/exports", status_code=status.HTTP_201_CREATED)
def export(search: str, given: ExportIn, _token: OperatorToken, service: TheService) -> ArtefactsOut:
    """Export the winner's network, so that it runs without aen; its files are then under ``files/``."""
    record = service.searches.get(search)
    made = make_export(service.settings.root / record.path, given.format)
    return ArtefactsOut(total=len(made), items=[ArtefactOut.model_validate(file) for file in made])
