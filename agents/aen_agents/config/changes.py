"""Which keys of a search may change when its run goes on, and in which two configs differ."""

from collections.abc import Mapping
from typing import Any

import yaml

from aen._typing import JsonDict
from aen_agents.config.search import ALTERNATIVES, SearchConfig

_GPUS = "evaluator.gpus_per_worker"
_LONGEST = 60  # of a value that is shown
_MOST = 3  # differences that are told

Differences = Mapping[str, tuple[Any, Any]]


def may_change(config: SearchConfig) -> list[str]:
    """Return the keys that say where and how fast children are trained, and never change a result.

    The kind of evaluator is not among them: with Ray a DQN steps through more environments, which do not wait for each
    other. Nor are threads and populations, on which the last bits depend.
    """
    sections = (key for key in _flat(config) if key.startswith(tuple(f"{name}." for name in config.evaluator.sections)))
    return [*sections, *(f"evaluator.{key}" for key in config.evaluator.changeable)]


def decisive(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    """Return the keys in which two configs differ so that results may, each with both values."""
    free = {*may_change(theirs), *may_change(ours)}
    free -= set() if theirs.evaluator.device == ours.evaluator.device else {_GPUS}
    found = {key: values for key, values in _differences(theirs, ours).items() if key not in free}
    for section, several in ALTERNATIVES.items():
        tag = f"{section}.{several.key}"
        if tag in found:  # the rest of another kind's section says nothing more
            found = {key: values for key, values in found.items() if key == tag or not key.startswith(f"{section}.")}
    return found


def harmless(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    """Return the other keys in which two configs differ, each with both values."""
    apart = decisive(theirs, ours)
    return {key: values for key, values in _differences(theirs, ours).items() if key not in apart}


def remarks(theirs: SearchConfig, ours: SearchConfig) -> list[str]:
    """Return what those who watch a run are told of it: what has changed that may."""
    return [
        f"going on with {key}={as_yaml(now)}; the run was started with {as_yaml(before)}"
        for key, (before, now) in harmless(theirs, ours).items()
    ]


def say(differences: Differences, here: str, there: str) -> str:
    """Return in words what differs.

    Args:
        differences: the first value of each key is theirs, the second ours.
        here: where ours stands, such as ``"here"``.
        there: where theirs does.
    """
    told = [
        f"{key} is another {here} than {there}"  # its URL may hold a password
        if key == "store"
        else f"{key} is {as_yaml(ours)} {here}, {as_yaml(theirs)} {there}"
        for key, (theirs, ours) in differences.items()
    ]
    more = len(told) - _MOST
    return "; ".join(told[:_MOST]) + (f"; and {more} more" if more > 0 else "")


def offered(config: SearchConfig) -> str:
    """Return the keys that may change as a clause: ``a, b and c``."""
    *most, last = (f"{key} (not from or to 0)" if key == _GPUS else key for key in may_change(config))
    return f"{', '.join(most)} and {last}" if most else last


def as_yaml(value: object) -> str:
    """Return a value as YAML in one line, cut short if it is long."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True)
    text = text.removesuffix("\n").removesuffix("\n...")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _differences(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    before, now = _flat(theirs), _flat(ours)
    keys = [*now, *(key for key in before if key not in now)]
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def _flat(config: SearchConfig) -> JsonDict:
    """Return all values by dotted keys."""

    def values(section: JsonDict, head: str) -> JsonDict:
        found: JsonDict = {}
        for key, value in section.items():
            found |= values(value, f"{head}{key}.") if isinstance(value, dict) else {f"{head}{key}": value}
        return found

    return values(config.model_dump(mode="json"), "")
