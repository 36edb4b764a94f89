"""The OpenAPI document: what FastAPI writes, with the errors, the tokens and the form of identifiers."""

from typing import Any

from aen_service.problems import PROBLEM_MEDIA, Problem

_ERRORS = {
    "400": "The request cannot be read.",
    "401": "No valid token.",
    "403": "Not allowed: a viewer's token, another site's page, or another name of the server.",
    "404": "There is no such resource.",
    "405": "The resource does not take this method.",
    "409": "The resource is in another state, or a key was used for another request.",
    "413": "The request is too large.",
    "415": "The body is compressed, or of another media type.",
    "422": "A value does not fit; argument and value name it.",
    "429": "More than the token may have.",
    "431": "A header is too large.",
    "503": "The service cannot do this now.",
}
_IDENTIFIERS = {"search", "dataset", "batch", "key"}
_IDENTIFIER = {"type": "string", "pattern": "^[0-9a-f]{24}$", "minLength": 24, "maxLength": 24}
_NAME = {"pattern": r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", "minLength": 1, "maxLength": 200}  # of presets and files
_OPEN = {("/healthz", "get"), ("/api/v1/session", "post"), ("/api/v1/session", "delete")}
_EXAMPLE = {"id": "5f0c2d9b7a1e4c3388aa01fe", "dataset": "5f0c2d9b7a1e4c3388aa01fe"}


def with_errors(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document in which each operation has its errors and what it needs to be allowed."""
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `aen tokens add`."},
        "session": {"type": "apiKey", "in": "cookie", "name": "aen_session", "description": "Of a browser."},
    }
    content = {PROBLEM_MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    errors = {status: {"description": text, "content": content} for status, text in _ERRORS.items()}
    for path, item in schema.get("paths", {}).items():
        for method, operation in item.items():
            if not isinstance(operation, dict):
                continue
            given = operation.setdefault("responses", {})
            given.pop("422", None)
            for status, response in errors.items():
                given.setdefault(status, response)
            operation["security"] = [] if (path, method) in _OPEN else [{"bearer": []}, {"session": []}]
            for parameter in operation.get("parameters", ()):
                # What does not fit is answered by 404: there is no such resource.
                if parameter.get("in") == "path" and parameter["name"] in _IDENTIFIERS:
                    parameter["example"] = _EXAMPLE["id"]
                    parameter.setdefault("description", "An identifier: 24 hexadecimal digits.")
                    parameter["schema"] |= _IDENTIFIER
                elif parameter.get("in") == "path":
                    parameter["schema"] |= _NAME
                elif parameter["name"] == "search" and parameter["schema"].get("type") == "array":
                    parameter["schema"]["items"] |= _IDENTIFIER
    return schema
