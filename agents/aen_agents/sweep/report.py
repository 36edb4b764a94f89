"""Writes a sweep's report.html: its table, one figure and all trials."""

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aen._reading import MAX_SMALL, read_text
from aen._typing import JsonDict
from aen_agents.report.drawing import (
    ACCENT,
    GREY,
    PAGE,
    WIDE,
    as_svg,
    for_page,
    in_page,
    named_rows,
    note,
    percent_axis,
)
from aen_agents.report.picture import Picture, Table, interval, percent
from aen_agents.runs.files import write_file
from aen_agents.sweep.cells import MOST_COLUMNS, MOST_ROWS, cells_picture
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.text import accuracy_text, best_text, seeds_text, winners_text
from aen_agents.text import counted

MOST_DRAWN = 30


def build_sweep_report(folder: SweepFolder, summary: JsonDict) -> None:
    """Write ``report.html`` from a sweep's summary."""
    drawn = [row for row in summary["combinations"] if row["rank"] is not None][:MOST_DRAWN]
    environment = Environment(
        loader=PackageLoader("aen_agents", "."),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=in_page,
    )
    words = (accuracy_text, counted, seeds_text, winners_text)
    environment.globals |= {word.__name__: word for word in words}
    html = environment.get_template("sweep/template.html").render(
        summary=summary,
        best=best_text(summary),
        picture=_combinations(drawn) if drawn else None,
        drawn=len(drawn),
        table=summary.get("table"),
        shares=summary.get("shares"),
        cells=Markup(for_page(cells_picture(summary["table"]), "cells-"))  # noqa: S704 - made by matplotlib
        if "table" in summary
        else "",
        most_columns=MOST_COLUMNS,
        most_rows=MOST_ROWS,
        sweep=read_text(folder.sweep_file, MAX_SMALL),
        aen_version=version("aen"),
    )
    write_file(folder.report_file, html)


def _combinations(rows: Sequence[JsonDict]) -> Picture:
    cells = []
    for row in rows:
        ends = row["validation_accuracy_interval"]
        figures = (percent(row["validation_accuracy_mean"]), interval(ends) if ends else "one seed")
        cells.append((row["label"], *figures, ", ".join(map(percent, row["validation_accuracies"]))))
    columns = ("combination", "mean validation accuracy", "95 % interval", "each seed")
    text = "Mean and 95 % interval over the seeds; small circles are single seeds."
    return Picture.drawn("Accuracy by combination", text, partial(combinations_picture, rows), Table.of(columns, cells))


def combinations_picture(rows: Sequence[JsonDict], width: float = WIDE) -> str:
    """Draw the combinations as SVG, best first: a point for the winner of each seed, their mean and its interval."""
    with named_rows(width, [row["label"] for row in rows]) as (figure, axes):
        for place, row in enumerate(rows):
            colour = GREY if place else ACCENT
            values, mean = row["validation_accuracies"], row["validation_accuracy_mean"]
            low, high = row["validation_accuracy_interval"] or (mean, mean)
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
            axes.scatter(values, [place] * len(values), s=14, color=PAGE, edgecolors=colour, zorder=3)
            axes.plot([mean], [place], "o", color=colour, zorder=4)
            note(axes, max(high, *values), place, f"{mean:.1%}")
        axes.set_xlabel("validation accuracy of the winner")
        axes.margins(x=0.16)
        percent_axis(axes.xaxis)
        return as_svg(figure, "Validation accuracy of each combination")
