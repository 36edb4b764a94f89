"""Compares two configs of one run: which keys may change when it is resumed, and in which keys they differ."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aen._text import joined, shortened
from aen._typing import JsonDict
from aen_agents.config.evaluators import AUTO
from aen_agents.config.search import ALTERNATIVES, SearchConfig
from aen_agents.config.stages import SelectionConfig
from aen_agents.config.yaml_file import dump_inline

if TYPE_CHECKING:
    from aen.children.spec import ChildSpec

_GPUS = "evaluator.gpus_per_worker"
_LONGEST = 60  # characters of a value that are shown
_LEFT_OPEN = ("initialisation",)  # keys of children whose value may be null, for aen to choose
_MOST = 3  # differences that are listed

Differences = Mapping[str, tuple[Any, Any]]


def changeable_keys(config: SearchConfig) -> list[str]:
    """Return the keys that a resumed run may change: where and how fast children are trained.

    The kind of evaluator is not among them: with Ray a DQN steps through more environments, asynchronously. Neither are
    threads and populations, on which the last bits of results depend, and the symmetry test, by whose result some
    agents choose what to train.
    """
    sections = (key for key in _flat(config) if key.startswith(tuple(f"{name}." for name in config.evaluator.sections)))
    return [*sections, *(f"evaluator.{key}" for key in config.evaluator.changeable)]


def keep_choices(theirs: SearchConfig, ours: SearchConfig) -> SearchConfig:
    """Return our config with their value wherever ours leaves the choice to aen (`AUTO`), or has default rivals.

    Args:
        theirs: the config that the run was started with.
        ours: the config that it is resumed with.
    """
    default = SelectionConfig().rivals
    if ours.selection.rivals == default and not theirs.selection.rivals:  # a run of before there were rivals
        ours = ours.model_copy(update={"selection": ours.selection.model_copy(update={"rivals": ()})})
    child = {key: getattr(theirs.child, key) for key in _LEFT_OPEN if _is_open(theirs, ours, key)}
    if child:
        ours = ours.model_copy(update={"child": ours.child.model_copy(update=child)})
    if theirs.evaluator.kind != ours.evaluator.kind:
        return ours
    chosen = {key: getattr(theirs.evaluator, key) for key in _left_to_aen(ours)}
    return ours.model_copy(update={"evaluator": ours.evaluator.model_copy(update=chosen)})


def with_choices(config: SearchConfig, child: "ChildSpec") -> SearchConfig:
    """Return the config with what its child left to aen, as it was chosen for this child."""
    chosen = {key: getattr(child, key) for key in _LEFT_OPEN if getattr(config.child, key, "") is None}
    return config.model_copy(update={"child": config.child.model_copy(update=chosen)}) if chosen else config


def _is_open(theirs: SearchConfig, ours: SearchConfig, key: str) -> bool:
    """Return whether our child leaves a key to aen, and theirs, which is of the same kind, has it."""
    return theirs.child.kind == ours.child.kind and getattr(ours.child, key, "") is None


def _left_to_aen(config: SearchConfig) -> list[str]:
    return [key for key in config.evaluator.automatic if getattr(config.evaluator, key) == AUTO]


def result_changes(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    """Return the differing keys on which results may depend, each with both values (theirs, ours)."""
    theirs, ours = keep_choices(ours, theirs), keep_choices(theirs, ours)
    free = {*changeable_keys(theirs), *changeable_keys(ours)}
    free -= set() if theirs.evaluator.device == ours.evaluator.device else {_GPUS}
    found = {key: values for key, values in _differences(theirs, ours).items() if key not in free}
    for section, several in ALTERNATIVES.items():
        tag = f"{section}.{several.key}"
        if tag in found:  # the keys of two different kinds cannot be compared
            found = {key: values for key, values in found.items() if key == tag or not key.startswith(f"{section}.")}
    return found


def other_changes(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    """Return the differing keys that may change, each with both values (theirs, ours)."""
    theirs, ours = keep_choices(ours, theirs), keep_choices(theirs, ours)
    excluded = result_changes(theirs, ours)
    return {key: values for key, values in _differences(theirs, ours).items() if key not in excluded}


def change_notices(theirs: SearchConfig, ours: SearchConfig) -> list[str]:
    """Return a notice for each key that has changed and may change.

    Args:
        theirs: the config that the run was started with.
        ours: the config that it is resumed with.
    """
    return [
        f"resuming with {key}={as_yaml(now)}; the run was started with {as_yaml(before)}"
        for key, (before, now) in other_changes(theirs, ours).items()
    ]


def describe_changes(differences: Differences, here: str, there: str) -> str:
    """Return the differences as text.

    Args:
        differences: for each key their value and ours.
        here: what our config is called in the text, such as ``"here"``.
        there: what theirs is called.
    """
    parts = [
        f"{key} has different values {here} and {there}"  # the values are not shown: a URL may hold a password
        if key == "store"
        else f"{key} is {as_yaml(ours)} {here}, {as_yaml(theirs)} {there}"
        for key, (theirs, ours) in differences.items()
    ]
    more = len(parts) - _MOST
    return "; ".join(parts[:_MOST]) + (f"; and {more} more" if more > 0 else "")


def changeable_keys_text(config: SearchConfig) -> str:
    """Return the keys that may change as text: ``a, b and c``, or ``no key``."""
    keys = [f"{key} (not from or to 0)" if key == _GPUS else key for key in changeable_keys(config)]
    return joined(keys) or "no key"


def as_yaml(value: object) -> str:
    """Return a value as one line of YAML, truncated if it is long."""
    return shortened(dump_inline(value), _LONGEST)


def _differences(theirs: SearchConfig, ours: SearchConfig) -> Differences:
    before, now = _flat(theirs), _flat(ours)
    keys = [*now, *(key for key in before if key not in now)]
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def _flat(config: SearchConfig) -> JsonDict:
    """Return all values by their dotted keys."""

    def values(section: JsonDict, head: str) -> JsonDict:
        found: JsonDict = {}
        for key, value in section.items():
            found |= values(value, f"{head}{key}.") if isinstance(value, dict) else {f"{head}{key}": value}
        return found

    return values(config.model_dump(mode="json"), "")
