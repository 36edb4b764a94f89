"""Files of trained Q-networks of dqn_transfer: safetensors, whose metadata says what they were trained on."""

import json
from functools import lru_cache
from pathlib import Path

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.children import ChildSpec
from aen.errors import SpecError
from aen_agents.agents.transfer.features import EVIDENCE, STATIC, SYMMETRY, SYMMETRY_EVIDENCE
from aen_agents.agents.transfer.network import ClassQNetwork, Ensemble
from aen_agents.config.strategies import TransferConfig

VERSION = "2"
_FEATURES = ",".join((*STATIC, *EVIDENCE, *SYMMETRY, *SYMMETRY_EVIDENCE))
SHIPPED = Path(__file__).parent / "policy.safetensors"


def save_policy(network: Ensemble, path: Path, trained: JsonDict) -> None:
    """Write a network.

    Args:
        network: trained.
        path: the file.
        trained: JSON values: tables, command, seed.
    """
    from safetensors.torch import save

    metadata = {"version": VERSION, "features": _FEATURES, "trained": json.dumps(trained, sort_keys=True)}
    write_atomically(path, save(network.state_dict(), metadata), durable=True)


def check_policy(settings: TransferConfig, _child: ChildSpec) -> None:
    """Check that the Q-network of a config can be read.

    Raises:
        SpecError: as by `load_policy`.
    """
    load_policy(settings.policy)


def tables_learnt(settings: TransferConfig) -> tuple[str, ...]:
    """Return the names of the tables that the Q-network of a config was trained on, as its file says.

    Raises:
        SpecError: as by `load_policy`, or the file does not say it.
    """
    from safetensors import safe_open

    load_policy(settings.policy)
    place = settings.policy or SHIPPED
    with safe_open(place, "pt") as file:
        text = file.metadata().get("trained", "")
    try:
        return tuple(json.loads(text)["tables"])
    except (ValueError, KeyError, TypeError) as error:
        raise SpecError(
            f"agent.policy {place} does not say which tables it was trained on; train it again with "
            "`make train-transfer`."
        ) from error


def load_policy(path: str | None) -> Ensemble:
    """Return the network of a file, the shipped one if None.

    Raises:
        SpecError: there is no such file, or it is damaged or of another version.
    """
    place = SHIPPED if path is None else Path(path)
    if not place.is_file():
        raise SpecError(f"agent.policy is {place}, which is no file; `make train-transfer` writes one.")
    return _load(place, place.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Ensemble:
    from safetensors import SafetensorError, safe_open

    del changed
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError) as error:
        raise SpecError(f"agent.policy {path} cannot be read: {error}.") from error
    if (metadata.get("version"), metadata.get("features")) != (VERSION, _FEATURES):
        raise SpecError(
            f"agent.policy {path} is of another version of dqn_transfer; train it again with `make train-transfer`."
        )
    try:
        widths = [len(value) for name, value in sorted(state.items()) if name.endswith(".encoder.0.bias")]
        network = Ensemble([ClassQNetwork(width) for width in widths] or [ClassQNetwork()])
        network.load_state_dict(state)
    except (RuntimeError, KeyError, IndexError) as error:
        raise SpecError(f"agent.policy {path} has other layers than dqn_transfer: {error}.") from error
    return network.eval()
