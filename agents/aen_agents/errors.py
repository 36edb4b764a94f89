"""What is wrong with a file, in plain words."""

import json

from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

_LONGEST = 40  # of a value that is shown


def what_is_wrong(error: Exception) -> str:
    """Return why a file cannot be used, as what comes after "FILE is damaged: ".

    Args:
        error: what came of reading it: an OSError, that text, JSON or YAML is none, a key that is missing, a value of
            another kind.
    """
    said = "what stands in it is of another kind than it should be"
    match error:
        case OSError():
            said = f"it cannot be read ({error.strerror or 'no reason is known'})"
        case UnicodeDecodeError():
            said = "it is not text"
        case json.JSONDecodeError():
            said = _of_json(error)
        case MarkedYAMLError(problem_mark=mark) if mark is not None:
            said = f"it is not YAML (line {mark.line + 1})"
        case YAMLError():
            said = "it is not YAML"
        case ValidationError():
            said = _of_key(error)
        case KeyError():
            said = f"it lacks {error.args[0]}"
        case _:
            pass
    return said


def _of_json(error: json.JSONDecodeError) -> str:
    text = error.doc.rstrip()
    if not text:
        return "it is empty"
    if error.pos >= len(text) or error.msg.startswith("Unterminated"):
        return f"it breaks off in line {text.count(chr(10)) + 1}"
    return f"it is not JSON (line {error.lineno}, column {error.colno})"


def _of_key(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"it lacks {place}"
    if not place:
        return "it holds no keys with values"
    try:
        shown = json.dumps(problem["input"], ensure_ascii=False)
    except (TypeError, ValueError):
        shown = str(problem["input"])
    return f"{place} is {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '...'}, which it cannot be"
