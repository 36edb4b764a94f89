"""Checks a search before it is submitted, and says what it will cost; the functions run in a helper."""

from itertools import islice
from pathlib import Path
from statistics import mean
from typing import cast

from aen._typing import JsonDict
from aen.children import ChildSpec, EquiNASSpec, build_child
from aen.children.gcnn_widths import escnn_per_pair
from aen.data import find_source, load_dataset
from aen.errors import AenError
from aen.groups.grid import cells_of, shape_of
from aen.results.store import ResultStore
from aen.spaces import DecompositionSpace, LayerwiseDecompositionSpace, Space
from aen.training import available_cores
from aen_agents.agents.chosen_states import chosen_classes, listed_states
from aen_agents.agents.registry import check_agent
from aen_agents.agents.selection import check_final_child, final_child, fresh_seeds
from aen_agents.config import ExhaustiveConfig, LayerwiseConfig, SearchConfig
from aen_agents.evaluators.factory import workers_of
from aen_agents.problem import check_space, child_of, space_of
from aen_service.computing.layerwise_cost import layerwise_cost
from aen_service.computing.timing import child_seconds, timed_step
from aen_service.searches.submission import SearchRequest, config_of

_MOST_LOADED = 2**26  # bytes of images that are loaded to check their number
_MOST_WEIGHTS = 2**24  # of a layer of a network that is built
_MOST_LISTED = 2**14  # states of a space whose classes are counted without a table
_MOST_COUNTED = 2**24  # states times weights of an alphabet whose classes are counted at once
_LOOKED_UP = 300  # children that are looked for in the store


def check(request: JsonDict, store: str, dataset: str | None, dataset_name: str | None) -> JsonDict:
    """Return what a search would be, and what it would cost; nothing is trained.

    Args:
        request: the fields of a `SearchRequest`.
        store: the service's result store, in which children like these are looked for.
        dataset: `data.path` of the data set that it names.
        dataset_name: its name.

    Raises:
        AenError: it cannot work; with the words of `aen search`.
    """
    given = SearchRequest(**request)
    config = config_of(given, dataset)
    child = child_of(config)
    check_space(config)
    space = space_of(config)
    check_agent(config, child, space)
    source = find_source(child.data.name, child.data.rules)
    size = sum(source.images) * cells_of(child.grid) * child.channels
    if size <= _MOST_LOADED:
        load_dataset(child.data)
        check_final_child(config, child)
    notices = [*source.notices, *space.remarks()]
    classes = _classes(space)
    if classes is None:
        notices.append("the classes are being counted; check again in a while")
    explore, select = _children(config, space, classes)
    seconds: float | None
    if config.agent.trains_slices and _is_small(child):
        cost = layerwise_cost(cast("LayerwiseConfig", config.agent), cast("EquiNASSpec", child))
        explore, seconds, basis = cost.children, cost.seconds / _workers(config), cost.basis
        seconds_per_child: float | None = cost.seconds / max(cost.children, 1)
        notices += cost.notices
    else:
        seconds_per_child, basis = _seconds_per_child(config, child, space, classes, Path(store))
        seconds = _seconds(config, child, explore, select, seconds_per_child)
    networks = None if explore is None else explore + select
    limit = None if config.budget.minutes is None else 60.0 * config.budget.minutes
    if limit is not None and (seconds is None or seconds > limit):
        seconds, basis = limit, f"budget.minutes={config.budget.minutes:g} ends it; {basis}"
        notices.append(
            f"budget.minutes={config.budget.minutes:g}: exploring ends in time for the selection stage, which is made "
            "smaller if it must be"
        )
    resolved = config.model_dump(mode="json")
    resolved.pop("store")
    resolved.pop("cluster", None)
    if dataset is not None:
        resolved["data"]["name"] = dataset_name
    return {
        "config": resolved,
        "states": space.states if space.states < 2**53 else None,
        "classes": classes,
        "networks": networks,
        "explore": explore,
        "select": select,
        "parameters": _parameters(child),
        "seconds": seconds,
        "seconds_per_child": seconds_per_child,
        "seconds_basis": basis,
        "notices": notices,
        "data": {
            "images": {part: getattr(child.data, part) for part in ("train", "validation", "test")},
            "grid": list(shape_of(child.grid)),
            "channels": child.channels,
            "classes": child.classes,
        },
    }


def complete(request: JsonDict, dataset: str | None) -> JsonDict:
    """Return the config of a search; see `aen_service.searches.submission.config_of`."""
    return {"config": config_of(SearchRequest(**request), dataset).model_dump(mode="json")}


def of_escnn(group: str, kernel_size: int) -> JsonDict:
    """Return what the numbers of parameters of G-CNN children depend on whose layers are those of escnn."""
    return {"values": list(escnn_per_pair(group, kernel_size))}


def count(request: JsonDict, dataset: str | None) -> JsonDict:
    """Count the classes of a search; the table goes to the cache on disk, where `check` finds it."""
    return {"classes": len(space_of(config_of(SearchRequest(**request), dataset)).classes)}


def _classes(space: Space) -> int | None:
    """Return the number of classes; None: it would take long to count them."""
    if isinstance(space, DecompositionSpace | LayerwiseDecompositionSpace):
        if "table" not in vars(space) and space._known_table is None:  # noqa: SLF001 - whether it takes long
            widest = max(cells_of(i) * cells_of(o) for i, o in space.child.layer_shapes)
            if widest * space.states > _MOST_COUNTED:
                return None
        return len(space.classes)
    return len(space.classes) if space.states <= _MOST_LISTED else None


def _children(config: SearchConfig, space: Space, classes: int | None) -> tuple[int | None, int]:
    """Return how many children exploring and the selection stage train at most; None: it is not known."""
    agent, selection = config.agent, config.selection
    explore: int | None
    if "selection" in agent.unused_sections:
        return None, 0
    seeds = agent.exploring_seeds
    if agent.name == "exhaustive":
        settings = cast("ExhaustiveConfig", agent)
        if classes is not None:
            explore = len(chosen_classes(settings, space)) * seeds
        else:
            explore = None if settings.states == "all" else (1 + len(list(listed_states(settings, space)))) * seeds
    elif agent.has_budget:
        most = config.budget.children
        explore = most if classes is None else min(most, classes * getattr(agent, "seeds", 1))
    else:  # of another package
        explore = None if classes is None else classes * seeds
    chosen = selection.top + 1 if classes is None else min(selection.top + 1, classes)
    rivals = len(selection.rivals)
    hidden = 1 if config.data.moves else 0
    return explore, (chosen + rivals + hidden) * selection.seeds


def _parameters(child: ChildSpec) -> int | None:
    """Return the number of free parameters of the baseline's child; None: it is too large to be built here."""
    return build_child(child).parameter_count() if _is_small(child) else None


def _is_small(child: ChildSpec) -> bool:
    shapes = getattr(child, "layer_shapes", ())
    return all(cells_of(i) * cells_of(o) <= _MOST_WEIGHTS for i, o in shapes) and cells_of(child.grid) <= _MOST_WEIGHTS


def _seconds_per_child(
    config: SearchConfig, child: ChildSpec, space: Space, classes: int | None, store: Path
) -> tuple[float | None, str]:
    """Return the seconds that a child takes, and on what that is based."""
    measured = _stored_seconds(config, child, space, classes, store)
    if measured:
        return mean(measured), f"the mean of {len(measured):,} such children that this service has trained"
    if not _is_small(child):
        return None, "the network is too large to be timed here"
    step, batch = timed_step(child)
    return (
        child_seconds(child, step, batch, float(child.training.epochs)),
        f"one step of training of the baseline's network, timed here: {1000 * step:.1f} ms for {batch} images",
    )


def _stored_seconds(
    config: SearchConfig, child: ChildSpec, space: Space, classes: int | None, store: Path
) -> list[float]:
    """Return the seconds of children of this search that the store has."""
    if not store.exists():
        return []
    seeds = [config.seed, *fresh_seeds(config.seed, 2)]
    keys = child.keys_on_seeds(seeds)
    if classes is not None:
        keys += [space.spec(one).key for one in islice(space.classes, _LOOKED_UP)]
    try:
        with ResultStore(store, create=False) as found:
            return [e.seconds for e in found.get_many(keys).values() if e.status != "failed" and e.seconds > 0]
    except AenError:
        return []


def _seconds(
    config: SearchConfig, child: ChildSpec, explore: int | None, select: int, each: float | None
) -> float | None:
    """Return the seconds of the whole search, on the workers that it will have."""
    if explore is None or each is None:
        return None
    final = final_child(config, child)
    scale = float(final.training.epochs) / float(child.training.epochs)
    scale *= final.data.train / max(child.data.train, 1)
    return each * (explore + scale * select) / _workers(config)


def _workers(config: SearchConfig) -> int:
    return max(min(workers_of(config), available_cores()), 1)
