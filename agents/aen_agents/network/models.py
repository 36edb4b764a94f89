"""The trained networks of a run, ``best`` and ``trained``, and what is stored beside their weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from aen._files import cannot_read
from aen._reading import MALFORMED, MAX_SMALL, read_json, unsealed
from aen._typing import JsonDict
from aen.children import Child, ChildSpec
from aen.data import Preprocessing, TrainedOn, preprocessing_of
from aen.data.trained_on import TRAINED_ON_FILE
from aen.errors import AenError, DataError, RunFolderError, did_you_mean
from aen.loading import load_network
from aen_agents.errors import file_error
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.folder_hints import why_not_a_run
from aen_agents.text import command

BEST, TRAINED = "best", "trained"
MODELS = (BEST, TRAINED)
PREPROCESSING_FILE = "preprocessing.json"
TRAINING_FILE = "training.json"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network in a folder.

    Attributes:
        folder: with ``spec.json`` and ``weights.safetensors``; newer ones have ``preprocessing.json``, too.
        child: the network, in evaluation mode on the CPU.
    """

    folder: Path
    child: Child

    @property
    def name(self) -> str:
        """``best``, ``trained``, or the folder's name."""
        return self.folder.resolve().name

    @property
    def spec(self) -> ChildSpec:
        """The network's spec."""
        return self.child.spec

    def preprocessing(self) -> Preprocessing:
        """Return how pixels are standardised; computed from the data where the folder does not say it.

        Raises:
            RunFolderError: its file is damaged.
            DataError: there is no such file, and the data is not there either.
        """
        file = self.folder / PREPROCESSING_FILE
        stored = _read(file)
        if stored is not None:
            try:
                return Preprocessing.from_json(stored)
            except (AenError, *MALFORMED) as error:
                raise RunFolderError(f"{file} is damaged: {error}") from error
        try:
            return preprocessing_of(self.spec.data)
        except DataError as error:
            raise DataError(f"{self.folder} has no {PREPROCESSING_FILE}, and it cannot be computed: {error}") from error

    def trained_on(self) -> TrainedOn:
        """Return what is to be known of its data: what the folder says, or else what the data says, if it is there.

        Raises:
            RunFolderError: a file is damaged or cannot be read.
            DataError: neither the folder nor the data says how pixels are standardised.
        """
        file = self.folder / TRAINED_ON_FILE
        try:
            stored = TrainedOn.read(self.folder)
        except DataError as error:
            raise RunFolderError(str(error)) from error
        except OSError as error:
            raise RunFolderError(f"{cannot_read(file, error)}.") from error
        if stored is not None and len(stored.class_names) == self.spec.classes:
            return stored
        found = TrainedOn.of(self.spec.data, self.spec.classes, self.preprocessing())
        names = (_read(self.folder / TRAINING_FILE) or {}).get("class_names")  # of a folder of an earlier version
        if isinstance(names, list) and len(names) == self.spec.classes:
            return replace(found, class_names=tuple(map(str, names)))
        return found

    def class_names(self) -> tuple[str, ...]:
        """Return the name of each class; its number where the data set has no names."""
        return self.trained_on().class_names


def find_run_model(run: RunFolder, which: str | None = None) -> Model:
    """Return a network of a run.

    Args:
        run: the run folder.
        which: ``best``, the winner as the search trained it, or ``trained``, as `aen train` did; None: ``trained`` if
            there is one.

    Raises:
        RunFolderError: the run has no winner yet, or no such network.
        StoreError: the weights are missing or damaged.
    """
    if which not in (None, *MODELS):
        raise RunFolderError(f"model is {which!r}{did_you_mean(str(which), MODELS)}.")
    trained = run.path / TRAINED
    if which is None:
        which = TRAINED if (trained / "spec.json").is_file() else BEST
    if which == TRAINED and not (trained / "spec.json").is_file():
        raise RunFolderError(
            f"{run.path} has no trained network; train it with `{command()} train {run.path}`, or use --model best."
        )
    if which == BEST:
        check_winner(run.path)
    return Model(run.path / which, load_network(run.path / which))


def check_winner(run: Path) -> None:
    """Check that the search of a run folder has a winner.

    Raises:
        RunFolderError: it is not finished.
    """
    if not (run / BEST / "spec.json").is_file():
        raise RunFolderError(
            f"{run} has no winner yet: its search is not finished; `{command()} resume {run}` resumes it."
        )


def find_model(path: Path) -> Model:
    """Return a network by the path of a run folder, or of a folder with ``spec.json`` and ``weights.safetensors``.

    Raises:
        RunFolderError: neither; or the run has no winner yet.
        StoreError: the weights are missing or damaged.
    """
    if (path / "spec.json").is_file():
        return Model(path, load_network(path))
    if path.is_dir() and not (path / "config.yaml").is_file():
        raise RunFolderError(f"{path} holds no network: it is neither a run folder nor has it a spec.json.")
    if not path.is_dir():
        raise RunFolderError(why_not_a_run(path))
    return find_run_model(RunFolder.open(path))


def _read(file: Path) -> JsonDict | None:
    """Return the JSON object in a file, or None if there is no such file."""
    try:
        found = unsealed(read_json(file, MAX_SMALL))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{cannot_read(file, error)}.") from error
    except ValueError as error:
        raise file_error(file, error, "Remove it: where the data is, it is computed again.") from error
    if not isinstance(found, dict):
        raise RunFolderError(f"{file} is damaged: it is not a JSON object. Remove it.")
    return found
