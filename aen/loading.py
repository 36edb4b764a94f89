"""Loading the network that a search found."""

import shlex
from pathlib import Path

from aen._files import cannot_read
from aen._reading import MALFORMED, MAX_SMALL, read_json
from aen.children import Child, ChildSpec
from aen.errors import AenError, DamagedFileError, RunFolderError
from aen.training.weights import load_child


def load(run: str | Path) -> Child:
    """Return the winner of a finished search as a module in evaluation mode.

    Args:
        run: the run folder, such as ``runs/digits-20261122-101500-1a2b3c``.

    Raises:
        RunFolderError: not a run folder, one that may not be read, or a run that has no winner yet.
        StoreError: the weights are missing, may not be read, or are damaged.
    """
    return load_network(Path(run) / "best")


def load_network(folder: Path) -> Child:
    """Return the network of a folder with ``spec.json`` and ``weights.safetensors``, such as ``best`` of a run.

    Raises:
        RunFolderError: there is no such folder, or it may not be read.
        StoreError: as for `load`.
    """
    spec_file, run = folder / "spec.json", folder.parent
    try:
        spec = ChildSpec.from_stored(read_json(spec_file, MAX_SMALL))
    except (FileNotFoundError, NotADirectoryError) as error:
        why = f"no {spec_file}" if run.is_dir() else "there is no such folder"
        raise RunFolderError(f"{run} holds no winner ({why}); name the folder of a finished search.") from error
    except OSError as error:
        raise RunFolderError(f"{cannot_read(spec_file, error)}.") from error
    except AenError as error:
        raise RunFolderError(f"{spec_file}: {error}") from error
    except MALFORMED as error:
        raise RunFolderError(f"{spec_file} is damaged: {error}") from error
    try:
        return load_child(spec, folder / "weights.safetensors")
    except DamagedFileError as error:
        again = {"best": "resume", "trained": "train"}.get(folder.name)
        remedy = "" if again is None else f" `aen {again} {shlex.quote(str(run))}` writes them again."
        raise DamagedFileError(f"{str(error).rstrip('.')}.{remedy}") from error
