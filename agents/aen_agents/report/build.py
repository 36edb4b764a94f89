"""Building a run's report from what its folder holds, finished or not."""

from dataclasses import dataclass
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.data import load_dataset
from aen.groups import Decomposition
from aen.results import Evaluation
from aen.results.store import ResultStore
from aen_agents.report import figures
from aen_agents.run_folder import RunFolder, write_atomically
from aen_agents.search import child_of


@dataclass(frozen=True)
class _Picture:
    title: str
    text: str
    svg: Markup


def build_report(folder: RunFolder) -> None:
    """Write ``report.html`` from the store, the history and the summary of a run.

    Raises:
        RunFolderError: the folder or its summary cannot be read.
        StoreError: ``results.sqlite`` is missing, damaged, or not a result store.
    """
    config, summary, history = folder.config(), folder.summary() or {}, folder.history()
    child = child_of(config)
    with ResultStore(folder.store_file, create=False) as store:
        searched = [(evaluation, spec) for evaluation, spec in store.evaluations() if spec.seed == config.seed]
    roles = _roles(summary, child)
    environment = Environment(
        loader=PackageLoader("aen_agents.report", "."), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    html = environment.get_template("template.html").render(
        config=config,
        summary=summary,
        complete=summary.get("status") == "complete",
        best=max((e.validation_accuracy for e, _ in searched), default=None),
        searched=len(searched),
        pictures=_pictures(child, summary, history, searched, roles),
        aen_version=version("aen"),
    )
    write_atomically(folder.report_file, html)


def _roles(summary: JsonDict, child: ChildSpec) -> dict[str, str]:
    """Return the role of each class that has one; the winner's comes last, so that it shows."""
    roles = {}
    if "hidden_group" in summary:
        roles[summary["hidden_group"]["class_key"]] = "hidden group"
    roles[child.class_key] = "untied"
    if "winner" in summary:
        roles[summary["winner"]["class_key"]] = "winner"
    return roles


def _retrained(summary: JsonDict) -> list[JsonDict]:
    """Return what was trained on the selection seeds, best first; the data's own group too if the search missed it."""
    rows = {row["class_key"]: row for row in summary.get("selection", [])}
    hidden = summary.get("hidden_group")
    if hidden is not None:
        rows.setdefault(hidden["class_key"], hidden)
    return sorted(rows.values(), key=lambda row: -row["validation_accuracy_mean"])


def _pictures(
    child: ChildSpec,
    summary: JsonDict,
    history: list[JsonDict],
    searched: list[tuple[Evaluation, ChildSpec]],
    roles: dict[str, str],
) -> list[_Picture]:
    # A class has many states; the re-trained ones are shown by the name that the verdict uses, not the first visited.
    names = {row["class_key"]: row["decomposition"] for row in _retrained(summary)}
    classes = [
        figures.VisitedClass(
            names.get(spec.class_key, spec.decomposition.name),
            evaluation.validation_accuracy,
            evaluation.parameters,
            roles.get(spec.class_key, ""),
        )
        for evaluation, spec in searched
    ]
    pictures = []

    def add(title: str, text: str, svg: str) -> None:
        pictures.append(_Picture(title, text, Markup(svg)))  # noqa: S704 - made by matplotlib just now

    if "winner" in summary:
        winner = Decomposition.from_json(summary["winner"]["factors"])
        if winner.factors:
            add(
                "What the winner ties together",
                "Cells of one colour are one orbit: the group moves them onto each other; they share weights.",
                figures.orbit_pictures(winner, child.grids),
            )
        rows = [
            (
                r["decomposition"],
                r["validation_accuracy_mean"],
                r["validation_accuracy_interval"],
                roles.get(r["class_key"], ""),
            )
            for r in _retrained(summary)
        ]
        add(
            "The best classes on fresh seeds",
            "Mean and 95 % interval over the seeds. The winner is the best that the search met.",
            figures.selection_intervals(rows),
        )
    if any(visit["first"] for visit in history):
        add("The search", "What each new child reached, and the best so far.", figures.learning_curve(history))
    if classes:
        add(
            "Accuracy by class",
            "One seed each, so small differences mean nothing; the selection above decides.",
            figures.accuracy_by_class(classes),
        )
        add(
            "Accuracy against parameters",
            "Tying weights makes a network smaller; only the right ties keep it accurate.",
            figures.accuracy_against_parameters(classes),
        )
    add(
        "Some of the images it saw",
        "Training images after the moves that the config asks for.",
        figures.some_images(load_dataset(child.data).train),
    )
    return pictures
