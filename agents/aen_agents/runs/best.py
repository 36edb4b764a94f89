"""Whether the winner's network in ``best/`` of a complete run can be loaded."""

from aen._files import cannot_read
from aen._reading import MALFORMED, MAX_SMALL, read_json
from aen.children import ChildSpec
from aen.errors import AenError
from aen.training.weights import what_is_wrong_with
from aen_agents.runs.folder import RunFolder


def what_is_wrong_with_best(folder: RunFolder) -> str | None:
    """Return why the network of the winner is damaged, as a clause; None: it is intact, or may not be read."""
    spec_file, weights = folder.best / "spec.json", folder.best / "weights.safetensors"
    try:
        spec = ChildSpec.from_stored(read_json(spec_file, MAX_SMALL))
    except FileNotFoundError as error:
        return cannot_read(spec_file, error)
    except OSError:
        return None
    except (AenError, *MALFORMED):
        return f"{spec_file} is damaged"
    wrong = what_is_wrong_with(spec.key, weights)
    return None if wrong is None else f"{weights} is {wrong}"
