"""ChildTable: the children of a search as arrays, which are sorted, filtered and grouped without Python objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aen.results.columns import Snapshot
from aen_service.reading.history import RunHistory
from aen_service.reading.log import RunLog

# Columns of the interface, and those of the store.
NUMBERS = {
    "seed": "seed",
    "accuracy": "validation_accuracy",
    "train_accuracy": "train_accuracy",
    "loss": "validation_loss",
    "train_loss": "train_loss",
    "parameters": "parameters",
    "epochs": "epochs",
    "seconds": "seconds",
    "finished": "finished_at",
}
TEXTS = ("class_key", "factors", "group", "stage", "status", "device", "key")
SORTED_BY = (*NUMBERS, *TEXTS)
CLASSES_SORTED_BY = ("accuracy", "best", "children", "parameters", "factors", "group", "class_key", "role")
_FRESH = (1_000_000, 1_001_000_000)  # seeds of the stages after exploring; see `aen_agents.agents.selection`


@dataclass(frozen=True)
class ClassStatistics:
    """The children of each class that exploring trained, as arrays with one entry for each class.

    Attributes:
        keys: of the classes.
        accuracy: mean over the children.
        best: the highest accuracy.
        children: how many there are.
        parameters: number of free parameters.
    """

    keys: Sequence[str]
    accuracy: NDArray[np.float64]
    best: NDArray[np.float64]
    children: NDArray[np.int64]
    parameters: NDArray[np.float64]


class ChildTable:
    """The children of a search.

    Args:
        snapshot: the store; None: it cannot be read here, so that only what the history has is known.
        history: of the run.
        log: of the run.
        whole_store: whether all results in the store belong to the run.

    Attributes:
        size: how many children there are.
        keys: of their specs; empty where it is not known.
        numbers: columns by their names in the interface; NaN: not known.
        class_orders: places in `by_class`, as they were sorted by texts.
    """

    def __init__(self, snapshot: Snapshot | None, history: RunHistory, log: RunLog, *, whole_store: bool) -> None:
        self._classes = dict(history.classes)
        self._space_names: dict[str, str] = {} if log.space is None else log.space.get("names") or {}
        self._selected = dict(log.selected)
        self._codes: dict[str, NDArray[np.int32]] = {}
        self._words: dict[str, Sequence[str]] = {}
        self._orders: dict[tuple[str, bool], NDArray[np.int32]] = {}
        self.class_orders: dict[str, list[int]] = {}
        self._chosen: tuple[object, NDArray[np.bool_]] | None = None
        if snapshot is None:
            self._of_history(history)
        else:
            keys = dict.fromkeys([*history.children, *log.selected])
            self._of_store(snapshot, np.arange(snapshot.size) if whole_store else snapshot.places(keys))

    def _of_store(self, snapshot: Snapshot, places: NDArray[np.int64]) -> None:
        self.size = len(places)
        self.keys: Sequence[str] = [snapshot.keys[place] for place in places.tolist()]
        self.numbers = {name: snapshot.numbers[column][places] for name, column in NUMBERS.items()}
        for name in ("class_key", "status", "device"):
            self._codes[name] = snapshot.texts[name][places]
            self._words[name] = snapshot.words[name]

    def _of_history(self, history: RunHistory) -> None:
        known = history.children
        self.size = len(known)
        self.keys = ["" if "-" in key else key for key in known]
        unknown = np.full(self.size, np.nan)
        parameters = [self._classes[child.class_key].parameters for child in known.values()]
        self.numbers = dict.fromkeys(NUMBERS, unknown) | {
            "accuracy": _floats([child.accuracy for child in known.values()]),
            "seed": _floats([child.seed for child in known.values()]),
            "parameters": _floats(parameters),
        }
        self._encode("class_key", [child.class_key for child in known.values()])
        self._encode("status", [""] * self.size)
        self._encode("device", [""] * self.size)

    def _encode(self, name: str, values: Sequence[str]) -> None:
        words = list(dict.fromkeys(values))
        codes = {word: code for code, word in enumerate(words)}
        self._codes[name], self._words[name] = np.array([codes[v] for v in values], dtype=np.int32), words

    def factors_of_class(self, class_key: str) -> str:
        """Return the factors of a class; empty: not known."""
        known = self._classes.get(class_key)
        return self._space_names.get(class_key, "") if known is None else known.factors

    def group_of_class(self, class_key: str) -> str:
        """Return the name of the group of a class; empty: not known."""
        known = self._classes.get(class_key)
        return "" if known is None else known.group or ""

    @cached_property
    def selected(self) -> NDArray[np.bool_]:
        """Whether each child was trained after exploring."""
        seeds = self.numbers["seed"]
        by_seed = (seeds >= _FRESH[0]) & (seeds < _FRESH[1])
        if not self._selected:
            return by_seed
        named = np.fromiter((key in self._selected for key in self.keys), dtype=bool, count=self.size)
        return named | by_seed

    def text(self, name: str, place: int) -> str:
        """Return the value of a column of texts at a place."""
        if name == "key":
            return self.keys[place]
        if name in ("factors", "group"):
            chosen = self._selected.get(self.keys[place])
            class_key = self.text("class_key", place)
            if name == "factors":
                return chosen[1] if chosen is not None else self.factors_of_class(class_key)
            return self.group_of_class(class_key)
        if name == "stage":
            chosen = self._selected.get(self.keys[place])
            return chosen[0] if chosen is not None else "select" if self.selected[place] else "explore"
        return str(self._words[name][self._codes[name][place]])

    def order(self, column: str, *, descending: bool) -> NDArray[np.int32]:
        """Return all places sorted by a column; unknown values come last, equal ones in the order of the store."""
        known = self._orders.get((column, descending))
        if known is None:
            values = self._sortable(column)
            order = np.argsort(-values if descending else values, kind="stable")  # NaN comes last either way
            known = self._orders[column, descending] = order.astype(np.int32)
        return known

    def _sortable(self, column: str) -> NDArray[np.float64]:
        if column in NUMBERS:
            return self.numbers[column]
        if column in {"factors", "group"}:
            words = self._words["class_key"]
            of_class = self._by_class(self.factors_of_class if column == "factors" else self.group_of_class)
            return _ranks([of_class.get(word, "") for word in words])[self._codes["class_key"]]
        if column == "key":
            return _ranks(self.keys)
        if column == "stage":
            return self.selected.astype(np.float64)
        return _ranks(self._words[column])[self._codes[column]]

    def _by_class(self, value: Callable[[str], str]) -> dict[str, str]:
        words = self._words["class_key"]
        return {words[code]: value(words[code]) for code in np.unique(self._codes["class_key"]).tolist()}

    def where(self, *, status: str | None, name: str | None) -> NDArray[np.bool_]:
        """Return which children have a status and a text in their factors, whatever its case."""
        asked, known = (status, name), self._chosen
        if known is None or known[0] != asked:
            known = self._chosen = asked, self._choose(status, name)
        return known[1]

    def _choose(self, status: str | None, name: str | None) -> NDArray[np.bool_]:
        chosen = np.ones(self.size, dtype=bool)
        if status is not None:
            words = self._words["status"]
            chosen &= np.isin(self._codes["status"], [code for code, word in enumerate(words) if word == status])
        if name:
            part, words = name.lower(), self._words["class_key"]
            found = [
                code
                for code in np.unique(self._codes["class_key"]).tolist()
                if part in self.factors_of_class(words[code]).lower()
            ]
            chosen &= np.isin(self._codes["class_key"], found)
        return chosen

    @cached_property
    def by_class(self) -> ClassStatistics:
        """What exploring found of each class."""
        explored = ~self.selected & ~np.isnan(self.numbers["accuracy"])
        codes, accuracy = self._codes["class_key"][explored], self.numbers["accuracy"][explored]
        different, place, count = np.unique(codes, return_inverse=True, return_counts=True)
        best = np.full(len(different), -np.inf)
        np.maximum.at(best, place, accuracy)
        parameters = np.zeros(len(different))
        np.maximum.at(parameters, place, np.nan_to_num(self.numbers["parameters"][explored]))
        words = self._words["class_key"]
        return ClassStatistics(
            keys=[words[code] for code in different.tolist()],
            accuracy=np.bincount(place, weights=accuracy, minlength=len(different)) / np.maximum(count, 1),
            best=best,
            children=count.astype(np.int64),
            parameters=parameters,
        )


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _ranks(words: Sequence[str]) -> NDArray[np.float64]:
    """Return the place of each text among the different ones, in alphabetical order; empty ones come last."""
    place = {word: float(rank) for rank, word in enumerate(sorted(set(words)))}
    return np.array([place[word] if word else np.nan for word in words], dtype=np.float64)
