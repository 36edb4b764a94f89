"""Reads and writes YAML: files of configs, and values of overrides. Both are read with the same rules.

Plain scalars are those of YAML 1.2's core schema, without numbers in other notations than decimal: ``true`` and
``false``, ``null``, ``8``, ``.5`` and ``1e-3``. All else is text as it is written: ``yes``, ``off``, ``010``, ``0x10``,
``1_000``, ``1:30``, ``2026-01-31``. Keys are text, too; one that a mapping has twice is an error.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from aen._files import cannot_read
from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.config.written import WrittenFloat, WrittenInt
from aen_agents.errors import what_is_wrong

# What PyYAML raises: its own errors, ValueError (a number of too many digits), RecursionError (brackets nested too
# deep).
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_DIGITS = "(?:0|[1-9][0-9]*)"
# By tag: the plain scalars, and the characters that they begin with.
_SCALARS = {
    f"{_TAG}null": (re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    f"{_TAG}bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    f"{_TAG}int": (re.compile(rf"[-+]?{_DIGITS}\Z"), list("-+0123456789")),
    f"{_TAG}float": (
        re.compile(
            rf"(?:[-+]?(?:\.[0-9]+|{_DIGITS}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
}


class DuplicateKeyError(yaml.MarkedYAMLError):
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """Reads the scalars of the module's docstring, and refuses a mapping that has a key twice."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("str", "seq", "map")
    } | {None: yaml.SafeLoader.yaml_constructors[None]}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's
        """Compose a mapping. Its keys are text, and compared here, before those of merge keys (``<<``) join them."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, yaml.Node] = {}
        for place, (key, value) in enumerate(node.value):
            if not isinstance(key, yaml.ScalarNode):  # refused when it is constructed
                continue
            if key.value in first:
                raise DuplicateKeyError(None, None, _twice(key, first[key.value]), key.start_mark)
            first[key.value] = key
            if key.tag != _MERGE:
                text = yaml.ScalarNode(f"{_TAG}str", key.value, key.start_mark, key.end_mark)
                node.value[place] = (text, value)
        return node

    def construct_plain(self, node: yaml.ScalarNode) -> object:
        """Construct a scalar that is no text; an explicit tag does not make another notation a number."""
        text = self.construct_scalar(node)
        if not _SCALARS[node.tag][0].match(text):
            kind = node.tag.removeprefix(_TAG)
            raise yaml.constructor.ConstructorError(None, None, f"{text!r} cannot be read as {kind}", node.start_mark)
        match node.tag.removeprefix(_TAG):
            case "int":
                return WrittenInt(text)
            case "float":
                return WrittenFloat(text)
            case "bool":
                return text.lower() == "true"
            case _:
                return None


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or this module would read as another type than text."""


_Loader.yaml_implicit_resolvers = {}  # instead of those of YAML 1.1
_Loader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), ["<"])
for _tag, (_pattern, _starts) in _SCALARS.items():
    _Loader.add_implicit_resolver(_tag, _pattern, _starts)
    _Loader.add_constructor(_tag, _Loader.construct_plain)
    _Dumper.add_implicit_resolver(_tag, _pattern, _starts)
_Dumper.add_multi_representer(int, lambda dumper, value: dumper.represent_int(int(value)))
_Dumper.add_multi_representer(float, lambda dumper, value: dumper.represent_float(float(value)))


def _twice(second: yaml.Node, first: yaml.Node) -> str:
    lines = [node.start_mark.line + 1 for node in (first, second)]
    columns = [node.start_mark.column + 1 for node in (first, second)]
    where = (
        f"in line {lines[0]}, columns {columns[0]} and {columns[1]}"
        if lines[0] == lines[1]
        else f"in lines {lines[0]} and {lines[1]}"
    )
    remedy = "; write <<: [*A, *B] to merge two mappings" if second.tag == _MERGE else "; keep one"
    return f"the key {second.value!r} is given twice, {where}{remedy}"


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - any value
    """Return the value that a YAML text holds. Numbers keep how they were written; see `aen_agents.config.written`.

    Raises:
        YAML_ERRORS: it is not YAML; `DuplicateKeyError` among them.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader


def dump_yaml(value: object, *, width: float = 110) -> str:
    """Return a value as YAML: a mapping in blocks."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text


def dump_inline(value: object) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def read_yaml(path: Path) -> JsonDict:
    """Return the mapping that a YAML file holds.

    Raises:
        ConfigError: no such file, not YAML, a key that is given twice, or no mapping.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise ConfigError(f"config {path} does not exist{near}.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"config {path} is a folder; give a YAML file.") from error
    except OSError as error:
        raise ConfigError(f"config {cannot_read(path, error)}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"config {path} cannot be used: {what_is_wrong(error)}.") from error
    except DuplicateKeyError as error:
        raise ConfigError(f"config {path}: {error.problem}.") from error
    except YAML_ERRORS as error:
        raise ConfigError(f"config {path} is not YAML{_where(error)}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} is not a mapping of keys to values.")
    return content


def _where(error: Exception) -> str:
    """Return the line, the column and the problem of a YAML error, as far as they are known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        problem = " ".join((error.problem or "").split())
        if "stream end" in problem or "end of stream" in problem:
            problem = "it ends before a bracket or a quote is closed"
        return f": line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return f": {error}" if isinstance(error, ValueError) else ""
