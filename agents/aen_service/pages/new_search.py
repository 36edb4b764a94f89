"""The page of a new search: a form from the schema, checked as one types, with what the search will cost."""

import asyncio
import hashlib
import json
import secrets
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData, QueryParams
from starlette.status import HTTP_303_SEE_OTHER, HTTP_422_UNPROCESSABLE_CONTENT, HTTP_503_SERVICE_UNAVAILABLE

from aen._typing import JsonDict
from aen.errors import AenError
from aen_agents.config.presets import list_presets
from aen_agents.config.yaml_file import YAML_ERRORS, dump_inline, dump_yaml, parse_yaml
from aen_service.access import AnyToken, OperatorToken, TheService
from aen_service.pages.asking import ask, ask_patiently
from aen_service.pages.forms import agents, changes_of, form_of
from aen_service.pages.html import changed, page
from aen_service.searches.changes import request_of
from aen_service.searches.submission import SearchRequest, config_of

router = APIRouter(include_in_schema=False)
_PRESET = "digits"
# Fields that are no keys of a config.
_OWN = ("preset", "dataset", "config", "name", "once", "agent", "from")
# Settings of a preset's data that own data do not take over.
_OF_OWN_DATA: JsonDict = {"train": None, "validation": None, "test": None, "moves": []}
_LONGEST = 100_000  # characters of a typed config


@router.get("/searches/new")
async def new_search(
    request: Request,
    _token: AnyToken,
    service: TheService,
    *,
    source: Annotated[str | None, Query(alias="from", max_length=64)] = None,
) -> Response:
    """The form."""
    if source is not None:
        earlier = await asyncio.to_thread(request_of, service, source)
        return RedirectResponse("/searches/new" + _as_query(earlier), HTTP_303_SEE_OTHER)
    return await _form(request, request.query_params)


@router.post("/searches/new")
async def submit(request: Request, _token: OperatorToken) -> Response:
    """Submit the search that the form describes."""
    given = await request.form(max_files=0, max_fields=500)
    body, problem, _ = _read(given)
    if problem is None:
        # The same form sent twice is one search; a changed one is another.
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
        once = f"{str(given.get('once', ''))[:64]}-{digest}"
        answer = await ask(request, "/searches", method="POST", body=body, headers={"Idempotency-Key": once})
        if answer.found:
            return RedirectResponse(f"/searches/{quote(answer.found['id'], safe='')}", HTTP_303_SEE_OTHER)
        problem = answer.detail
    return await _form(request, given, problem, status=HTTP_422_UNPROCESSABLE_CONTENT)


async def _form(
    request: Request, given: QueryParams | FormData, problem: str | None = None, *, status: int = 200
) -> Response:
    body, wrong, base = await asyncio.to_thread(_read, given)
    checked, offered = await asyncio.gather(
        ask_patiently(request, "/searches/check", method="POST", body=body), ask(request, "/datasets", {"size": 200})
    )
    if checked is not None and checked.status == HTTP_503_SERVICE_UNAVAILABLE:  # others ask, too: asked again
        checked = None
    problem = problem or wrong
    if problem is None and checked is not None and not checked.ok:
        problem = checked.detail
    typed = _typed(given)
    values = {
        "given": {name: str(given.get(name, "")) for name in _OWN} | {"preset": given.get("preset") or _PRESET},
        "agent": (base.get("agent") or {}).get("name", ""),
        "agents": agents(),
        "kind": (base.get("child") or {}).get("kind", ""),
        "data_name": (base.get("data") or {}).get("name", ""),
        "presets": list(list_presets()),
        "datasets": (offered.found or {}).get("items", []),
        "sections": form_of(base, typed) if base else [],
        "changes": {**body.get("overrides", {})},
        "check": checked and checked.found,
        "pending": checked is None,
        "problem": problem,
        "once": secrets.token_hex(8),
    }
    return page(request, "new.html", values, status=status)


def _typed(given: QueryParams | FormData) -> dict[str, str]:
    return {
        key: value for key, value in given.items() if key not in _OWN and isinstance(value, str) and key.isprintable()
    }


def _read(given: QueryParams | FormData) -> tuple[JsonDict, str | None, JsonDict]:
    """Return the request to the interface, what is wrong with the form, and the config from which it starts."""
    text = {name: str(given.get(name, "")).strip() for name in _OWN}
    body: JsonDict = {"overrides": {}}
    body |= {name: text[name] for name in ("dataset", "name") if text[name]}
    problem = None
    if text["config"]:
        try:
            content = parse_yaml(text["config"][:_LONGEST])
            if not isinstance(content, dict):
                problem = "config is no mapping of keys to values."
            body["config"] = content if isinstance(content, dict) else {}
        except YAML_ERRORS as error:
            problem = f"config cannot be read: {' '.join(str(error).split())[:200]}"
            body["config"] = {}
    else:
        body["preset"] = text["preset"] or _PRESET
    try:
        base = _base(json.dumps(body.get("config")), body.get("preset"), text["agent"])
    except AenError as error:
        return body, problem or str(error), {}
    if text["agent"]:
        plain = _base(json.dumps(body.get("config")), body.get("preset"), "")
        if plain["agent"]["name"] != text["agent"]:
            body["overrides"]["agent"] = text["agent"]
    if text["dataset"]:
        base = base | {"data": base["data"] | _OF_OWN_DATA}
    overrides, unread = changes_of(base, _typed(given))
    body["overrides"] |= overrides
    return body, problem or unread, base


@lru_cache(maxsize=64)
def _base(config: str, preset: str | None, agent: str) -> JsonDict:
    """Return the config from which the form starts."""
    request = SearchRequest(preset=preset, config=json.loads(config), overrides={"agent": agent} if agent else {})
    found: JsonDict = config_of(request).model_dump(mode="json")
    return found


def _as_query(earlier: SearchRequest) -> str:
    """Return the address of the form of an earlier request."""
    values: dict[str, Any] = {"preset": earlier.preset, "dataset": earlier.dataset, "name": earlier.name}
    if earlier.config is not None:
        values["config"] = dump_yaml(earlier.config)
    return changed(values | {key: dump_inline(value) for key, value in earlier.overrides.items()})
