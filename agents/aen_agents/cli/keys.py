"""The keys of configs as text and as a page of the documentation."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aen.errors import ConfigError, did_you_mean
from aen_agents.config.keys import REQUIRED, Key, KeyGroup, model_keys, search_keys
from aen_agents.sweep.config import AshaConfig, Distribution, SweepConfig

_WIDTH = 100


def all_groups(*, plugins: bool = True) -> list[KeyGroup]:
    """Return the keys of searches, then those of sweeps.

    Args:
        plugins: whether kinds that other packages provide are among them.
    """
    return [
        *search_keys(plugins=plugins),
        KeyGroup("sweep", "", "Keys of a sweep's file; it has the section cluster, too.", model_keys(SweepConfig)),
        KeyGroup("sweep", "random.KEY", "The distribution of a key.", model_keys(Distribution, "random.KEY.")),
        KeyGroup("sweep", "stop.rule=asha", "The rule that stops weak trials.", model_keys(AshaConfig, "stop.")),
    ]


def chosen_groups(parts: Sequence[str]) -> list[KeyGroup]:
    """Return the groups, or of them what is asked for.

    Args:
        parts: sections (``training``), kinds (``gcnn``, ``child.kind=gcnn``) or keys (``training.epochs``); none: all.

    Raises:
        ConfigError: there is no such part.
    """
    groups = all_groups()
    if not parts:
        return groups
    for part in parts:
        if not any(_of_part(group, part) for group in groups):
            names = {name for group in groups for name in (*_names(group), *(key.name for key in group.keys)) if name}
            raise ConfigError(f"there is no section, kind or key {part!r}{_near(part, names)}.")
    wanted = [
        replace(group, keys=tuple(key for key in group.keys if any(key in _of_part(group, part) for part in parts)))
        for group in groups
    ]
    return [group for group in wanted if group.keys]


def _near(part: str, names: Iterable[str]) -> str:
    hint = did_you_mean(part, names)
    return hint if "did you mean" in hint else "; aen configs keys lists all"


def _names(group: KeyGroup) -> tuple[str, ...]:
    return (group.section, group.tag, group.tag.rpartition("=")[2])


def _of_part(group: KeyGroup, part: str) -> tuple[Key, ...]:
    """Return the keys of a group that a word stands for."""
    return group.keys if part in _names(group) else tuple(key for key in group.keys if key.name == part)


def _title(group: KeyGroup) -> str:
    return group.tag or group.section or "top level"


def as_text(groups: Sequence[KeyGroup]) -> str:
    """Return the keys as text for a console."""
    lines: list[str] = []
    for group in groups:
        lines += [f"{_title(group)}: {group.about}"]
        for key in group.keys:
            value = f" ({REQUIRED})" if key.default == REQUIRED else f" = {key.default}"
            lines += [f"  {key.name}{value}", *_wrapped(key.kind), *_wrapped(key.description)]
        lines += [""]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")


def as_page(groups: Sequence[KeyGroup]) -> str:
    """Return the keys as a page in Markdown."""
    lines = [
        "# Keys of configs",
        "",
        "Written by `docs/make_config.py` from the models; the same list is printed by `aen configs keys`, or",
        "`aen configs keys training child.kind=gcnn` for some sections. How configs are written:",
        "[presets.md](presets.md), [sweeps.md](sweeps.md).",
        "",
    ]
    for group in groups:
        lines += [
            f"## {_title(group)}",
            "",
            group.about,
            "",
            "| key | values | default | description |",
            "|---|---|---|---|",
        ]
        for key in group.keys:
            default = key.default if key.default == REQUIRED else f"`{key.default}`"
            lines += [f"| `{key.name}` | {_cell(key.kind)} | {_cell(default)} | {_cell(key.description)} |"]
        lines += [""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
