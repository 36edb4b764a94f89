"""The report's pictures: which ones a run has enough data for, with their titles, texts and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from aen._typing import JsonDict
from aen.children import ChildSpec, EquiNASSpec
from aen.groups.grid import cells_of
from aen.groups.orbits import grid_orbits
from aen.results.result_rows import ClassRow
from aen.results.search_result import SearchResult
from aen.spaces import Space
from aen_agents.report import figures
from aen_agents.report.explored import ExploredClass, Result
from aen_agents.report.lattice import MOST_CLASSES, LatticeClass, lattice
from aen_agents.report.layerwise.pictures import layerwise_pictures
from aen_agents.report.picture import Picture, Table, interval, percent
from aen_agents.report.search_means import WINDOW, can_draw, means_by_epsilon, search_means


@dataclass(frozen=True)
class Pictures:
    """The pictures of a page, by its sections.

    Attributes:
        compared: how the best networks compare.
        search: how the search went.
        space: which networks were tried.
        methods: of a search that compares methods.
        winner: what the winner ties together.
    """

    compared: list[Picture] = field(default_factory=list)
    search: list[Picture] = field(default_factory=list)
    space: list[Picture] = field(default_factory=list)
    methods: list[Picture] = field(default_factory=list)
    winner: list[Picture] = field(default_factory=list)


def class_pictures(
    child: ChildSpec,
    result: SearchResult | None,
    history: Sequence[JsonDict],
    *,
    searched: Mapping[str, ExploredClass],
    roles: Mapping[str, str],
    find_space: Callable[[], Space],
    seeds: int,
) -> Pictures:
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
    retrained = _retrained(result)
    # A class has many states; the re-trained ones are shown by the name that the verdict uses, not the first visited.
    names = {key: found.spec.name for key, found in searched.items()}
    names |= {row.class_key: row.decomposition for row in retrained}
    classes = [
        figures.VisitedClass(names[key], found.accuracy, found.parameters, roles.get(key, ""))
        for key, found in searched.items()
    ]
    label = "validation accuracy, " + ("one seed" if seeds == 1 else f"mean over {seeds} seeds")
    pictures = Pictures(search=_of_search(history))
    if result is not None and result.verdict is not None:
        winner = result.verdict.winner.child()
        if winner.tied_grids:
            pictures.winner.append(_orbits(winner))
        pictures.compared.append(_fresh_seeds(retrained, roles))
    closed_sets = {} if result is None else result.closed_sets
    if searched and searched.keys() <= closed_sets.keys() and len(closed_sets) <= MOST_CLASSES:
        pictures.space.append(_lattice(closed_sets, searched, names, roles, find_space()))
    if classes:
        text = f"{label.partition(', ')[2].capitalize()}. Small differences are not significant; the comparison on "
        ordered = sorted(classes, key=lambda c: -c.accuracy)
        columns = ("network", "role", "validation accuracy", "free parameters")
        table = Table.of(columns, [(c.name, c.role, percent(c.accuracy), c.parameters) for c in ordered], texts=2)
        draw = partial(figures.accuracy_by_class, classes, label)
        pictures.space.append(Picture.drawn("Accuracy by class", text + "fresh seeds decides.", draw, table))
        sized = [found for found in classes if found.parameters]  # it is 0 for a class that failed on every seed
        if sized:
            by_size = sorted(sized, key=lambda c: c.parameters)
            rows = [(c.name, c.role, c.parameters, percent(c.accuracy)) for c in by_size]
            table = Table.of(("network", "role", "free parameters", "validation accuracy"), rows, texts=2)
            draw = partial(figures.accuracy_against_parameters, sized, label)
            pictures.space.append(Picture.drawn("Accuracy against parameters", _of_sizes(child), draw, table))
    return pictures


def method_pictures(result: SearchResult | None, history: Sequence[JsonDict], explored: Sequence[Result]) -> Pictures:
    """Return the pictures of a search that compares methods.

    Args:
        result: the run's result; None if there is none yet.
        history: every slice of training.
        explored: what was trained, for the groups of mixed layers.
    """
    branches = {evaluation.key: spec.mixed for evaluation, spec in explored if isinstance(spec, EquiNASSpec)}
    methods = () if result is None else result.methods
    return Pictures(methods=layerwise_pictures(history, methods, lambda key: branches.get(key, ())))


def _retrained(result: SearchResult | None) -> Sequence[ClassRow]:
    """Return the classes trained on the selection seeds, best first; the hidden group too if the search missed it."""
    if result is None or result.verdict is None:
        return []
    rows: dict[str, ClassRow] = {row.class_key: row for row in result.verdict.selection}
    if result.hidden_group is not None:
        rows.setdefault(result.hidden_group.class_key, result.hidden_group)
    return sorted(rows.values(), key=lambda row: -row.validation.mean)


def _orbits(winner: ChildSpec) -> Picture:
    rows = [
        (title, d.group_name([grid]), cells_of(grid), grid_orbits(d.generators, grid).count)
        for title, d, grid in winner.tied_grids
    ]
    return Picture.drawn(
        "What the winner ties together",
        "Cells of one colour are one orbit: the group maps them onto each other, and they share weights.",
        partial(figures.orbit_pictures, winner),
        Table.of(("grid", "group", "cells", "orbits"), rows, texts=2),
    )


def _fresh_seeds(retrained: Sequence[ClassRow], roles: Mapping[str, str]) -> Picture:
    rows = [
        (row.decomposition, row.validation.mean, row.validation.interval, roles.get(row.class_key, ""))
        for row in retrained
    ]
    cells = [
        (
            row.decomposition,
            roles.get(row.class_key, ""),
            percent(row.validation.mean),
            interval(row.validation.interval),
            row.parameters,
        )
        for row in retrained
    ]
    columns = ("network", "role", "validation accuracy", "95 % interval", "free parameters")
    return Picture.drawn(
        "The best classes on fresh seeds",
        "Mean and 95 % interval over the seeds. The winner is the best of the classes that the search visited.",
        partial(figures.selection_intervals, rows),
        Table.of(columns, cells, texts=2),
    )


def _of_search(history: Sequence[JsonDict]) -> list[Picture]:
    firsts = [visit for visit in history if visit.get("first")]
    if not firsts:
        return []
    rows = [(visit["visits"], percent(visit["accuracy"]), percent(visit["best"])) for visit in firsts]
    pictures = [
        Picture.drawn(
            "Learning curve",
            "Validation accuracy of each new child, and the best so far.",
            partial(figures.learning_curve, history),
            Table.of(("children visited", "validation accuracy", "best so far"), rows, texts=0),
        )
    ]
    if can_draw(firsts):
        means = [
            (f"{epsilon:g}", count, percent(mean), interval(ends))
            for epsilon, mean, ends, count in means_by_epsilon(firsts)
        ]
        pictures.append(
            Picture.drawn(
                "Means over the search",
                f"First: mean validation accuracy of the last {WINDOW} new children; the dashed line is the first "
                "child, the untied one. Second: mean over the new children met while epsilon had each value, with a "
                "95 % interval over the children. An agent that learns raises both as epsilon falls.",
                partial(search_means, firsts),
                Table.of(("epsilon", "new children", "mean accuracy", "95 % interval"), means),
            )
        )
    return pictures


def _of_sizes(child: ChildSpec) -> str:
    if child.chooses == "symmetry":
        return "Tying weights reduces the number of parameters; only suitable symmetries keep the accuracy."
    return "At each size, the numbers of fields are set so that all groups have about as many parameters."


def _lattice(
    closed_sets: Mapping[str, int],
    searched: Mapping[str, ExploredClass],
    names: Mapping[str, str],
    roles: Mapping[str, str],
    space: Space,
) -> Picture:
    classes = [
        LatticeClass(
            closed_set,
            names.get(key) or space.closed_set_name(closed_set),
            searched[key].accuracy if key in searched else None,
            roles.get(key, ""),
        )
        for key, closed_set in closed_sets.items()
    ]
    rows = [
        (c.name, c.role, c.closed_set.bit_count(), "not visited" if c.accuracy is None else percent(c.accuracy))
        for c in sorted(classes, key=lambda c: (c.closed_set.bit_count(), c.name))
    ]
    return Picture.drawn(
        "The whole space",
        "Each circle is a network, coloured by its validation accuracy. A line leads up to the next networks that are "
        "tied further. Point at a circle to see its name.",
        partial(lattice, classes),
        Table.of(("network", "role", "factors that it respects", "validation accuracy"), rows, texts=2),
    )
