"""The table of a sweep over exhaustive searches: a row for each combination, a column for each network.

Written as ``table.csv``, a line for each cell, and drawn in the sweep's report.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from aen._typing import JsonDict
from aen.results.result_rows import SpaceRow
from aen.statistics import estimate_accuracy, paired_difference
from aen_agents.report.drawing import ON_DARK, ON_LIGHT, RC, SMALL, as_svg
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial
from aen_agents.text import csv_text

MOST_COLUMNS, MOST_ROWS = 26, 40  # that are drawn; the file has all
_DARK_FROM = 0.6  # of the largest difference
_CSV = (
    *("combination", "network", "group", "parameters", "seeds", "validation_mean", "validation_low"),
    *("validation_high", "minus_baseline_mean", "minus_baseline_low", "minus_baseline_high"),
)


def find_cells(folder: SweepFolder, groups: Sequence[tuple[str, Sequence[Trial]]]) -> JsonDict | None:
    """Return the table; None if no search has trained every network of its list.

    Seeds of several searches of a combination are put together. There is no test figure in it.

    Args:
        folder: of the sweep.
        groups: label and trials of each combination, in the order of the rows.
    """
    rows: list[JsonDict] = []
    columns: dict[tuple[int, str], None] = {}
    baseline_name = ""
    for label, trials in groups:
        found: dict[str, list[SpaceRow]] = {}
        baseline = ""
        for trial in trials:
            result = folder.files(trial).result()
            if result is None or result.space is None or result.verdict is None:
                continue
            baseline = result.verdict.baseline.class_key
            baseline_name = result.baseline_name
            for row in result.space.classes:
                found.setdefault(row.class_key, []).append(row)
                columns.setdefault((row.representative, row.decomposition), None)
        cells = {key: _cell(own, found.get(baseline, [])) for key, own in found.items()}
        rows.append({"label": label, "cells": {cell["network"]: cell for cell in cells.values()}})
    if not columns:
        return None
    names = list(dict.fromkeys(name for _, name in sorted(columns)))
    return {"columns": names, "baseline": baseline_name, "rows": rows}


def _cell(rows: Sequence[SpaceRow], baseline: Sequence[SpaceRow]) -> JsonDict:
    """Return a cell from the rows of one network, and of the baseline on the same seeds."""
    ours = [accuracy for row in rows for accuracy in row.validation.by_seed]
    theirs = [accuracy for row in baseline for accuracy in row.validation.by_seed]
    several = len(ours) > 1
    mean = estimate_accuracy(ours)
    cell: JsonDict = {
        "network": rows[0].decomposition,
        "group": rows[0].group,
        "parameters": rows[0].parameters,
        "accuracies": ours,
        "mean": mean.mean,
        "interval": list(mean.interval) if several else None,
        "minus_baseline": None,
    }
    if len(theirs) == len(ours) and rows[0].class_key != baseline[0].class_key:
        gain = paired_difference(ours, theirs)
        cell["minus_baseline"] = {"mean": gain.mean, "interval": list(gain.interval) if several else None}
    return cell


def as_csv(table: JsonDict) -> str:
    """Return the table as CSV, a line for each cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for row in table["rows"]:
        for name in table["columns"]:
            cell = row["cells"].get(name)
            if cell is None:
                continue
            gain = cell["minus_baseline"] or {"mean": "", "interval": None}
            ends = cell["interval"] or ("", ""), gain["interval"] or ("", "")
            head = [*map(csv_text, (row["label"], name, cell["group"])), cell["parameters"], len(cell["accuracies"])]
            writer.writerow([*head, cell["mean"], *ends[0], gain["mean"], *ends[1]])
    return text.getvalue()


def cells_picture(table: JsonDict) -> str:
    """Draw the table as SVG: mean accuracy in percent, coloured by the difference from the baseline of the row.

    Bold: the best of a row. Underlined: better than the baseline, beyond the interval of the paired difference.
    """
    rows, columns = table["rows"][:MOST_ROWS], table["columns"][:MOST_COLUMNS]
    gains = [[_gain(row["cells"].get(name)) for name in columns] for row in rows]
    widest = max((abs(gain) for line in gains for gain in line), default=0) or 0.01
    with mpl.rc_context(RC):
        figure = Figure(figsize=(1.9 + 0.46 * len(columns), 1.5 + 0.27 * len(rows)), layout="constrained")
        axes: Any = figure.subplots()
        axes.imshow(gains, cmap="BrBG", norm=TwoSlopeNorm(0, -widest, widest), aspect="auto", alpha=0.9)
        for place, row in enumerate(rows):
            best = max((cell["mean"] for cell in row["cells"].values()), default=None)
            for column, name in enumerate(columns):
                cell = row["cells"].get(name)
                if cell is None:
                    continue
                weight = "bold" if cell["mean"] == best else "normal"
                # The colours of large differences are dark, in light and dark mode alike.
                ink = ON_DARK if abs(gains[place][column]) > _DARK_FROM * widest else ON_LIGHT
                look = {"ha": "center", "va": "center", "fontsize": SMALL, "weight": weight, "color": ink}
                axes.text(column, place, f"{100 * cell['mean']:.1f}", **look)
                if is_better(cell):
                    axes.plot([column - 0.3, column + 0.3], [place + 0.36] * 2, color=ink, linewidth=1)
        axes.set(yticks=range(len(rows)), yticklabels=[row["label"] for row in rows])
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return as_svg(figure, "Validation accuracy of each network in each combination")


def is_better(cell: JsonDict) -> bool:
    """Return whether the interval of a cell's difference from the baseline is above 0."""
    gain = cell["minus_baseline"]
    return gain is not None and gain["interval"] is not None and gain["interval"][0] > 0


def _gain(cell: JsonDict | None) -> float:
    return 0.0 if cell is None or cell["minus_baseline"] is None else float(cell["minus_baseline"]["mean"])
