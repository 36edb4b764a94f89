"""Prints an evaluation of a network: as tables, or as JSON."""

import json
import sys
from typing import TYPE_CHECKING

from rich.table import Table

from aen_agents.cli.safe_console import output_console

if TYPE_CHECKING:
    from aen_agents.network import Evaluated

PIPE_WIDTH = 200  # used where the output is not a terminal
_MOST_CLASSES = 20  # of which the confusion matrix is printed


def print_evaluation(found: "Evaluated", *, as_json: bool) -> None:
    """Print an evaluation."""
    if as_json:
        sys.stdout.write(f"{json.dumps(found.to_json(), indent=2, ensure_ascii=False)}\n")
        return
    console = output_console(width=PIPE_WIDTH)
    quality = found.quality
    low, high = quality.interval
    what = f"{found.on} images" if found.on in ("validation", "test") else f"images of {found.on}"
    lines = [f"{found.model}: {found.symmetry[0]} ({found.symmetry[1]}), on {quality.images:,} {what}"]
    lines.append(
        f"accuracy {quality.accuracy:.1%} (95 % interval over the images {low:.1%} to {high:.1%}), "
        f"cross-entropy {quality.loss:.3f}, expected calibration error {quality.calibration_error:.3f}"
    )
    if found.on == "validation":
        lines.append("validation images chose this network, so that its accuracy on them is somewhat overestimated")
    if found.test_reads is not None:
        lines.append(
            f"test read {found.test_reads} times, the search's report included; choose nothing by this accuracy"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(_classes(found))
    if len(quality.classes) <= _MOST_CLASSES:
        console.print(_confusion(found))
    console.print(_moved(found))
    if found.layers:
        console.print(_layers(found))
    for file in found.files:
        console.print(str(file), markup=False, highlight=False, soft_wrap=True)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _classes(found: "Evaluated") -> Table:
    table = _table("by class", "class", "images", "precision", "recall", "F1")
    for own in found.quality.classes:
        table.add_row(own.name, f"{own.images:,}", _share(own.precision), _share(own.recall), _share(own.f1))
    return table


def _confusion(found: "Evaluated") -> Table:
    names = [own.name for own in found.quality.classes]
    table = _table("confusion: rows are true classes, columns predicted ones", "", *names)
    for name, row in zip(names, found.quality.confusion, strict=True):
        table.add_row(name, *(str(count) if count else "." for count in row))
    return table


def _moved(found: "Evaluated") -> Table:
    table = _table(
        "all images moved by one transformation", "", "accuracy", "95 % interval", "same class", "logits change", "kept"
    )
    for own in found.moved:
        low, high = own.interval
        table.add_row(
            own.name,
            f"{own.accuracy:.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{own.same:.1%}",
            f"{own.change:.1e}",
            "yes" if own.kept else "no",
        )
    return table


def _layers(found: "Evaluated") -> Table:
    names = list(dict.fromkeys(name for errors in found.layers.values() for name in errors))
    table = _table("equivariance error of each layer", "layer", *names)
    for layer, errors in found.layers.items():
        table.add_row(layer, *(f"{errors[name]:.0e}" if name in errors else "" for name in names))
    return table
