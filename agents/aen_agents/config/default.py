"""The default search of a data set: space, training, agent and budget chosen from the images and the machine.

Not part of `aen_agents.config`, whose import must not take seconds: this module reads the images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import pydantic

from aen._typing import JsonDict
from aen.data import DataSpec, Source, complete_spec
from aen.errors import ConfigError
from aen.training import available_cores, choose_device
from aen_agents.config.data import DataConfig
from aen_agents.config.default_grids import default_alphabet, default_hidden
from aen_agents.config.errors import explain
from aen_agents.config.loading import complete_config
from aen_agents.config.overrides import Override, parse_overrides
from aen_agents.config.search import ALTERNATIVES, SearchConfig

MINUTES = 10.0
# Images of up to so many cells are searched with dense children, larger ones and colour with G-CNNs.
_DENSE_CELLS = 32 * 32
# Dense children are trained for about so many gradient steps: enough to tell groups apart, few enough for many children.
_STEPS = 300
# Exploring trains on so many images at most, and measures on so many: more make children slower, not choices better.
_MOST = {"train": 6000, "validation": 5000}


@dataclass(frozen=True)
class Machine:
    """What children are trained on.

    Attributes:
        cores: processor cores that this process may use.
        device: ``cpu`` or ``cuda``.
    """

    cores: int
    device: str

    @classmethod
    def this(cls) -> "Machine":
        """Return this machine."""
        return cls(available_cores(), choose_device())


@dataclass(frozen=True)
class Reason:
    """Why a part of the default was chosen.

    Attributes:
        keys: the config's keys, of which each stands for its section if it is one.
        text: the choice and the reason, in a line.
    """

    keys: tuple[str, ...]
    text: str


def default_config(
    overrides: Sequence[str], *, minutes: float | None = None, machine: Machine | None = None
) -> tuple[SearchConfig, list[str]]:
    """Return the default search of a data set, and the reason for each choice, a line each.

    Args:
        overrides: ``key=value``, `data.path` or `data.name` among them; they come before what would be chosen.
        minutes: `budget.minutes`; None: as the overrides say, else `MINUTES`.
        machine: on which it shall run; None: this one.

    Raises:
        AenError: the data cannot be used, or an override does not fit.
    """
    machine = machine or Machine.this()
    given = parse_overrides([*overrides, *([] if minutes is None else [f"budget.minutes={minutes!r}"])])
    data, source = complete_spec(**_data_section(given).model_dump())
    kept = {leaf for override in given for leaf in override.leaves}
    content, reasons = _choose(data, source, machine, kept)
    config = complete_config(content, given, Path(), "the default config")
    shown = [r.text for r in reasons if not all(_is_given(key, kept) for key in r.keys)]
    return config, shown


def _choose(data: DataSpec, source: Source, machine: Machine, kept: set[str]) -> tuple[JsonDict, list[Reason]]:
    """Return what a config needs to say, and the reasons."""
    sizes = {part: getattr(data, part) for part in ("train", "validation", "test")}
    explored = {part: min(size, _MOST.get(part, size)) for part, size in sizes.items()}
    explored |= {part: size for part, size in sizes.items() if f"data.{part}" in kept}
    said = ", ".join(f"{size:,} {part}" for part, size in explored.items())
    whole = explored == sizes
    error = 50 / sqrt(explored["validation"])
    reasons = [
        Reason(
            ("data.train", "data.validation", "data.test"),
            f"images: {said}" + ("" if whole else f" (of {sizes['train']:,} and {sizes['validation']:,}: more would "
            "make children slower, not the choice better)"),
        )
    ]
    grey, grid = source.channels == 1, source.side
    rows, columns = (grid, grid) if isinstance(grid, int) else grid
    shape = f"{rows}x{columns}"
    dense = grey and (rows * columns <= _DENSE_CELLS or rows != columns)
    chosen, why = _dense(grid, shape, explored["train"]) if dense else _convolutional(source, shape, explored["train"], machine)
    reasons += why
    reasons += [
        Reason(
            ("agent",),
            "agent=racing: the classes that the images themselves suggest first, then the best on up to 10 seeds, since "
            f"one seed of {explored['validation']:,} validation images has a standard error of up to {error:.1f} points",
        ),
        Reason(("selection",), "selection: the best 5 and no symmetry again, on 5 fresh seeds each"),
        Reason(("budget",), f"budget.minutes={MINUTES:g}: the default; --minutes sets another"),
        Reason(
            ("evaluator",),
            f"evaluator: {_machine_text(machine)}",
        ),
    ]
    content: JsonDict = {
        "name": _name_of(data.name),
        "data": {"name": data.name.split("@")[0], **explored},
        **chosen,
        "agent": {"name": "racing"},
        "budget": {"children": 100_000, "minutes": MINUTES},
        "selection": {"top": 5, "seeds": 5},
    }
    return content, reasons


def _dense(grid: Any, shape: str, train: int) -> tuple[JsonDict, list[Reason]]:  # noqa: ANN401
    alphabet, left_out = default_alphabet(grid)
    hidden = default_hidden(grid, alphabet)
    batch = 64 if train < 2000 else 128
    epochs = max(round(_STEPS * batch / train), 3)
    text = ", ".join(str(h) if isinstance(h, int) else f"{h[0]}x{h[1]}" for h in hidden)
    reasons = [
        Reason(
            ("child",),
            f"child=dense, hidden grids {text}: small grey images ({shape}); on these grids all transformations have the "
            "orders that they have on the images",
        ),
        Reason(("alphabet",), f"alphabet: {', '.join(alphabet)}" + "".join(f"; {reason}" for reason in left_out)),
        Reason(("training",), f"training: {epochs} epochs in batches of {batch}: about {_STEPS} steps a child"),
    ]
    return {
        "alphabet": list(alphabet),
        "child": {"kind": "dense", "hidden": [h if isinstance(h, int) else list(h) for h in hidden]},
        "training": {"epochs": epochs, "batch_size": batch, "learning_rate": 3e-3},
    }, reasons


def _convolutional(source: Source, shape: str, train: int, machine: Machine) -> tuple[JsonDict, list[Reason]]:
    width = 8 if machine.device == "cpu" else 20
    epochs = max(round(_STEPS * 64 / train), 3)
    kind = "colour images" if source.channels > 1 else "images"
    reasons = [
        Reason(("child",), f"child=gcnn, width {width}: {kind} of {shape}, for which dense layers would be too large"),
        Reason(("space",), "space: every group of rot90, hflip and vflip, without augmentations and other sizes"),
        Reason(("training",), f"training: {epochs} epochs in batches of 64"),
    ]
    return {
        "child": {
            "kind": "gcnn", "width": width, "padding": "same", "norm": "batch", "head": "flatten", "dropout": 0
        },
        "space": {"groups": "bits", "augmentations": [], "size_factors": [1.0]},
        "training": {"epochs": epochs, "batch_size": 64, "learning_rate": 3e-3},
    }, reasons


def _machine_text(machine: Machine) -> str:
    if machine.device != "cpu":
        return "children side by side on the GPU"
    return f"{machine.cores} processes, one for each core" if machine.cores > 1 else "one process on the one core"


def _data_section(given: Sequence[Override]) -> DataConfig:
    """Return the section `data` that the overrides alone make."""
    content: dict[str, Any] = {}
    for override in given:
        if override.key == "data" and isinstance(override.value, Mapping):
            content |= override.value
        elif override.key.startswith("data."):
            content[override.key.removeprefix("data.")] = override.value
    try:
        return DataConfig.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(f"data: {'; '.join(explain(error, SearchConfig, ALTERNATIVES))}") from error


def _is_given(key: str, kept: set[str]) -> bool:
    """Return whether a key, or a key of it if it is a section, was given."""
    return any(leaf == key or leaf.startswith(f"{key}.") for leaf in kept)


def _name_of(name: str) -> str:
    """Return a search's name for the path of a data set."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in Path(name.split("@")[0]).stem)
    return text.lstrip("_.-") or "search"


