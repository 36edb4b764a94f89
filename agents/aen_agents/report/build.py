"""Building a run's report from what its folder holds, finished or not."""

import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from aen._typing import JsonDict
from aen.children import ChildSpec, DenseSpec, EquiNASSpec
from aen.data import load_dataset
from aen.results import Evaluation
from aen.results.database_errors import shown
from aen.results.store import ResultStore
from aen.spaces import Space
from aen_agents.agents.layerwise.neighbours import PUBLISHED_MIXED, PUBLISHED_RELAXED, subgroups_of
from aen_agents.agents.selection import exploring_seeds, fresh_seeds
from aen_agents.config import EquiNASDConfig, EquiNASEConfig, SearchConfig
from aen_agents.problem import child_of, space_of
from aen_agents.report import figures
from aen_agents.report.factors import effect_rows, share_picture
from aen_agents.report.failures import failures_of
from aen_agents.report.lattice import MOST_CLASSES, LatticeClass, lattice
from aen_agents.report.layerwise.pictures import layerwise_pictures
from aen_agents.runs.folder import RunFolder, write_atomically


@dataclass(frozen=True)
class _Picture:
    title: str
    text: str
    svg: Markup


@dataclass(frozen=True)
class _Searched:
    """A class that exploring met.

    Attributes:
        spec: its child.
        accuracy: validation accuracy, the mean over the seeds.
        parameters: number of free parameters.
    """

    spec: ChildSpec
    accuracy: float
    parameters: int


_Result = tuple[Evaluation, ChildSpec]


def build_report(folder: RunFolder) -> None:
    """Write ``report.html`` from the store, the history and the summary of a run.

    Raises:
        RunFolderError: the folder or its summary cannot be read.
        StoreError: the run's store is missing, damaged, cannot be reached, or is none.
    """
    config, summary, history = folder.config(), folder.summary() or {}, folder.history()
    child, seeds = child_of(config), exploring_seeds(config)
    explored, failed = _results(config, folder, child, history)
    roles = _roles(summary, child)
    environment = Environment(
        loader=PackageLoader("aen_agents.report", "."), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    html = environment.get_template("template.html").render(
        config=config,
        config_text=config.model_copy(update={"store": config.store and shown(config.store)}).to_yaml(),
        data=child.data,
        summary=summary,
        complete=summary.get("status") == "complete",
        baseline_name=summary.get("baseline_name", "untied"),
        best=max((e.validation_accuracy for e, _ in explored), default=None),
        searched=sum(e.status != "failed" for e, _ in explored),
        failures=failures_of(failed),
        leading=_leading(summary, child),
        factors=_factors(summary),
        roles=roles,
        seeds=len(seeds),
        pictures=_layerwise_pictures(config, child, summary, history)
        if isinstance(config.agent, EquiNASEConfig | EquiNASDConfig)
        else _pictures(
            child,
            summary,
            history,
            searched=_by_class(explored),
            roles=roles,
            find_space=functools.partial(space_of, config),  # its classes take time: only if they are shown
            seeds=len(seeds),
        ),
        aen_version=version("aen"),
    )
    write_atomically(folder.report_file, html)


def _results(
    config: SearchConfig, folder: RunFolder, child: ChildSpec, history: Sequence[JsonDict]
) -> tuple[list[_Result], list[_Result]]:
    """Return what exploring trained, and what failed in any stage."""
    seeds = set(exploring_seeds(config))
    with ResultStore(config.store or folder.store_file, create=False) as store:
        found = [e for e in store.outcomes() if e.seed in seeds or e.status == "failed"]
        if config.store is not None:
            # Other runs may share it. What this one met is in its history.
            met, own = (
                {line["class_key"] for line in history},
                {*seeds, *fresh_seeds(config.seed, config.selection.seeds)},
            )
            found = [e for e in found if e.class_key in met and e.seed in own]
        specs = store.specs([e.key for e in found])
    results = [(e, specs[e.key]) for e in found if e.key in specs]
    if config.store is not None:
        results = [(e, spec) for e, spec in results if _may_be_of(spec, child)]
    return [r for r in results if r[0].seed in seeds], [r for r in results if r[0].status == "failed"]


def _may_be_of(spec: ChildSpec, child: ChildSpec) -> bool:
    """Say whether a child is of the same kind, data and training as the baseline; heirs are trained in slices."""
    epochs = child.training.epochs if spec.heritable else spec.training.epochs
    return (
        spec.kind == child.kind and spec.data == child.data and replace(spec.training, epochs=epochs) == child.training
    )


def _by_class(trained: Sequence[tuple[Evaluation, ChildSpec]]) -> dict[str, _Searched]:
    evaluations, specs = defaultdict(list), {}
    for evaluation, spec in trained:
        evaluations[evaluation.class_key].append(evaluation)
        specs[evaluation.class_key] = spec
    return {
        key: _Searched(
            spec, fmean(e.validation_accuracy for e in evaluations[key]), max(e.parameters for e in evaluations[key])
        )
        for key, spec in specs.items()
    }


def _leading(summary: JsonDict, child: ChildSpec, count: int = 10) -> list[JsonDict]:
    """Return the best classes of a whole space, and those that the others are measured by: untied and hidden group."""
    space = summary.get("space")
    if space is None:
        return []
    wanted = {child.class_key, *([space["hidden_group"]["class_key"]] if space.get("hidden_group") else [])}
    return [row for row in space["classes"] if row["rank"] <= count or row["class_key"] in wanted]


def _factors(summary: JsonDict) -> JsonDict | None:
    """Return what the page says of factors: the summary's part, the table of effects and the picture of shares."""
    factors: JsonDict | None = summary.get("factors")
    if factors is None:
        return None
    svg = share_picture(factors) if factors["shares"] else ""
    return factors | {"rows": effect_rows(factors), "svg": Markup(svg)}  # noqa: S704 - made by matplotlib just now


def _roles(summary: JsonDict, child: ChildSpec) -> dict[str, str]:
    """Return the role of each class that has one; the winner's comes last, so that it shows."""
    roles = {}
    if "hidden_group" in summary:
        roles[summary["hidden_group"]["class_key"]] = "hidden group"
    roles[child.class_key] = summary.get("baseline_name", "untied")
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
    *,
    searched: dict[str, _Searched],
    roles: dict[str, str],
    find_space: Callable[[], Space],
    seeds: int,
) -> list[_Picture]:
    # A class has many states; the re-trained ones are shown by the name that the verdict uses, not the first visited.
    names = {key: found.spec.name for key, found in searched.items()}
    names |= {row["class_key"]: row["decomposition"] for row in _retrained(summary)}
    classes = [
        figures.VisitedClass(names[key], found.accuracy, found.parameters, roles.get(key, ""))
        for key, found in searched.items()
    ]
    label = "validation accuracy, " + ("one seed" if seeds == 1 else f"mean over {seeds} seeds")
    pictures = []

    def add(title: str, text: str, svg: str) -> None:
        pictures.append(_Picture(title, text, Markup(svg)))  # noqa: S704 - made by matplotlib just now

    if "winner" in summary:
        winner = ChildSpec.from_json(summary["winner"]["spec"])
        if isinstance(winner, DenseSpec) and (winner.decomposition.factors or winner.layers):
            add(
                "What the winner ties together",
                "Cells of one colour are one orbit: the group moves them onto each other; they share weights.",
                figures.orbit_pictures(winner),
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
    closed_sets = summary.get("closed_sets", {})
    if searched and searched.keys() <= closed_sets.keys() and len(closed_sets) <= MOST_CLASSES:
        add(
            "The whole space",
            "Each circle is a network, coloured by its validation accuracy. A line leads up to the next networks that "
            "are tied further. Point at a circle to see which it is.",
            _lattice(closed_sets, searched, names, roles, find_space()),
        )
    if any(visit.get("first") for visit in history):
        add("The search", "What each new child reached, and the best so far.", figures.learning_curve(history))
    if classes:
        add(
            "Accuracy by class",
            f"{label.partition(', ')[2].capitalize()}; small differences mean nothing, the selection above decides.",
            figures.accuracy_by_class(classes, label),
        )
    sized = [found for found in classes if found.parameters]  # nobody knows it of a class that failed everywhere
    if sized:
        add(
            "Accuracy against parameters",
            "Tying weights makes a network smaller; only the right ties keep it accurate."
            if isinstance(child, DenseSpec)
            else "Within a size, the numbers of fields are chosen such that all groups have about as many parameters.",
            figures.accuracy_against_parameters(sized, label),
        )
    add(*_images(child))
    return pictures


def _layerwise_pictures(
    config: SearchConfig, child: ChildSpec, summary: JsonDict, history: list[JsonDict]
) -> list[_Picture]:
    """Return the pictures of a search that gives each layer a group of its own."""
    agent = config.agent
    published = PUBLISHED_MIXED if isinstance(agent, EquiNASDConfig) else PUBLISHED_RELAXED
    names: tuple[str, ...] = ()
    if isinstance(child, EquiNASSpec) and isinstance(agent, EquiNASEConfig | EquiNASDConfig):
        names = subgroups_of(child.base, agent.subgroups, published=published)
    found = layerwise_pictures(history, summary.get("methods", []), names)
    return [_Picture(title, text, Markup(svg)) for title, text, svg in [*found, _images(child)]]  # noqa: S704


def _images(child: ChildSpec) -> tuple[str, str, str]:
    return (
        "Some of the images it saw",
        "Training images after the moves that the config asks for.",
        figures.some_images(load_dataset(child.data).train),
    )


def _lattice(
    closed_sets: dict[str, int],
    searched: dict[str, _Searched],
    names: dict[str, str],
    roles: dict[str, str],
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
