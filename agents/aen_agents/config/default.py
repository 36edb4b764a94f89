"""The default search of a data set: space, training, agent and budget chosen from the images and the machine.

Not part of `aen_agents.config`, whose import must not take seconds: this module reads the images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from aen._typing import JsonDict
from aen.data import DataSpec, Source, complete_spec
from aen.data.own.paths import split_pin
from aen.groups import ALPHABETS, Alphabet, Grid, hidden_grids
from aen.groups.grid import cells_of, grid_text, is_signal, shape_of
from aen.training import available_cores, choose_device
from aen_agents.config.data import DataConfig
from aen_agents.config.loading import complete_config
from aen_agents.config.overrides import Override, parse_overrides
from aen_agents.config.search import SearchConfig

MINUTES = 10.0
# Images of up to so many cells are searched with dense children, larger ones and colour with G-CNNs.
_DENSE_CELLS = 32 * 32
# Shifts are by a part of the side of about so many cells, at most so many parts.
_STEP, _MOST_PARTS = 4, 16
# The planar groups without quarter turns.
_RECTANGULAR_GROUPS = ("C1", "C2", "D1", "D1v", "D2")
# Dense children are trained for about so many gradient steps: enough to tell groups apart, few enough for many of them.
# Batches are larger from so many images on.
_STEPS, _LARGE_SET = 300, 2000
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
    section = _data_section(given)
    data, source = complete_spec(**section.model_dump())
    kept = {leaf for override in given for leaf in override.leaves}
    content, reasons = _choose(section.name, data, source, machine, kept)
    config = complete_config(content, given, Path(), "the default config")
    shown = [r.text for r in reasons if not all(_is_given(key, kept) for key in r.keys)]
    return config, shown


def _choose(
    name: str, data: DataSpec, source: Source, machine: Machine, kept: set[str]
) -> tuple[JsonDict, list[Reason]]:
    """Return what a config of the data of this name needs to say, and the reasons."""
    sizes = {part: getattr(data, part) for part in ("train", "validation", "test")}
    explored = {part: min(size, _MOST.get(part, size)) for part, size in sizes.items()}
    explored |= {part: size for part, size in sizes.items() if f"data.{part}" in kept}
    said = ", ".join(f"{size:,} {part}" for part, size in explored.items())
    whole = explored == sizes
    error = 50 / sqrt(explored["validation"])
    reasons = [
        Reason(
            ("data.train", "data.validation", "data.test"),
            f"images: {said}"
            + (
                ""
                if whole
                else f" (of {sizes['train']:,} and {sizes['validation']:,}: more would "
                "make children slower, not the choice better)"
            ),
        )
    ]
    grid = source.side
    rows, columns = shape_of(grid)
    dense = source.channels == 1 and (cells_of(grid) <= _DENSE_CELLS or rows != columns)
    chosen, why = (
        _dense(grid, default_alphabet(grid, signals=source.signals, lifted=data.lift_sign), explored["train"])
        if dense
        else _convolutional(source, explored["train"], machine)
    )
    reasons += why
    reasons += [
        Reason(
            ("agent",),
            "agent=racing: the classes that the images themselves suggest first, then the best on up to 10 seeds; one "
            f"seed of {explored['validation']:,} validation images has a standard error of up to {error:.1f} points",
        ),
        Reason(
            ("selection",),
            "selection: the best 5 and no symmetry again, on 5 fresh seeds each; of those that cannot be told from the "
            "best, one whose symmetry the images have wins",
        ),
        Reason(("budget",), f"budget.minutes={MINUTES:g}: the default; another number of minutes may be set"),
        Reason(
            ("evaluator",),
            f"evaluator: {_machine_text(machine)}",
        ),
    ]
    content: JsonDict = {
        "name": _name_of(data.name),
        "data": {"name": name, **explored},
        **chosen,
        "agent": {"name": "racing"},
        "budget": {"children": 100_000, "minutes": MINUTES},
        "selection": {"top": 5, "seeds": 5, "ties": "images"},
    }
    return content, reasons


def default_alphabet(grid: Grid, *, signals: bool = False, lifted: bool = False) -> Alphabet:
    """Return the factors of a default search that fit images or signals of this grid.

    Shifts are by a part of the side, so that they have the same order on grids of any size.

    Args:
        grid: of the images; rows are the channels of a signal.
        signals: whether they are known to be signals; a grid that is much longer than high is taken for one anyway.
        lifted: whether the negated signal is appended.
    """
    rows, columns = shape_of(grid)
    if signals or is_signal(grid):
        names = [name for name in ALPHABETS["signal"] if lifted or "sign" not in name]
    else:
        parts = {"hshift(1/4)": columns, "vshift(1/4)": rows}
        names = [
            f"{name.partition('(')[0]}(1/{_parts(parts[name])})" if name in parts else name
            for name in ALPHABETS["quarter"]
        ]
    return Alphabet.of(names).fitting([grid])


def _parts(length: int) -> int:
    """Return into how many parts the step of a shift divides a side; a part must be whole cells, and no half."""
    possible = [parts for parts in range(3, _MOST_PARTS + 1) if length % parts == 0]
    return min(possible, key=lambda parts: abs(length / parts - _STEP), default=4)


def _dense(grid: Grid, alphabet: Alphabet, train: int) -> tuple[JsonDict, list[Reason]]:
    hidden = hidden_grids(grid, alphabet)
    batch = 64 if train < _LARGE_SET else 128
    epochs = max(round(_STEPS * batch / max(train, batch)), 3)  # an epoch has at least one step
    reasons = [
        Reason(
            ("child",),
            f"child.kind=dense, hidden grids {', '.join(map(grid_text, hidden))}: small grey images or signals "
            f"({grid_text(grid)}); every transformation has the order there that it has on the images",
        ),
        Reason(("alphabet",), f"alphabet: {', '.join(alphabet.names)}"),
        *(Reason(("alphabet",), reason) for reason in alphabet.left_out),
        Reason(("training",), f"training: {epochs} epochs in batches of {batch}: about {_STEPS} steps a child"),
    ]
    return {
        "alphabet": list(alphabet.names),
        "child": {"kind": "dense", "hidden": [h if isinstance(h, int) else list(h) for h in hidden]},
        "training": {"epochs": epochs, "batch_size": batch, "learning_rate": 3e-3},
    }, reasons


def _convolutional(source: Source, train: int, machine: Machine) -> tuple[JsonDict, list[Reason]]:
    width = 8 if machine.device == "cpu" else 20
    epochs = max(round(_STEPS * 64 / max(train, 64)), 3)  # as above
    kind = "colour images" if source.channels > 1 else "images"
    square = isinstance(source.side, int)
    groups = "bits" if square else list(_RECTANGULAR_GROUPS)
    offered = (
        "every group of rot90, hflip and vflip"
        if square
        else f"the groups {', '.join(groups)}; rectangles cannot be turned by quarter turns"
    )
    reasons = [
        Reason(
            ("child",),
            f"child.kind=gcnn, width {width}: {kind} of {grid_text(source.side)}, for which dense layers would be too "
            "large",
        ),
        Reason(("space",), f"space: {offered}, without augmentations and other sizes"),
        Reason(("training",), f"training: {epochs} epochs in batches of 64"),
    ]
    return {
        "child": {"kind": "gcnn", "width": width, "padding": "same", "norm": "batch", "head": "flatten", "dropout": 0},
        "space": {"groups": groups, "augmentations": [], "size_factors": [1.0]},
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
    return complete_config({"name": "data", "data": content}, [], Path(), "the default config").data


def _is_given(key: str, kept: set[str]) -> bool:
    """Return whether a key, or a key of it if it is a section, was given."""
    return any(leaf == key or leaf.startswith(f"{key}.") for leaf in kept)


def _name_of(name: str) -> str:
    """Return a search's name for the path of a data set."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in Path(split_pin(name)[0]).stem)
    return text.lstrip("_.-") or "search"
