"""Building tables: every class of a space is trained on every seed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aen._files import make_folder
from aen._typing import JsonDict
from aen.bench.definition import TableDefinition
from aen.bench.figures import TestFigures
from aen.bench.files import COLUMNS, TEST_COLUMNS, write_table, write_test_columns
from aen.bench.loading import load
from aen.bench.manifest import checked_content, note_table, provenance, read_manifest
from aen.bench.table import FloatArray, Table
from aen.children.spec import ChildSpec
from aen.data.dataset import load_dataset, load_test_split
from aen.errors import AenError, TableError
from aen.evaluators.base import Evaluator, stream
from aen.results.evaluation import Evaluation, TestMeasurement
from aen.symmetry import SymmetryTest, symmetry_test
from aen.training import children_by_epoch, load_child, measure_test, save_weights

Progress = Callable[[str, int, int], None]


def build_table(
    definition: TableDefinition,
    evaluator: Evaluator,
    folder: Path,
    progress: Progress = lambda *_: None,
    *,
    archive: Path | None = None,
) -> Table:
    """Train every child of a table and write it to ``<name>.parquet``, and its entry in the folder's manifest.

    If the evaluator keeps weights, every child is also measured on the test images after each epoch, for
    ``<name>.test.parquet``; its weights are deleted then. These figures are committed child by child to a file in the
    folder, so that an interrupted build goes on where it was if the evaluator has a store. A table that the folder has
    already, built from the same definition, is returned as it is.

    Args:
        definition: which children.
        evaluator: trains them; with a store, what an earlier start has trained is looked up.
        folder: where the files go; it is created.
        progress: called with the table's name, the number of children that are done, and of all.
        archive: a folder for the final weights of all children, as ``<key>.safetensors``; None: they are not kept.

    Raises:
        TableError: children could not be trained, or weights shall be archived and the evaluator keeps none.
        DataError: the images are not here.
    """
    weights = evaluator.weights_folder
    if archive is not None and weights is None:
        raise TableError("archive needs an evaluator with a weights_folder.")
    for each in [folder] if archive is None else [folder, archive]:
        make_folder(each)
    built = _built(definition, folder, archive, tested=weights is not None)
    if built is not None:
        return built
    results = _Results(definition)
    with ExitStack() as stack:
        tests = None if weights is None else stack.enter_context(TestFigures(folder))
        test_images = None if tests is None else load_test_split(definition.child.data)
        total = len(results.specs)
        for done, (place, evaluation) in enumerate(_evaluations(results.specs, evaluator, tests, archive), start=1):
            spec = results.specs[place]
            results.add(place, evaluation)
            if tests is not None and test_images is not None and evaluation.status != "failed":
                if evaluation.weights is not None and weights is not None:
                    path = weights / evaluation.weights
                    if not tests.of(spec.key):
                        networks = children_by_epoch(spec, path) if spec.training.curve else [load_child(spec, path)]
                        tests.add(spec.key, [measure_test(network, test_images) for network in networks])
                    if archive is not None:
                        save_weights(load_child(spec, path), archive / f"{spec.key}.safetensors")
                    _forget(evaluator, spec.key, path)
                results.add_tests(place, tests.of(spec.key))
            progress(definition.name, done, total)
    return results.write(folder, symmetry_of(definition))


def _built(definition: TableDefinition, folder: Path, archive: Path | None, *, tested: bool) -> Table | None:
    """Return a table that is in the folder already, whole and of this definition; None: it is to be built."""
    name = definition.name
    try:
        files = read_manifest(folder).get(name, {}).get("files", {})
        if not files or tested > (f"{name}.test.parquet" in files):
            return None
        for file in files:
            checked_content(folder, name, file)
        table = load(name, folder)
    except TableError:
        return None
    if table.definition.to_json() != definition.to_json():
        return None
    kept = archive is None or all((archive / f"{spec.key}.safetensors").is_file() for spec in definition.specs())
    return table if kept else None


def symmetry_of(definition: TableDefinition) -> SymmetryTest | None:
    """Return the symmetry test of a table's training images; None: its space names no factors, or none fits."""
    factors = definition.space.symmetry_factors()
    if not factors:
        return None
    train = load_dataset(definition.child.data).train
    try:
        return symmetry_test(train.images, train.labels, factors, seed=0)
    except AenError:
        return None


def _evaluations(
    specs: list[ChildSpec], evaluator: Evaluator, tests: TestFigures | None, archive: Path | None
) -> Iterator[tuple[int, Evaluation]]:
    """Yield the place and the evaluation of each spec, with weights where these are still needed."""
    if tests is None:
        yield from stream(evaluator, specs)
        return
    known = tests.keys()
    kept = [
        spec.key in known and (archive is None or (archive / f"{spec.key}.safetensors").is_file()) for spec in specs
    ]
    for keep_weights in (False, True):
        places = [place for place, measured in enumerate(kept) if measured is not keep_weights]
        for place, evaluation in stream(evaluator, [specs[p] for p in places], keep_weights=keep_weights):
            yield places[place], evaluation


def _forget(evaluator: Evaluator, key: str, path: Path) -> None:
    """Delete the weights of a child; the result stays."""
    store = getattr(evaluator, "store", None)
    if store is not None:
        store.forget_weights([key])
    path.unlink(missing_ok=True)


@dataclass
class _Results:
    """The results of a table's children as they arrive."""

    definition: TableDefinition
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        training = self.definition.child.training
        self.specs = self.definition.specs()
        self.epochs = tuple(range(1, int(training.epochs) + 1)) if training.curve else (int(training.epochs),)
        shape = (len(self.definition.classes), len(self.definition.seeds), len(self.epochs))
        self._columns: dict[str, FloatArray] = {name: np.zeros(shape) for name in COLUMNS}
        self._tests: dict[str, FloatArray] = {name: np.zeros(shape) for name in TEST_COLUMNS}
        self._parameters = np.zeros(shape[0], dtype=np.int64)
        self._tested = False

    def add(self, place: int, evaluation: Evaluation) -> None:
        """Add the evaluation of the spec at a place; what is missing of a child that diverged stays 0."""
        row, column = divmod(place, len(self.definition.seeds))
        self._parameters[row] = evaluation.parameters
        if evaluation.status == "failed":
            failure = (evaluation.record or {}).get("failure", {})
            self.failures.append(f"{self.specs[place].name}, seed {evaluation.seed} ({failure.get('kind', 'error')})")
        whole = {name: getattr(evaluation, name) for name in COLUMNS}
        curve: list[JsonDict] = (evaluation.record or {}).get("curve", [whole]) if len(self.epochs) > 1 else [whole]
        for number, entry in enumerate(curve):
            for name in COLUMNS:
                self._columns[name][row, column, number] = entry[name]

    def add_tests(self, place: int, measured: list[TestMeasurement]) -> None:
        """Add the results on the test images."""
        self._tested = True
        row, column = divmod(place, len(self.definition.seeds))
        for number, each in enumerate(measured):
            for name in TEST_COLUMNS:
                self._tests[name][row, column, number] = getattr(each, name)

    def write(self, folder: Path, symmetry: SymmetryTest | None) -> Table:
        """Write the files and the manifest's entry.

        Raises:
            TableError: children could not be trained.
        """
        definition = self.definition
        if self.failures:
            more = f" and {len(self.failures) - 1} more" if len(self.failures) > 1 else ""
            raise TableError(
                f"table {definition.name} was not written: {self.failures[0]}{more} could not be trained. Run the same "
                "command again to try them again; what was trained is kept."
            )
        made = provenance()
        table = Table(definition, self.epochs, self._columns, self._parameters, made, symmetry)
        files = [folder / f"{definition.name}.parquet"]
        write_table(table, files[0])
        if self._tested:
            files.append(folder / f"{definition.name}.test.parquet")
            write_test_columns(definition, self.epochs, self._tests, files[1])
        about = {
            "part": definition.part,
            "classes": len(definition.classes),
            "seeds": list(definition.seeds),
            "epochs": list(self.epochs),
            "seconds": round(float(self._columns["seconds"][:, :, -1].sum()), 1),
            **made,
        }
        note_table(folder, definition.name, about, files)
        return table
