"""The report's pictures: which ones a run has enough data for, with their titles and texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from aen._typing import JsonDict
from aen.children import ChildSpec, EquiNASSpec
from aen.data import load_dataset
from aen.results.result_rows import ClassRow
from aen.results.search_result import SearchResult
from aen.spaces import Space
from aen_agents.report import figures
from aen_agents.report.explored import ExploredClass, Result
from aen_agents.report.lattice import MOST_CLASSES, LatticeClass, lattice
from aen_agents.report.layerwise.pictures import layerwise_pictures
from aen_agents.report.search_means import WINDOW, can_draw, search_means


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        title: its heading.
        text: what it shows.
        svg: the picture.
    """

    title: str
    text: str
    svg: Markup


def class_pictures(
    child: ChildSpec,
    result: SearchResult | None,
    history: Sequence[JsonDict],
    *,
    searched: Mapping[str, ExploredClass],
    roles: Mapping[str, str],
    find_space: Callable[[], Space],
    seeds: int,
) -> list[Picture]:
    """Return the pictures of a search over classes.

    Args:
        child: the baseline's child.
        result: the run's result; None if there is none yet.
        history: every visit.
        searched: the classes that exploring visited, by key.
        roles: role of each class that has one, by key.
        find_space: returns the space.
        seeds: on how many seeds exploring trained each child.
    """
    verdict = None if result is None else result.verdict
    retrained = _retrained(result)
    # A class has many states; the re-trained ones are shown by the name that the verdict uses, not the first visited.
    names = {key: found.spec.name for key, found in searched.items()}
    names |= {row.class_key: row.decomposition for row in retrained}
    classes = [
        figures.VisitedClass(names[key], found.accuracy, found.parameters, roles.get(key, ""))
        for key, found in searched.items()
    ]
    label = "validation accuracy, " + ("one seed" if seeds == 1 else f"mean over {seeds} seeds")
    pictures = []

    def add(title: str, text: str, svg: str) -> None:
        pictures.append(Picture(title, text, Markup(svg)))  # noqa: S704 - made by matplotlib just now

    if verdict is not None:
        winner = verdict.winner.child()
        if winner.tied_grids:
            add(
                "What the winner ties together",
                "Cells of one colour are one orbit: the group maps them onto each other, and they share weights.",
                figures.orbit_pictures(winner),
            )
        rows = [
            (row.decomposition, row.validation.mean, row.validation.interval, roles.get(row.class_key, ""))
            for row in retrained
        ]
        add(
            "The best classes on fresh seeds",
            "Mean and 95 % interval over the seeds. The winner is the best of the classes that the search visited.",
            figures.selection_intervals(rows),
        )
    closed_sets = {} if result is None else result.closed_sets
    if searched and searched.keys() <= closed_sets.keys() and len(closed_sets) <= MOST_CLASSES:
        add(
            "The whole space",
            "Each circle is a network, coloured by its validation accuracy. A line leads up to the next networks that "
            "are tied further. Point at a circle to see its name.",
            _lattice(closed_sets, searched, names, roles, find_space()),
        )
    if any(visit.get("first") for visit in history):
        add(
            "The search",
            "Validation accuracy of each new child, and the best so far.",
            figures.learning_curve(history),
        )
    firsts = [visit for visit in history if visit.get("first")]
    if can_draw(firsts):
        add(
            "Means over the search",
            f"Left: mean validation accuracy of the last {WINDOW} new children; the dashed line is the first child, "
            "the untied one. Right: mean over the new children met while epsilon had each value, with a 95 % interval "
            "over the children. An agent that learns raises both as epsilon falls.",
            search_means(firsts),
        )
    if classes:
        add(
            "Accuracy by class",
            f"{label.partition(', ')[2].capitalize()}. Small differences are not significant; the selection above "
            "decides.",
            figures.accuracy_by_class(classes, label),
        )
    sized = [found for found in classes if found.parameters]  # it is 0 for a class that failed on every seed
    if sized:
        add("Accuracy against parameters", _of_sizes(child), figures.accuracy_against_parameters(sized, label))
    return [*pictures, _images(child)]


def method_pictures(
    child: ChildSpec, result: SearchResult | None, history: Sequence[JsonDict], explored: Sequence[Result]
) -> list[Picture]:
    """Return the pictures of a search that compares methods.

    Args:
        child: the baseline's child.
        result: the run's result; None if there is none yet.
        history: every slice of training.
        explored: what was trained, for the groups of mixed layers.
    """
    branches = {evaluation.key: spec.mixed for evaluation, spec in explored if isinstance(spec, EquiNASSpec)}
    methods = () if result is None else result.methods
    found = layerwise_pictures(history, methods, lambda key: branches.get(key, ()))
    return [
        *(Picture(title, text, Markup(svg)) for title, text, svg in found),  # noqa: S704 - made by matplotlib just now
        _images(child),
    ]


def _retrained(result: SearchResult | None) -> Sequence[ClassRow]:
    """Return the classes trained on the selection seeds, best first; the hidden group too if the search missed it."""
    if result is None or result.verdict is None:
        return []
    rows: dict[str, ClassRow] = {row.class_key: row for row in result.verdict.selection}
    if result.hidden_group is not None:
        rows.setdefault(result.hidden_group.class_key, result.hidden_group)
    return sorted(rows.values(), key=lambda row: -row.validation.mean)


def _of_sizes(child: ChildSpec) -> str:
    if child.chooses == "symmetry":
        return "Tying weights reduces the number of parameters; only suitable symmetries keep the accuracy."
    return "At each size, the numbers of fields are set so that all groups have about as many parameters."


def _images(child: ChildSpec) -> Picture:
    return Picture(
        "Some of the training images",
        "Training images, after the moves that the config asks for.",
        Markup(figures.some_images(load_dataset(child.data).train)),  # noqa: S704 - made by matplotlib just now
    )


def _lattice(
    closed_sets: Mapping[str, int],
    searched: Mapping[str, ExploredClass],
    names: Mapping[str, str],
    roles: Mapping[str, str],
    space: Space,
) -> str:
    def named(key: str) -> str:
        return names.get(key) or space.closed_set_name(closed_sets[key])

    return lattice(
        [
            LatticeClass(
                closed_sets[key], named(key), searched[key].accuracy if key in searched else None, roles.get(key, "")
            )
            for key in closed_sets
        ]
    )
