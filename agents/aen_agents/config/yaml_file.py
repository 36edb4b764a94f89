"""Reads and writes YAML: files of configs, and values of overrides. Both are read with the same rules.

Plain scalars are those of YAML 1.2's core schema, without numbers in other notations than decimal: ``true`` and
``false``, ``null``, ``8``, ``.5`` and ``1e-3``. All else is text as it is written: ``yes``, ``off``, ``010``, ``0x10``,
``1_000``, ``1:30``, ``2026-01-31``. Keys are text, too; one that a mapping has twice is an error.

The size of a text, the depth of its nesting, and its size with every alias replaced by what it stands for are limited.
"""

import functools
import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from aen._files import cannot_read
from aen._reading import UnusableFileError, read_text
from aen._text import shortened
from aen._typing import JsonDict
from aen.errors import ConfigError, did_you_mean
from aen_agents.config.written import WrittenFloat, WrittenInt
from aen_agents.errors import what_is_wrong

# What PyYAML raises: its own errors, ValueError (a number of too many digits), RecursionError (brackets nested too
# deep).
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)

_MAX_BYTES = 2**20
_MOST_DIGITS = 300  # of a whole number: a longer one does not fit into a float
_MAX_DEPTH = 50  # of nested lists and mappings
# Of all values with aliases replaced: their characters, and some for each value. Parsing takes 80 us a value.
_MAX_CHARACTERS, _PER_VALUE = 1_000_000, 20

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


class RefusedYAMLError(yaml.MarkedYAMLError):
    """YAML that is not accepted: a mapping has a key twice, or it is too large; `problem` says which."""


class _Loader(yaml.SafeLoader):
    """Reads the scalars of the module's docstring; refuses a mapping that has a key twice, and what is too large."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._characters = 0  # so far, with aliases replaced
        self._of_anchor: dict[int, int] = {}  # the same of each finished node, by its id

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("str", "seq", "map")
    } | {None: yaml.SafeLoader.yaml_constructors[None]}

    def fetch_flow_collection_start(self, *arguments: Any) -> None:  # noqa: ANN401 - PyYAML's
        """Limit the depth of brackets, on which the time of PyYAML's scanner depends quadratically."""
        super().fetch_flow_collection_start(*arguments)
        self._check_depth(self.flow_level)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        """Compose a node, and count what it holds; an alias counts as much as the node that it stands for."""
        alias = self.check_event(yaml.AliasEvent)
        before = self._characters
        self._depth += 1
        self._check_depth(self._depth)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not alias:
            self._count(_PER_VALUE + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0), node)
            self._of_anchor[id(node)] = self._characters - before
        elif id(node) in self._of_anchor:
            self._count(self._of_anchor[id(node)], node)
        else:
            raise RefusedYAMLError(None, None, "an alias stands for a value that contains it", node.start_mark)
        return node

    def _count(self, characters: int, node: yaml.Node) -> None:
        self._characters += characters
        if self._characters > _MAX_CHARACTERS:
            problem = "it holds too much (with every alias replaced by what it stands for); configs are small"
            raise RefusedYAMLError(None, None, problem, node.start_mark)

    def _check_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            problem = f"its lists and mappings are nested more than {_MAX_DEPTH} deep"
            raise RefusedYAMLError(None, None, problem, self.get_mark())

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's
        """Compose a mapping. Its keys are text, and compared here, before those of merge keys (``<<``) join them."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, yaml.Node] = {}
        for place, (key, value) in enumerate(node.value):
            if not isinstance(key, yaml.ScalarNode):  # refused when it is constructed
                continue
            if key.value in first:
                raise RefusedYAMLError(None, None, _twice(key, first[key.value]), key.start_mark)
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
            problem = f"{shortened(repr(text))} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        match node.tag.removeprefix(_TAG):
            case "int" if len(text) > _MOST_DIGITS:
                raise RefusedYAMLError(None, None, f"a number has {len(text):,} digits", node.start_mark)
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
    return f"the key {shortened(repr(second.value))} is given twice, {where}{remedy}"


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - any value
    """Return the value that a YAML text holds. Numbers keep how they were written; see `aen_agents.config.written`.

    Raises:
        YAML_ERRORS: it is not YAML; `RefusedYAMLError` among them.
    """
    if len(text) > _MAX_BYTES:
        raise RefusedYAMLError(None, None, f"its {len(text):,} characters are more than {_MAX_BYTES:,}", None)
    return _copied(_parsed(text))


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> Any:  # noqa: ANN401 - any value
    """Return the value of a YAML text. Parsing a config takes about 30 ms, and a search reads its own several times."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader


def _copied(value: Any) -> Any:  # noqa: ANN401 - any value
    """Return a value with lists and mappings of its own."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


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
        ConfigError: no such file, not YAML, too large, a key that is given twice, or no mapping.
    """
    try:
        content = parse_yaml(read_text(path, _MAX_BYTES, encoding="utf-8-sig"))
    except FileNotFoundError as error:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.yaml")]) if path.parent.is_dir() else ""
        raise ConfigError(f"config {path} does not exist{near}.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"config {path} is a folder; give a YAML file.") from error
    except OSError as error:
        raise ConfigError(f"config {cannot_read(path, error)}.") from error
    except (UnusableFileError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} cannot be used: {what_is_wrong(error)}.") from error
    except RefusedYAMLError as error:
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
