"""The tables beside the pictures of layer-wise methods."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aen._typing import JsonDict
from aen.results.result_rows import MethodRow
from aen_agents.report.layerwise.history import ancestors, distances_of, diverged, front, of_method, shares_of
from aen_agents.report.picture import Table, interval, percent


def accuracy_by_method(methods: Sequence[MethodRow]) -> Table:
    """Return the accuracy of each method on validation and test images; intervals where there are several seeds."""
    rows = []
    for row in methods:
        several = len(row.seeds) > 1
        figures = (row.validation, row.test)
        cells = [cell for a in figures for cell in (percent(a.mean), interval(a.interval) if several else "one seed")]
        rows.append((row.title, *cells))
    return Table.of(("method", "validation accuracy", "95 % interval", "test accuracy", "95 % interval"), rows)


def errors_over_seeds(methods: Sequence[MethodRow]) -> Table:
    """Return parameters and test error of the final network of each method and seed."""
    rows = [
        (row.title, str(seed), parameters, percent(1 - accuracy))
        for row in methods
        for seed, parameters, accuracy in zip(row.seeds, row.parameters_of_seeds, row.test.by_seed, strict=True)
    ]
    return Table.of(("method", "seed", "free parameters", "test error"), rows, texts=2)


def accuracy_over_training(history: Sequence[JsonDict], final_keys: Mapping[str, str]) -> Table:
    """Return validation accuracy over epochs, along the line that leads to each method's network."""
    rows = [
        (title, f"{entry['epochs']:g}", percent(entry["accuracy"]))
        for title, key in final_keys.items()
        for entry in ancestors(history, key)
    ]
    return Table.of(("method", "epochs trained", "validation accuracy"), rows)


def groups_over_slices(history: Iterable[JsonDict], key: str) -> Table:
    """Return the group of each layer in each slice of the line that leads to a network."""
    line = ancestors(history, key)
    layers = max(max(len(entry["groups"]), len(distances_of(entry))) for entry in line)
    columns = ("slice", *(f"layer {number}" for number in range(1, layers + 1)))
    rows = [(str(entry["slice"]), *entry["groups"], *["mixed"] * (layers - len(entry["groups"]))) for entry in line]
    return Table.of(columns, rows, texts=layers + 1)


def pareto_front(history: Iterable[JsonDict], method: str) -> Table:
    """Return the Pareto front of a search: parameters and validation error."""
    points = {
        (entry["parameters"], 1 - entry["accuracy"]) for entry in of_method(history, method) if not diverged(entry)
    }
    return Table.of(
        ("free parameters of the Pareto front", "validation error"),
        [(int(size), percent(error)) for size, error in front(points)],
        texts=0,
    )


def candidates_of_generations(history: Iterable[JsonDict], method: str) -> Table:
    """Return for each generation how many candidates there are, of which sizes, and the lowest validation error."""
    generations: dict[int, list[JsonDict]] = defaultdict(list)
    for entry in of_method(history, method):
        if not diverged(entry):
            generations[entry["slice"]].append(entry)
    rows = []
    for number in sorted(generations):
        entries = generations[number]
        sizes = [entry["parameters"] for entry in entries]
        lowest = percent(1 - max(entry["accuracy"] for entry in entries))
        rows.append((number, len(entries), min(sizes), max(sizes), lowest))
    columns = ("generation", "candidates", "fewest parameters", "most parameters", "lowest validation error")
    return Table.of(columns, rows, texts=0)


def last_shares(history: Iterable[JsonDict], method: str, seed: int, names: Sequence[str]) -> Table:
    """Return the share of each branch in each layer after the last slice of a method and seed."""
    entries = [entry for entry in of_method(history, method) if entry["seed"] == seed and shares_of(entry)]
    layers = shares_of(max(entries, key=lambda entry: entry["epochs"]))
    columns = ("layer", *names, *["skip"] * (max(map(len, layers)) - len(names)))
    rows = [
        (str(number), *map(percent, shares), *[None] * (len(columns) - 1 - len(shares)))
        for number, shares in enumerate(layers, 1)
    ]
    return Table.of(columns, rows)


def distances(history: Sequence[JsonDict], final_keys: Mapping[str, str]) -> Table:
    """Return the distance of each layer to the largest group, at the start and at the end of each method's line."""
    rows = []
    for title, key in final_keys.items():
        measured = [distances_of(entry) for entry in ancestors(history, key) if distances_of(entry)]
        if measured:
            first, last = measured[0], measured[-1]
            for number, distance in enumerate(last):
                start = f"{first[number]:.3f}" if number < len(first) else None
                rows.append((title, str(number + 1), start, f"{distance:.3f}"))
    return Table.of(("method", "layer", "after the first slice", "at the end"), rows, texts=2)
