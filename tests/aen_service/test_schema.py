"""The OpenAPI document, and requests made from it: no fault of the service, no answer that it does not describe."""

import re
import tempfile
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path

import pytest
import schemathesis
from helpers.services import serving
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aen_service.app import create_app
from aen_service.openapi import _OPEN
from aen_service.service import Service
from aen_service.settings import Limits, Settings

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LIMITS = Limits(queued=10**6, active_children=10**12)
STREAMS = {"/api/v1/events", "/api/v1/searches/{search}/events"}  # they do not end
SLOW = {f"/api/v1/{path}" for path in ("groups/classes", "searches/check", "searches/{search}/exports")}  # for seconds
SLOWEST = "/api/v1/searches/{search}/exports"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("schema") / "runs", parallel=0, limits=LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def document(served):
    return served[1].get("/api/v1/openapi.json").json()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_the_document_describes_errors_and_tokens(document):
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        for status in ("401", "403", "404", "422", "429", "503"):
            content = operation["responses"][status]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, (path, method)
        assert operation["security"] == ([] if (path, method) in _OPEN else [{"bearer": []}, {"session": []}])
        assert operation.get("description"), (path, method)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]{3,40}", name) for name in names), names
    assert "HTTPValidationError" not in str(document)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_identifiers_have_a_pattern_and_a_length(document):
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                schema = parameter["schema"]
                assert {"pattern", "minLength", "maxLength"} <= schema.keys(), (path, method)
    items = {p["name"]: p for p in document["paths"]["/api/v1/compare"]["get"]["parameters"]}["search"]["schema"]
    assert items["items"]["maxLength"] == 24


def try_out(served, document, path, method, examples, modes):
    _, client = served
    schema = schemathesis.openapi.from_dict(document)
    search = client.post("/api/v1/searches", json={"preset": "digits"}).json()["id"]
    headers = {"Authorization": client.headers["Authorization"]}
    for mode in modes:
        strategy = schema[path][method].as_strategy(generation_mode=mode)

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def run(case):
            if "search" in (case.path_parameters or {}) and len(repr(case.body)) % 2:
                case.path_parameters["search"] = search
            answer = case.call(base_url=str(client.base_url), headers=headers, timeout=60)
            case.validate_response(answer, checks=CHECKS, additional_checks=[])

        # An operation without parameters and body cannot be asked wrongly.
        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
            run()


@cache
def asked():
    """Path and method of every operation that a test can ask for."""
    with tempfile.TemporaryDirectory() as root, Service(Settings(root=Path(root) / "runs")) as service:
        document = create_app(service).openapi()
    return [(path, method) for path, method, _ in operations(document) if path not in STREAMS]


def pytest_generate_tests(metafunc):
    if "operation" in metafunc.fixturenames:
        metafunc.parametrize("operation", asked(), ids=[f"{method} {path}" for path, method in asked()])


def test_requests_from_the_document(served, document, operation):
    path, method = operation
    if path == SLOWEST:
        pytest.skip("the slow test asks it")
    try_out(served, document, path, method, 1 if path in SLOW else 3, [GenerationMode.POSITIVE])


@pytest.mark.slow
def test_many_requests_from_the_document_and_against_it(served, document, operation):
    path, method = operation
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    try_out(served, document, path, method, 10 if path in SLOW else 100, modes)
